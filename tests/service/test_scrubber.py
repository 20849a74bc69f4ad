"""Bits that rot in finished stores are found, by the scrubber or when the spec is submitted again, and made again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import httpx
import pytest

import pdemill
from pdemill.engine import engine
from pdemill.errors import StoreError
from pdemill.service import scrubber
from pdemill.service.submission import queued
from pdemill.service.testing import Server, until
from pdemill.solvers.estimate import estimate
from pdemill.spec.load import load_spec
from pdemill.store.root import read_attributes
from tests.service.api import Api, serving, without_broker

FILE, MANIFEST = "train/solution/c/1/0/0/0", "_manifest/train-00001.json"


class Finished:
    """A data set that has ended well, and whose jobs may be asked for again."""

    def __init__(self, api: Api, store: Path, spec: dict[str, Any]) -> None:
        loaded = load_spec(read_attributes(store)["spec"])
        made = replace(queued(loaded, estimate(loaded)), status="successful", done=loaded.samples, finished=1.0)
        self.api, self.spec, self.dataset = api, spec, made.id
        self.root = Path(copytree(store, api.settings.store(made.id)))
        self.job = api.state.ledger.submit("anyone", made, None)[0].id

    def seen(self) -> dict[str, Any]:
        return dict(self.api.get(f"/v1/jobs/{self.job}").json)

    def status(self) -> str:
        found = self.api.state.ledger.dataset(self.dataset)
        assert found is not None
        return found.status


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    data[len(data) // 3] ^= 1
    file.write_bytes(data)


@contextmanager
def _finished(folder: Path, store: Path, spec: dict[str, Any], **changes: Any) -> Iterator[Finished]:
    with serving(without_broker(folder / "data", **changes)) as api:
        yield Finished(api, store, spec)


@pytest.fixture
def quiet(tmp_path: Path, darcy_store: Path, darcy_spec: dict[str, Any]) -> Iterator[Finished]:
    """On a server that does not scrub."""
    with _finished(tmp_path, darcy_store, darcy_spec, scrub_rate=0.0) as found:
        yield found


def test_the_scrubber_finds_it_and_jobs_tell(tmp_path: Path, darcy_store: Path, darcy_spec: dict[str, Any]) -> None:
    with _finished(tmp_path, darcy_store, darcy_spec, scrub_rate=1e9, scrub_hours=0.0) as found:
        until(lambda: "pdemill_scrubbed_bytes_total 0.0" not in found.api.get("/metrics").text, what="a look")
        assert (found.status(), found.seen()["message"]) == ("successful", "")
        (found.root / "train/input/left.tmp").write_bytes(b"of a writer that died")
        flip(found.root / FILE)
        until(lambda: found.status() == "accepted", what="the scrubber's find")
        assert not (found.root / MANIFEST).exists()
        seen = found.seen()
        assert (seen["status"], seen["progress"], seen["samples_done"]) == ("successful", 100, 47)
        assert seen["message"].startswith("1 finished shard(s) found damaged on ")
        assert seen["message"].endswith(" UTC; it is being made again, to the same bits")
        assert seen["message"] in found.api.get(f"/jobs/{found.job}").text
        found.api.get(f"/v1/jobs/{found.job}/results").problem(409, "is being made again")
        assert "pdemill_damaged_shards_total 1.0" in found.api.get("/metrics").text
        assert engine.repair(found.root, 0, lambda tally: None, False).solved == 1
        found.api.state.ledger.ended(found.dataset, "successful", "", 47, 0)
        assert found.seen()["message"].endswith("it was made again, to the same bits")
        assert found.api.get(f"/v1/jobs/{found.job}/results").status == 200
        assert not list(found.root.rglob("*.tmp"))


def test_submitting_again_finds_two_flipped_bytes(quiet: Finished) -> None:
    assert quiet.api.post("/v1/jobs", quiet.spec).json["status"] == "successful"
    flip(quiet.root / FILE)
    again = quiet.api.post("/v1/jobs", quiet.spec).json
    assert again["status"] == "accepted"
    assert not (quiet.root / MANIFEST).exists()
    assert quiet.api.post("/v1/jobs", quiet.spec).json["status"] == "accepted"


def test_a_root_that_cannot_be_read_is_made_again(quiet: Finished) -> None:
    (quiet.root / "zarr.json").write_text("{")
    assert quiet.api.post("/v1/jobs", quiet.spec).json["status"] == "accepted"
    assert not (quiet.root / "zarr.json").exists()
    assert (quiet.root / MANIFEST).exists()


def test_metadata_that_was_changed_is_written_again(quiet: Finished) -> None:
    file = quiet.root / "train/input/zarr.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "shape": [1]}))
    assert quiet.api.post("/v1/jobs", quiet.spec).json["status"] == "accepted"
    assert quiet.seen()["message"].startswith("metadata of the store found damaged on ")


def test_a_large_store_is_the_next_to_be_looked_at(quiet: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet.api.state.ledger.looked(quiet.dataset)
    assert quiet.api.state.ledger.unlooked(1.0) is None
    monkeypatch.setattr(scrubber, "AT_ONCE", 0)
    flip(quiet.root / FILE)
    assert quiet.api.post("/v1/jobs", quiet.spec).json["status"] == "successful"
    assert quiet.api.state.ledger.unlooked(1.0) == quiet.dataset


def test_a_repeated_request_looks_at_nothing(quiet: Finished) -> None:
    key = (("Idempotency-Key", "once"),)
    first = quiet.api.post("/v1/jobs", quiet.spec, key).json
    flip(quiet.root / FILE)
    assert quiet.api.post("/v1/jobs", quiet.spec, key).json["id"] == first["id"]
    assert quiet.status() == "successful"


def test_a_repair_goes_on_when_a_job_on_it_is_cancelled(quiet: Finished) -> None:
    flip(quiet.root / FILE)
    again = quiet.api.post("/v1/jobs", quiet.spec).json
    assert quiet.api.ask("DELETE", f"/v1/jobs/{again['id']}").json["status"] == "dismissed"
    assert quiet.status() == "accepted"


@pytest.mark.slow
def test_a_server_mends_what_rots(tmp_path: Path) -> None:
    """Asked, and unasked."""
    spec = {"problem": {"family": "poisson", "resolution": [32, 32], "source": {"field": "gaussian"}}, "samples": 40,
            "store": {"shard": 8}}  # fmt: skip
    scrubbing = Server(tmp_path, 1, None, PDEMILL_SCRUB_HOURS="0", PDEMILL_SCRUB_RATE="1e9")
    with scrubbing as server, server.client() as client:
        job = client.submit(spec).wait(180)
        root = Path(job.results()["store"]["path"])
        before = pdemill.verify(root).content
        for again in (lambda: client.submit(spec).wait(180), lambda: None):
            flip(root / "train/solution/c/2/0/0/0")
            again()
            until(lambda: pdemill.verify(root, samples=0).ok, 60, "a whole store")
            until(lambda: "was made again" in job.refresh().state["message"], 60, "the end of a repair")
            assert pdemill.verify(root).content == before
        (root / "zarr.json").write_text("{")
        until(lambda: _content(root) == before, 60, "a root made again")
        until(lambda: httpx.get(f"{server.url}/v1/jobs/{job.id}/results").status_code == 200, what="the end of that")


def _content(root: Path) -> str:
    try:
        return pdemill.verify(root, samples=0).content
    except StoreError:
        return ""
