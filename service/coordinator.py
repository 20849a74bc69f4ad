"""The coordinator: looks at what is finished, hands out what is not, and notes in the ledger how it ends.

It remembers nothing that it cannot find again: jobs are in the ledger, finished shards in the manifests, units
under way have leases.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

from kombu.exceptions import OperationalError
from redis import RedisError

from pdemill.data_directory import DataDirectory
from pdemill.errors import DirectoryAway, PdemillError
from pdemill.leases import NOTIFICATIONS, PREPARE, Leases, Unit
from pdemill.settings import Settings
from pdemill.store.disk import LocalDisk
from pdemill.store.layout import cut
from pdemill.store.manifest import FOLDER, Manifest, finished
from pdemill.store.root import read_attributes
from service.alone import alone
from service.ledger import UNFINISHED, Dataset, Ledger
from service.metrics import Metrics
from service.queue import Queue
from service.schedule import Track, next_units

TICK_SECONDS = 1.0
SHORTEST_TICK = 0.02
MOST_ACTIVE = 16
RATE_SECONDS = 60.0
AWAY = (RedisError, OperationalError, OSError, sqlite3.Error, DirectoryAway)

log = logging.getLogger("pdemill.coordinator")


@dataclass(frozen=True)
class Live:
    """How a data set under way is doing."""

    done: int = 0
    failed: int = 0
    shards_done: int = 0
    shards_total: int | None = None
    running: tuple[str, ...] = ()
    iterations: int = 0
    samples_per_second: float | None = None
    message: str = ""


@dataclass
class _ActiveDataset:
    """A track with the counts of its finished shards."""

    dataset: Dataset
    track: Track
    done: int = 0
    failed: int = 0
    iterations: int = 0
    message: str = ""
    begun: bool = False
    progress: dict[str, dict[str, int]] = field(default_factory=dict)
    history: deque[tuple[float, int]] = field(default_factory=deque)

    def restart(self) -> None:
        """Forget what was counted: the manifests are to be read anew."""
        self.track.finished.clear()
        self.done = self.failed = self.iterations = 0

    def rate(self, now: float, done: int) -> float | None:
        """Samples per second over the last minute."""
        self.history.append((now, done))
        while len(self.history) > 2 and now - self.history[0][0] > RATE_SECONDS:
            self.history.popleft()
        then, before = self.history[0]
        return (done - before) / (now - then) if done > before and now > then else None


class Coordinator:
    """One thread; of several processes on one data directory, one coordinates and the others stand by."""

    def __init__(
        self, settings: Settings, directory: DataDirectory, ledger: Ledger, leases: Leases, queue: Queue,
        metrics: Metrics,
    ) -> None:  # fmt: skip
        self._settings, self._ledger, self._leases, self._queue = settings, ledger, leases, queue
        self._directory = directory
        self._metrics = metrics
        self._active: dict[str, _ActiveDataset] = {}
        self._wake, self._stop = Event(), Event()
        self._threads = [Thread(target=target, daemon=True) for target in (self._coordinate, self._subscribe)]
        self.live: dict[str, Live] = {}
        self.trouble = "it has not begun yet"

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._wake.set()
        for thread in self._threads:
            thread.join(timeout=15)

    def look(self) -> None:
        """Look at everything now."""
        self._wake.set()

    def wake(self) -> None:
        """Look at the ledger now, unless so much is under way that nothing new can be taken up."""
        if len(self._active) < MOST_ACTIVE:
            self._wake.set()

    def _subscribe(self) -> None:
        """Wake up when a worker sends a notification."""
        while not self._stop.is_set():
            try:
                with self._leases.redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    pubsub.subscribe(NOTIFICATIONS)
                    while not self._stop.is_set():
                        if pubsub.get_message(timeout=TICK_SECONDS) is not None:
                            self._wake.set()
            except RedisError:
                self._stop.wait(TICK_SECONDS)  # told of by the other thread, which talks to the same broker

    def _coordinate(self) -> None:
        with alone(self._settings.data_dir / "coordinator.lock", self._stop):
            while not self._stop.is_set():
                self._wake.clear()
                try:
                    self._tick(time.monotonic())
                    self.trouble = ""
                except AWAY as error:
                    if not self.trouble:
                        log.warning("cannot go on: %s", error)
                    self.trouble = str(error)
                    self._stop.wait(TICK_SECONDS)
                except Exception as error:
                    log.exception("the coordinator stumbled")
                    self.trouble = f"{type(error).__name__}: {error}"
                    self._stop.wait(TICK_SECONDS)
                self._stop.wait(SHORTEST_TICK)
                self._wake.wait(TICK_SECONDS)

    def _tick(self, now: float) -> None:
        self._directory.require()
        workers = self._leases.workers()
        slots = sum(worker.slots for worker in workers)
        self._admit(max(MOST_ACTIVE, 2 * slots))
        for active in list(self._active.values()):
            try:
                self._look(active, now)
            except (RedisError, sqlite3.Error):
                raise
            except (PdemillError, OSError, KeyError, TypeError) as error:  # one store must not stop the others
                if not active.message:
                    log.warning("cannot look at the store: %s", error, extra={"dataset": active.dataset.id})
                active.message = f"waiting: its store cannot be read: {error}"
        units = [Unit(active.dataset.id, name) for active in self._active.values() for name in active.track.issued]
        waiting = self._leases.waiting()
        leased = self._leases.leased(units, workers)
        for active in self._active.values():
            self._miss(active, leased, waiting, now)
        for unit in next_units([active.track for active in self._active.values()], slots, now):
            self._issue(unit, now)
        self._publish(leased, now)
        self._metrics.workers(len(workers), slots, len(waiting))

    def _admit(self, most: int) -> None:
        """Take up the data sets that have waited longest."""
        if len(self._active) >= most:
            return
        for status in ("running", "accepted"):
            for dataset in self._ledger.with_status(status, most):
                if dataset.id in self._active or len(self._active) >= most:
                    continue
                if dataset.status == "accepted":
                    self._leases.open_dataset(dataset.id)
                self._active[dataset.id] = _ActiveDataset(dataset, Track(dataset.id))

    def _look(self, active: _ActiveDataset, now: float) -> None:
        """See what has become of a data set since the last look."""
        dataset, track = active.dataset.id, active.track
        row = self._ledger.dataset(dataset)
        if row is None or row.status not in UNFINISHED:
            self._leases.cancel(dataset)
            self._leases.close_dataset(dataset)
            del self._active[dataset]
            return
        active.begun = row.status == "running"
        for name, failure in self._leases.take_failures(dataset).items():
            if failure.kind == "poison":
                self._end(active, "failed", failure.message)
                return
            active.message = f"waiting: {failure.message}"
            track.failed(name, failure, now)
            if failure.kind == "missing":
                active.restart()
        active.progress = self._leases.progress(dataset)
        root = self._settings.store(dataset)
        if not (root / "zarr.json").exists():
            if track.shards is not None:
                track.shards = None
                active.restart()
            return
        attributes = read_attributes(root)
        if track.shards is None:
            track.prepared(cut(attributes["spec"]["splits"], int(attributes["shard_samples"])))
        self._read_manifests(active, root)
        assert track.shards is not None
        if attributes["complete"] and len(track.finished) == len(track.shards):
            failed = int(attributes["failed_samples"])
            words = f"{failed} of {active.dataset.samples} samples have no certified solution; the store has the others"
            self._end(active, "failed" if failed else "successful", words if failed else "")

    def _read_manifests(self, active: _ActiveDataset, root: Path) -> None:
        """Take up the shards that were finished since the last look; damaged ones are to be solved again."""
        track = active.track
        assert track.shards is not None
        known = {path.stem for path in (root / FOLDER).glob("*.json")}
        for name in known - track.finished:
            if (shard := track.shards.get(name)) is None:
                continue
            if (manifest := finished(LocalDisk(root), shard)) is not None:
                self._count(active, name, manifest)

    def _count(self, active: _ActiveDataset, name: str, manifest: Manifest) -> None:
        if name in active.track.issued:
            self._metrics.shard(manifest)
        active.track.done([name])
        active.message = ""
        active.done += manifest.stop - manifest.start
        active.failed += len(manifest.failures)
        active.iterations += int(manifest.summary.get("iterations", 0))

    def _end(self, active: _ActiveDataset, status: Any, message: str) -> None:
        dataset = active.dataset.id
        self._ledger.ended(dataset, status, message, active.done, active.failed)
        log.info("ended", extra={"dataset": dataset, "status": status})
        if status == "failed":
            self._leases.cancel(dataset)
        self._leases.close_dataset(dataset)
        del self._active[dataset]

    def _miss(self, active: _ActiveDataset, leased: set[Unit], waiting: set[Unit], now: float) -> None:
        for name in active.track.lost(leased, waiting, now):
            self._metrics.lease_lost()
            log.warning("lost, handed out again", extra={"dataset": active.dataset.id, "unit": name})
        if not active.begun and any(issue.leased for issue in active.track.issued.values()):
            self._ledger.begun(active.dataset.id)
            active.begun = True

    def _issue(self, unit: Unit, now: float) -> None:
        active = self._active[unit.dataset]
        shards = active.track.shards or {}
        if unit.name in shards:
            self._queue.put_shard(unit, shards[unit.name])
        elif unit.name == PREPARE:
            self._queue.put(unit, active.dataset.spec)
        else:
            self._queue.put(unit)
        active.track.issue(unit.name, now)

    def _publish(self, leased: set[Unit], now: float) -> None:
        """Renew what the API shows."""
        live = {}
        for dataset, active in self._active.items():
            running = tuple(sorted(unit.name for unit in leased if unit.dataset == dataset))
            counts = [count for name, count in active.progress.items() if name in active.track.issued]
            done = active.done + sum(c["done"] for c in counts)
            live[dataset] = Live(
                done=done,
                failed=active.failed + sum(c["failed"] for c in counts),
                shards_done=len(active.track.finished),
                shards_total=len(active.track.shards) if active.track.shards is not None else None,
                running=running,
                iterations=active.iterations + sum(c["iterations"] for c in counts),
                samples_per_second=active.rate(now, done),
                message=active.message,
            )
        self.live = live
