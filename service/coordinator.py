"""The coordinator: looks at what is finished, hands out what is not, and notes in the ledger how it ends.

It remembers nothing that it cannot find again: jobs are in the ledger, finished shards in the manifests, units
under way have leases on the board.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

from kombu.exceptions import OperationalError
from redis import RedisError

from pdemill.board import NEWS, PREPARE, Board, Unit
from pdemill.errors import CorruptStore, PdemillError
from pdemill.settings import Settings
from pdemill.store.disk import LocalDisk
from pdemill.store.layout import cut
from pdemill.store.manifest import FOLDER, Manifest, read
from pdemill.store.root import read_attributes
from service.ledger import UNFINISHED, Dataset, Ledger
from service.metrics import Metrics
from service.queue import Queue
from service.schedule import Track, next_units

TICK_SECONDS = 1.0
SHORTEST_TICK = 0.02
MOST_ACTIVE = 16
RATE_SECONDS = 60.0
AWAY = (RedisError, OperationalError, OSError, sqlite3.Error)

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
class _Way:
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

    def __init__(self, settings: Settings, ledger: Ledger, board: Board, queue: Queue, metrics: Metrics) -> None:
        self._settings, self._ledger, self._board, self._queue = settings, ledger, board, queue
        self._metrics = metrics
        self._ways: dict[str, _Way] = {}
        self._news, self._stop = Event(), Event()
        self._threads = [Thread(target=target, daemon=True) for target in (self._coordinate, self._listen)]
        self.live: dict[str, Live] = {}
        self.trouble = "it has not begun yet"

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._news.set()
        for thread in self._threads:
            thread.join(timeout=15)

    def news(self) -> None:
        """Look at everything now."""
        self._news.set()

    def wake(self) -> None:
        """Look at the ledger now, unless so much is under way that nothing new can be taken up."""
        if len(self._ways) < MOST_ACTIVE:
            self._news.set()

    def _listen(self) -> None:
        """Wake up when a worker tells something."""
        while not self._stop.is_set():
            try:
                with self._board.redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    pubsub.subscribe(NEWS)
                    while not self._stop.is_set():
                        if pubsub.get_message(timeout=TICK_SECONDS) is not None:
                            self._news.set()
            except RedisError:
                self._stop.wait(TICK_SECONDS)  # told of by the other thread, which talks to the same broker

    def _coordinate(self) -> None:
        with _alone(self._settings.data_dir / "coordinator.lock", self._stop):
            while not self._stop.is_set():
                self._news.clear()
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
                self._news.wait(TICK_SECONDS)

    def _tick(self, now: float) -> None:
        workers = self._board.workers()
        slots = sum(worker.slots for worker in workers)
        self._admit(max(MOST_ACTIVE, 2 * slots))
        for way in list(self._ways.values()):
            try:
                self._look(way, now)
            except (RedisError, sqlite3.Error):
                raise
            except (PdemillError, OSError, KeyError, TypeError) as error:  # one store must not stop the others
                if not way.message:
                    log.warning("cannot look at the store: %s", error, extra={"dataset": way.dataset.id})
                way.message = f"waiting: its store cannot be read: {error}"
        units = [Unit(way.dataset.id, name) for way in self._ways.values() for name in way.track.issued]
        waiting = self._board.waiting()
        leased = self._board.leased(units, workers)
        for way in self._ways.values():
            self._miss(way, leased, waiting, now)
        for unit in next_units([way.track for way in self._ways.values()], slots, now):
            self._issue(unit, now)
        self._publish(leased, now)
        self._metrics.board(len(workers), slots, len(waiting))

    def _admit(self, most: int) -> None:
        """Take up the data sets that have waited longest."""
        if len(self._ways) >= most:
            return
        for status in ("running", "accepted"):
            for dataset in self._ledger.with_status(status, most):
                if dataset.id in self._ways or len(self._ways) >= most:
                    continue
                if dataset.status == "accepted":
                    self._board.open_dataset(dataset.id)
                self._ways[dataset.id] = _Way(dataset, Track(dataset.id))

    def _look(self, way: _Way, now: float) -> None:
        """See what has become of a data set since the last look."""
        dataset, track = way.dataset.id, way.track
        row = self._ledger.dataset(dataset)
        if row is None or row.status not in UNFINISHED:
            self._board.cancel(dataset)
            self._board.close_dataset(dataset)
            del self._ways[dataset]
            return
        way.begun = row.status == "running"
        for name, fault in self._board.take_faults(dataset).items():
            if fault.kind == "poison":
                self._end(way, "failed", fault.message)
                return
            way.message = f"waiting: {fault.message}"
            track.fault(name, fault, now)
            if fault.kind == "missing":
                way.restart()
        way.progress = self._board.progress(dataset)
        root = self._settings.store(dataset)
        if not (root / "zarr.json").exists():
            if track.shards is not None:
                track.shards = None
                way.restart()
            return
        attributes = read_attributes(root)
        if track.shards is None:
            track.prepared(cut(attributes["spec"]["splits"], int(attributes["shard_samples"])))
        self._read_manifests(way, root)
        assert track.shards is not None
        if attributes["complete"] and len(track.finished) == len(track.shards):
            failed = int(attributes["failed_samples"])
            words = f"{failed} of {way.dataset.samples} samples have no certified solution; the store has the others"
            self._end(way, "failed" if failed else "successful", words if failed else "")

    def _read_manifests(self, way: _Way, root: Path) -> None:
        """Take up the shards that were finished since the last look."""
        track = way.track
        assert track.shards is not None
        known = {path.stem for path in (root / FOLDER).glob("*.json")}
        for name in known - track.finished:
            if (shard := track.shards.get(name)) is None:
                continue
            try:
                manifest = read(LocalDisk(root), shard)
            except CorruptStore as error:
                log.warning("%s", error, extra={"dataset": track.dataset, "unit": name})
                continue
            if manifest is not None:
                self._count(way, name, manifest)

    def _count(self, way: _Way, name: str, manifest: Manifest) -> None:
        if name in way.track.issued:
            self._metrics.shard(manifest)
        way.track.done([name])
        way.message = ""
        way.done += manifest.stop - manifest.start
        way.failed += len(manifest.failures)
        way.iterations += int(manifest.summary.get("iterations", 0))

    def _end(self, way: _Way, status: Any, message: str) -> None:
        dataset = way.dataset.id
        self._ledger.ended(dataset, status, message, way.done, way.failed)
        log.info("ended", extra={"dataset": dataset, "status": status})
        if status == "failed":
            self._board.cancel(dataset)
        self._board.close_dataset(dataset)
        del self._ways[dataset]

    def _miss(self, way: _Way, leased: set[Unit], waiting: set[Unit], now: float) -> None:
        for name in way.track.lost(leased, waiting, now):
            self._metrics.lease_lost()
            log.warning("lost, handed out again", extra={"dataset": way.dataset.id, "unit": name})
        if not way.begun and any(issue.leased for issue in way.track.issued.values()):
            self._ledger.begun(way.dataset.id)
            way.begun = True

    def _issue(self, unit: Unit, now: float) -> None:
        way = self._ways[unit.dataset]
        shards = way.track.shards or {}
        if unit.name in shards:
            self._queue.put_shard(unit, shards[unit.name])
        elif unit.name == PREPARE:
            self._queue.put(unit, way.dataset.spec)
        else:
            self._queue.put(unit)
        way.track.issue(unit.name, now)

    def _publish(self, leased: set[Unit], now: float) -> None:
        """Renew what the API shows."""
        live = {}
        for dataset, way in self._ways.items():
            running = tuple(sorted(unit.name for unit in leased if unit.dataset == dataset))
            counts = [count for name, count in way.progress.items() if name in way.track.issued]
            done = way.done + sum(c["done"] for c in counts)
            live[dataset] = Live(
                done=done,
                failed=way.failed + sum(c["failed"] for c in counts),
                shards_done=len(way.track.finished),
                shards_total=len(way.track.shards) if way.track.shards is not None else None,
                running=running,
                iterations=way.iterations + sum(c["iterations"] for c in counts),
                samples_per_second=way.rate(now, done),
                message=way.message,
            )
        self.live = live


@contextmanager
def _alone(path: Path, stop: Event) -> Iterator[None]:
    """Hold a lock file while the block runs; wait for it until told to stop."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not stop.is_set() and not _locked(handle):
            stop.wait(TICK_SECONDS)
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
