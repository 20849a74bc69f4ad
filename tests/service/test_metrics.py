"""Counters: they go on after a restart, whichever process counted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from pdemill.leases import Report
from pdemill.service.ledger import Ledger
from pdemill.service.metrics import Metrics
from pdemill.service.totals import Totals
from tests.service.api import Api, bearer, keys_file, serving, without_broker

REPORT = Report("a", "train-00000", samples=10, failed=2, iterations=50, wall_seconds=2.0, cpu_seconds={"solve": 1.5})


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "jobs.sqlite")
    yield made
    made.close()


def _value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_counters_are_of_the_data_directory(ledger: Ledger) -> None:
    """Two processes count; a third, started later, shows the sum."""
    for _ in range(2):
        metrics = Metrics(Totals(ledger))
        metrics.shard(REPORT)
        metrics.worked_for("ada", 1.5)
        metrics.lease_lost()
        metrics.totals.save()
        metrics.totals.save()
    shown = Metrics(Totals(ledger))
    assert _value(shown, "pdemill_samples_total", result="certified") == 16
    assert _value(shown, "pdemill_samples_total", result="failed") == 4
    assert _value(shown, "pdemill_iterations_total") == 100
    assert _value(shown, "pdemill_cpu_seconds_total", step="solve") == 3.0
    assert _value(shown, "pdemill_owner_cpu_seconds_total", owner="ada") == 3.0
    assert _value(shown, "pdemill_leases_lost_total") == 2
    assert _value(shown, "pdemill_auth_failures_total") == 0
    assert _value(shown, "pdemill_shard_seconds_count") == 2
    assert _value(shown, "pdemill_shard_seconds_sum") == 4.0
    assert _value(shown, "pdemill_shard_seconds_bucket", le="1.0") == 0
    assert _value(shown, "pdemill_shard_seconds_bucket", le="3.0") == 2
    assert _value(shown, "pdemill_shard_seconds_bucket", le="+Inf") == 2


def test_what_could_not_be_written_down_is_not_lost(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    totals = Totals(ledger)
    totals.add("pdemill_iterations", 7)

    def full(_: object) -> None:
        raise sqlite3.OperationalError("disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "add_totals", full)
        with pytest.raises(sqlite3.OperationalError):
            totals.save()
    totals.save()
    assert ledger.totals() == {("pdemill_iterations", ""): 7.0}


def _metrics(api: Api, owner: str) -> dict[str, float]:
    lines = [line for line in api.get("/metrics", bearer(owner)).text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_wrong_keys_are_counted_also_over_a_restart(tmp_path: Path) -> None:
    settings = without_broker(tmp_path / "data", api_keys=keys_file(tmp_path / "keys.yaml", ann={}))
    for wrong in (3, 6):
        with serving(settings) as api:
            for key in ("", "Bearer wrong", "Basic x"):
                api.get("/v1/jobs", (("Authorization", key),)).problem(401)
            assert _metrics(api, "ann")["pdemill_auth_failures_total"] == wrong


def test_routes_are_labelled_with_their_prefix(tmp_path: Path) -> None:
    """The page of a job and the job itself are two routes."""
    with serving(without_broker(tmp_path / "data")) as api:
        for path in ("/jobs/none", "/v1/jobs/none", "/healthz", "/v1/healthz", "/nowhere"):
            api.get(path)
        found = {name.partition('route="')[2].partition('"')[0] for name in _metrics(api, "anyone")}
        assert found >= {"/jobs/{job}", "/v1/jobs/{job}", "/healthz", "/v1/healthz", "none"}
        gauges = _metrics(api, "anyone")
        assert gauges["pdemill_disk_bytes"] > gauges["pdemill_disk_free_bytes"] > 0
        assert gauges["pdemill_backlog_shards"] == gauges["pdemill_oldest_wait_seconds"] == 0
