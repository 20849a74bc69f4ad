"""The coordinator at work on a real broker, with workers that only say that they have done what they were given."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread, get_ident
from typing import Any

import pytest

from benchmarks.coordinator import Crowd, broker, coordinator, submit
from pdemill.data_directory import DataDirectory
from pdemill.leases import Leases, Presence
from pdemill.service.coordinator import Coordinator
from pdemill.service.ledger import Ledger
from pdemill.service.testing import until
from pdemill.service.turns import room
from pdemill.settings import Settings


@dataclass
class Watch:
    """Folders that were listed, and manifests that were opened, by the threads of the coordinator."""

    threads: set[int]
    counts: Counter[str]
    on: bool = True

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on or get_ident() not in self.threads or event not in ("os.scandir", "os.listdir", "open"):
            return
        listed, path = event != "open", str(arguments[0])
        if listed and "datasets" in path:
            self.counts["listed"] += 1
        elif not listed and "_manifest" in path:
            self.counts["opened"] += 1


@contextmanager
def working(settings: Settings, workers: int, hold: float = 0.0) -> Iterator[Crowd]:
    """A crowd in a thread."""
    crowd, stop = Crowd(settings, workers, hold), Event()
    thread = Thread(target=crowd.live, args=(stop,))
    thread.start()
    try:
        yield crowd
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("c")
    with broker(folder) as url:
        yield Settings(data_dir=folder / "data", redis_url=url)


@contextmanager
def coordinating(settings: Settings) -> Iterator[tuple[Coordinator, Ledger]]:
    made, ledger = coordinator(settings)
    made.start()
    try:
        yield made, ledger
    finally:
        made.stop()
        ledger.close()


def leases_of(settings: Settings) -> Leases:
    return Leases.at(settings, DataDirectory.made(settings.data_dir).id)


def _status(ledger: Ledger, dataset: str) -> str:
    found = ledger.dataset(dataset)
    assert found is not None
    return found.status


def _await_end(ledger: Ledger, *datasets: str) -> None:
    until(lambda: all(_status(ledger, name) == "successful" for name in datasets), what="the end of all")


def test_every_unit_is_handed_out_once_and_no_manifest_is_looked_for(settings: Settings) -> None:
    """What is finished is known from reports. Nothing is left behind, here or at the broker."""
    with coordinating(settings) as (made, ledger):
        watch = Watch({thread.ident or 0 for thread in made._threads}, Counter())
        sys.addaudithook(watch)
        names = [submit(ledger, f"owner-{number}", number, 1000, 100.0) for number in range(4)]
        made.wake()
        with working(settings, 50) as crowd:
            _await_end(ledger, *names)
        watch.on = False
    assert len(crowd.done) == 4 * 1002
    assert set(crowd.done.values()) == {1}
    assert watch.counts["listed"] <= 4 * 2
    assert watch.counts["opened"] == 0
    assert not made._active
    assert not made.live
    leases = leases_of(settings)
    left = {key for key in leases.redis.keys("*") if ":worker" not in key}
    assert left <= {f"{leases.prefix}_kombu.binding.work"}


def test_no_more_is_handed_out_than_workers_need(settings: Settings) -> None:
    with coordinating(settings) as (made, ledger), working(settings, 20, hold=0.05):
        name, most = submit(ledger, "ann", 1, 2000, 100.0), 0
        while _status(ledger, name) != "successful":
            most = max(most, sum(len(active.track.issued) for active in list(made._active.values())))
    assert 20 <= most <= room(20)


def test_what_a_worker_could_not_report_is_found(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports that are lost with the broker: the units are without lease, so they are looked at, and done again."""
    monkeypatch.setattr("pdemill.service.schedule.GRACE_SECONDS", 0.5)
    with coordinating(settings) as (made, ledger), working(settings, 4, hold=0.02) as crowd:
        name = submit(ledger, "ann", 1, 200, 100.0)
        leases = leases_of(settings)
        until(lambda: len(crowd.done) > 20)
        leases.redis.delete(f"{leases.prefix}work", f"{leases.prefix}reports")
        _await_end(ledger, name)
        assert made.trouble == ""


def _leases_lost(made: Coordinator) -> float:
    (found,) = (metric for metric in made._metrics.totals.collect() if metric.name == "pdemill_leases_lost")
    return float(found.samples[0].value)


def test_only_what_was_leased_counts_as_a_lost_lease(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit that a worker took from the queue and never began, as when its process died first, is handed out again."""
    monkeypatch.setattr("pdemill.service.schedule.GRACE_SECONDS", 0.1)
    with coordinating(settings) as (made, ledger):
        submit(ledger, "ann", 1, 4, 100.0)
        leases = leases_of(settings)
        for _ in range(3):
            until(leases.waiting, what="the unit")
            leases.redis.delete(f"{leases.prefix}work")
        assert _leases_lost(made) == 0
        (unit,) = until(leases.waiting, what="the unit")
        leases.beat(Presence("worker", "host", 1, 1, "0"), [])
        leases.take(unit, "worker/1")
        leases.redis.delete(f"{leases.prefix}work")
        until(lambda: made._active[unit.dataset].track.issued[unit.name].begun, what="the lease's notice")
        leases.gone("worker")
        until(leases.waiting, what="the unit")
        assert _leases_lost(made) == 1


def test_a_second_coordinator_stands_by_shows_the_same_and_takes_over(settings: Settings) -> None:
    with working(settings, 4, hold=0.05) as crowd, coordinating(settings) as (first, ledger):
        until(lambda: first.leads)
        name = submit(ledger, "ann", 1, 400, 100.0)
        with coordinating(settings) as (second, other):
            until(lambda: name in second.live and second.live[name].shards_done > 10, what="what is shown")
            assert not second.leads
            assert second.trouble == ""
            assert second.live[name].shards_total == 400
            first.stop()
            until(lambda: second.leads, what="the second's turn")
            _await_end(other, name)
    assert set(crowd.done.values()) <= {1, 2}


def test_one_that_stands_by_tells_when_nobody_coordinates(settings: Settings) -> None:
    """The lock is held by a process that does nothing."""
    from pdemill.flock import FileLock

    Path(settings.datasets).mkdir(parents=True)
    lock = FileLock(settings.state / "coordinator.lock")
    assert lock.take()
    with coordinating(settings) as (made, _):
        until(lambda: "does not say that it is alive" in made.trouble)
    lock.release()


def test_the_backlog_is_measured(settings: Settings, tmp_path: Path) -> None:
    """For autoscalers: shards to be done and the longest wait, whether or not a worker is there."""
    with coordinating(settings) as (made, ledger):
        assert (made.unfinished_shards(), made.oldest_wait()) == (0, 0.0)
        submit(ledger, "ann", 1, 300, 100.0)
        submit(ledger, "bob", 2, 700, 100.0)
        assert made.unfinished_shards() == 1000
        assert 0.0 < made.oldest_wait() < 60.0
        with working(settings, 10, hold=0.05):
            until(lambda: made.unfinished_shards() < 900)
            assert made.oldest_wait() == 0.0
