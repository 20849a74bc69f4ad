"""Finished stores expire where the server is told to; owners may store so many bytes and no more."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pdemill.service.expiry import Expiry
from pdemill.service.testing import until
from tests.service.api import bearer, keys_file, serving, without_broker

DAY = 86_400.0


def _spec(samples: int, seed: int = 0) -> dict[str, Any]:
    return {"problem": {"family": "poisson", "resolution": [8, 8]}, "samples": samples, "seed": seed}


def test_a_finished_store_expires(tmp_path: Path, darcy_store: Path) -> None:
    settings = without_broker(tmp_path / "data", expire_days=2.0)
    with serving(settings) as api:
        job, dataset = api.finished(darcy_store)
        api.state.ledger.ended(dataset, "successful", "", 47, 0, 1000)
        store = api.store(dataset)
        shown = api.get(f"/v1/jobs/{job}").json
        left = datetime.fromisoformat(shown["expires"]).timestamp() - time.time()
        assert 1.9 * DAY < left < 2.1 * DAY
        expiry = Expiry(settings, api.state.ledger, lambda: True)
        expiry.sweep(time.time() + 1.9 * DAY)
        assert store.exists()
        expiry.sweep(time.time() + 2.1 * DAY)
        assert not store.exists()
        assert not list(Path(settings.datasets).iterdir())
        shown = api.get(f"/v1/jobs/{job}").json
        assert (shown["status"], shown["expires"]) == ("dismissed", None)
        assert shown["message"] == "its store expired after 2 days (PDEMILL_EXPIRE_DAYS)"


def test_a_store_that_was_asked_for_again_is_kept_longer(tmp_path: Path, darcy_store: Path) -> None:
    settings = without_broker(tmp_path / "data", expire_days=2.0)
    with serving(settings) as api:
        _, dataset = api.finished(darcy_store)
        ledger = api.state.ledger
        found = ledger.dataset(dataset)
        assert found is not None
        with ledger._write() as db:
            db.execute("UPDATE jobs SET finished = finished - ?", (3 * DAY,))
        assert ledger.expired(time.time() - 2 * DAY, 9) == [dataset]
        ledger.submit("bob", found, None)
        assert ledger.expired(time.time() - 2 * DAY, 9) == []
        assert not ledger.expire(dataset, time.time() - 2 * DAY, "")


def test_by_default_nothing_expires(tmp_path: Path, darcy_store: Path) -> None:
    with serving(without_broker(tmp_path / "data")) as api:
        job, _ = api.finished(darcy_store)
        assert api.get(f"/v1/jobs/{job}").json["expires"] is None
        assert not api.state.expiry._thread.is_alive()


def test_the_process_that_coordinates_looks_by_itself(tmp_path: Path, darcy_store: Path) -> None:
    settings = without_broker(tmp_path / "data", expire_days=1.0 / DAY)
    with serving(settings) as api:
        _, dataset = api.finished(darcy_store)
        until(lambda: not api.store(dataset).exists(), what="the store's end")


def test_an_owner_may_store_so_much_and_no_more(tmp_path: Path) -> None:
    """Its key tells how much, or else the server; what is deleted makes room."""
    each = 8 * 8 * 4 * 2
    keys = keys_file(tmp_path / "keys.yaml", ann={"max_bytes": 100 * each}, bob={})
    settings = without_broker(tmp_path / "data", api_keys=keys, max_stored_bytes=30 * each)
    with serving(settings) as api:
        first = api.post("/v1/jobs", _spec(60), bearer("ann"))
        assert first.status == 202
        assert api.post("/v1/jobs", _spec(60), bearer("ann")).status == 202, "the same store"
        refused = api.post("/v1/jobs", _spec(60, seed=1), bearer("ann")).problem(403, f"{120 * each:,}")
        assert f"{100 * each:,}" in refused["detail"]
        assert api.post("/v1/jobs", _spec(40, seed=1), bearer("ann")).status == 202
        api.post("/v1/jobs", _spec(31, seed=2), bearer("bob")).problem(403)
        assert api.post("/v1/jobs", _spec(30, seed=2), bearer("bob")).status == 202
        for job in api.get("/v1/jobs", bearer("ann")).json["jobs"]:
            api.ask("DELETE", f"/v1/jobs/{job['id']}", bearer("ann"))
        assert api.post("/v1/jobs", _spec(90, seed=3), bearer("ann")).status == 202


def test_ledgers_of_older_versions_are_taken(tmp_path: Path) -> None:
    """Their rows get estimates from what they have."""
    import sqlite3

    from pdemill.service.backlog import Backlog
    from pdemill.service.ledger import Ledger
    from pdemill.service.ledger_schema import SCHEMA

    db = sqlite3.connect(tmp_path / "jobs.sqlite")
    old = SCHEMA.partition("CREATE TABLE IF NOT EXISTS backlog")[0]
    for column in (", seconds REAL NOT NULL DEFAULT 0", "memory INTEGER NOT NULL DEFAULT 0, ",
                   "bytes INTEGER NOT NULL DEFAULT 0, ", "shards INTEGER NOT NULL DEFAULT 1",
                   "name TEXT NOT NULL DEFAULT '',"):  # fmt: skip
        old = old.replace(column, "")
    db.executescript(old.replace("finished REAL,\n    \n", "finished REAL\n"))
    db.execute("INSERT INTO datasets VALUES ('d', '{}', 'x', 4, 4000000, 'running', '', 0, 0, 1.0, 2.0, NULL)")
    db.execute("INSERT INTO jobs VALUES (1, 'j', 'ann', 'd', 'running', '', 1.0, 2.0, NULL, NULL)")
    db.commit()
    db.close()
    for _ in range(2):
        ledger = Ledger(tmp_path / "jobs.sqlite")
        found = ledger.dataset("d")
        assert found is not None
        assert (found.seconds, found.bytes, found.shards) == (4.0, 32_000_000, 1)
        assert Backlog(ledger.path).shortest("ann", 9) == ["d"]
        ledger.ended("d", "successful", "", 4, 0)
        assert Backlog(ledger.path).shortest("ann", 9) == []
        ledger.submit("ann", replace(found, id="d"), None, gone=lambda: True)
        ledger.close()
