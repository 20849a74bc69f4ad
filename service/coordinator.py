"""The coordinator: hands out what is to be done, and notes in the ledger how it ends.

It knows what it handed out and what workers report. It reads a store when it takes a data set up, and again only when
something is wrong with it. It remembers nothing that it cannot find again: jobs are in the ledger, finished shards in
the manifests, units under way have leases.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from threading import Event, Thread

from redis import RedisError

from pdemill.data_directory import MARKER, DataDirectory
from pdemill.errors import DirectoryAway, PdemillError
from pdemill.leases import FINISH, PREPARE, Leases, Presence, Report, Unit
from pdemill.service.active import ActiveDataset, Live, is_finished
from pdemill.service.alone import alone
from pdemill.service.backlog import MENDING, Backlog
from pdemill.service.graves import is_buried
from pdemill.service.ledger import Ledger, Status
from pdemill.service.metrics import Metrics
from pdemill.service.queue import Queue, Task
from pdemill.service.schedule import Track
from pdemill.service.turns import Turns, room
from pdemill.settings import Settings

TICK_SECONDS = 1.0
SHORTEST_TICK = 0.02
SAVE_SECONDS = 5.0
"""How often counters are written down."""
PULSE_SECONDS = 0.5
"""How often leases, progress and workers are looked at."""
SHARE = 3.0
"""After a tick it rests at least so many times as long as the tick took of a core."""
READING_SECONDS = 0.05
"""How long a tick may read manifests of before."""
MOST_ACTIVE = 16
"""Data sets that are taken up at least, as long as there are as many."""
AWAY = (RedisError, OSError, sqlite3.Error, DirectoryAway)

log = logging.getLogger("pdemill.coordinator")


class Coordinator:
    """Two threads; of several processes on one data directory, one coordinates, and the others stand by and show what
    it tells them. ``limit``: the most units of an owner at a time, if any."""

    def __init__(
        self, settings: Settings, directory: DataDirectory, ledger: Ledger, leases: Leases, queue: Queue,
        metrics: Metrics, limit: Callable[[str], int | None] = lambda owner: None,
    ) -> None:  # fmt: skip
        self._settings, self._ledger, self._leases, self._queue = settings, ledger, leases, queue
        self._directory = directory
        self._metrics = metrics
        self._backlog = Backlog(ledger.path)
        self._turns = Turns(limit)
        self._active: dict[str, ActiveDataset] = {}
        self._reports: deque[Report] = deque()
        self._workers: list[Presence] = []
        self._slots, self._next_pulse, self._next_save = 0, 0.0, 0.0
        self._told: dict[str, Live] = {}
        self._wake, self._stop, self._leads = Event(), Event(), Event()
        self._threads = [Thread(target=target, daemon=True) for target in (self._coordinate, self._listen)]
        self.live: dict[str, Live] = {}
        self.paused = False
        self.trouble = "it has not begun yet"

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        for event in (self._stop, self._leads, self._wake):
            event.set()
        for thread in self._threads:
            thread.join(timeout=15)
        self._guarded(self._metrics.totals.save)
        self._backlog.close()

    def wake(self) -> None:
        """Look at the ledger now."""
        self._wake.set()

    @property
    def leads(self) -> bool:
        """Whether it coordinates, and does not stand by."""
        return self._leads.is_set() and not self._stop.is_set()

    @property
    def workers(self) -> tuple[Presence, ...]:
        """The workers that were alive when it looked last."""
        return tuple(self._workers)

    def unfinished_shards(self) -> int:
        """Shards of all data sets that somebody waits for, those that are not prepared yet as estimated."""
        return max(0, self._backlog.shards() - sum(live.shards_done for live in list(self.live.values())))

    def most_memory(self) -> int | None:
        """Bytes that a process of a worker may use, of the worker that may use most; None while that is not known."""
        return self._settings.worker_memory or max((worker.memory for worker in self._workers), default=0) or None

    def oldest_wait(self) -> float:
        """Seconds for which a data set has waited to be begun, the longest of them."""
        queued = self._backlog.oldest()
        return max(0.0, time.time() - queued) if queued is not None else 0.0

    def _listen(self) -> None:
        """Take what workers report, as soon as they do."""
        self._leads.wait()
        while not self._stop.is_set():
            try:
                if found := self._leases.take_reports(TICK_SECONDS):
                    self._reports.extend(found)
                    self._wake.set()
                    self._stop.wait(SHORTEST_TICK / 2)
            except RedisError:
                self._stop.wait(TICK_SECONDS)  # told of by the other thread, which talks to the same broker

    def _coordinate(self) -> None:
        with alone(self._settings.state / "coordinator.lock", self._stop, self._stand_by) as held:
            if not held:
                return
            self.live = {}
            self._leads.set()
            while not self._stop.is_set():
                self._wake.clear()
                begin = time.thread_time()
                self._guarded(lambda: self._tick(time.monotonic()))
                self._stop.wait(max(SHORTEST_TICK, SHARE * (time.thread_time() - begin)))
                self._wake.wait(PULSE_SECONDS)
            self._guarded(lambda: self._leases.resign(self._directory.home))

    def _guarded(self, act: Callable[[], None]) -> None:
        """Act; what goes wrong is told of, and tried again after a while."""
        try:
            act()
            if (now := time.monotonic()) >= self._next_save:
                self._metrics.totals.save()
                self._next_save = now + SAVE_SECONDS
            self.trouble = ""
            return
        except AWAY as error:
            if not self.trouble:
                log.warning("cannot go on: %s", error)
            self.trouble = str(error)
        except Exception as error:
            log.exception("the coordinator stumbled")
            self.trouble = f"{type(error).__name__}: {error}"
        self._stop.wait(TICK_SECONDS)

    def _stand_by(self) -> None:
        """Show what the coordinator of another process tells."""

        def act() -> None:
            told = self._leases.live()
            self.live = {dataset: Live.of(text) for dataset, text in (told or {}).items()}
            self._look_at_workers()
            if told is None:
                raise OSError("another process holds the coordinator's lock, and does not say that it is alive")

        self._guarded(act)

    def _tick(self, now: float) -> None:
        self._directory.require()
        changed: set[str] = set()
        while self._reports:
            changed.add(self._reports[0].dataset)
            self._take(self._reports[0], now)
            self._reports.popleft()
        pulse = now >= self._next_pulse
        if self._backlog.changed() or pulse:
            self._admit(now)
        self._read_some(now)
        if pulse:
            self._pulse(now)
            self._next_pulse = now + PULSE_SECONDS
        changed |= self._hand_out(now)
        for dataset in changed & self._active.keys():
            self.live[dataset] = self._active[dataset].live(now)

    def _admit(self, now: float) -> None:
        """Take up the data sets whose turn may come, and drop those that nobody waits for any more."""
        wanted = self._backlog.wanted(list(self._active))
        for dataset in set(self._active) - set(wanted):
            self._leases.cancel(dataset)
            self._drop(dataset)
        owners = self._backlog.owners()
        each = max(2, -(-max(MOST_ACTIVE, 2 * room(self._slots)) // max(1, len(owners))))
        chosen = [self._backlog.shortest(owner, each + self._stuck(owner)) for owner in owners]
        new = [dataset for dataset in dict.fromkeys(chain(*chosen)) if dataset not in self._active]
        wanted |= self._backlog.wanted(new)
        for dataset, who in wanted.items():
            if dataset in self._active:
                self._active[dataset].track.owners = who
            else:
                self._take_up(dataset, who, now)

    def _stuck(self, owner: str) -> int:
        """How many of an owner's data sets cannot go on for the moment."""
        return sum(bool(a.message) and owner in a.track.owners for a in self._active.values())

    def _take_up(self, dataset: str, owners: tuple[str, ...], now: float) -> None:
        row = self._ledger.dataset(dataset)
        if row is None or is_buried(self._settings, dataset):
            return
        if row.status == "accepted":
            self._leases.open_dataset(dataset)
        active = ActiveDataset(Track(dataset, owners, row.seconds), row.samples, begun=row.status == "running")
        self._active[dataset] = active
        self._open(active, now)

    def _open(self, active: ActiveDataset, now: float) -> None:
        """Read which shards of a store are finished."""
        with self._tolerant(active, now):
            active.open(self._settings.store(active.id))

    @contextmanager
    def _tolerant(self, active: ActiveDataset, now: float) -> Iterator[None]:
        """One store that cannot be read must not stop the others: it is prepared again, after a while."""
        try:
            yield
        except (PdemillError, OSError, KeyError, TypeError, ValueError) as error:
            if not active.message:
                log.warning("cannot look at the store: %s", error, extra={"dataset": active.id})
            active.message = f"waiting: its store cannot be read: {error}"
            active.track.prepared(None)
            active.track.failed(PREPARE, now)

    def _read_some(self, now: float) -> None:
        """Read manifests of shards that were finished before their data sets were taken up."""
        limit = time.monotonic() + READING_SECONDS
        for active in list(self._active.values()):
            with self._tolerant(active, now):
                for _ in active.read_some(self._settings.store(active.id)):
                    if time.monotonic() > limit:
                        return
            whole = active.track.shards is not None and not active.track.shards.left
            if whole and active.complete and MENDING not in active.track.owners:  # its metadata may be damaged
                self._conclude(active, now)

    def _take(self, report: Report, now: float) -> None:
        """See what has become of a unit."""
        active = self._active.get(report.dataset)
        if active is None:
            return
        issue = active.track.issued.get(report.name)
        if report.failure is not None:
            self._failed(active, report, now)
        elif report.left:
            active.track.take_back(report.name)
        else:
            self._well_done(active, report, now)
        if issue is not None:
            seconds = sum(report.cpu_seconds.values())
            self._turns.settle(issue, seconds or issue.seconds)
            self._metrics.worked_for(issue.owner, seconds)
        if report.dataset in self._active and not active.begun:
            self._begin(active)

    def _failed(self, active: ActiveDataset, report: Report, now: float) -> None:
        assert report.failure is not None
        if report.failure.kind == "poison":
            self._end(active, "failed", report.failure.message)
            return
        active.track.failed(report.name, now)
        root = self._settings.store(active.id)
        with self._tolerant(active, now):
            if report.failure.kind == "missing" or active.is_another(root):
                active.open(root)
            active.message = f"waiting: {report.failure.message}"

    def _well_done(self, active: ActiveDataset, report: Report, now: float) -> None:
        if active.take_report(report):
            self._metrics.shard(report)
        elif report.name == PREPARE:
            self._open(active, now)
        elif report.name == FINISH:
            self._conclude(active, now)

    def _conclude(self, active: ActiveDataset, now: float) -> None:
        """End a data set whose store is finished."""
        root = self._settings.store(active.id)
        with self._tolerant(active, now):
            complete, failed = is_finished(root)
            if complete:
                active.failed = failed
                words = f"{failed} of {active.samples} samples have no certified solution; the store has the others"
                self._end(active, "failed" if failed else "successful", words if failed else "")
            else:
                active.open(root)

    def _end(self, active: ActiveDataset, status: Status, message: str) -> None:
        self._ledger.ended(active.id, status, message, active.done, active.failed, active.bytes)
        log.info("ended", extra={"dataset": active.id, "status": status})
        if status == "failed":
            self._leases.cancel(active.id)
        self._drop(active.id)

    def _drop(self, dataset: str) -> None:
        self._leases.close_dataset(dataset)
        del self._active[dataset]
        self.live.pop(dataset, None)

    def _begin(self, active: ActiveDataset) -> None:
        self._ledger.begun(active.id)
        active.begun = True

    def _pulse(self, now: float) -> None:
        """See who works on what, and how far that is; find what was lost; tell those who stand by."""
        self._look_at_workers()
        busy = [active for active in self._active.values() if active.track.issued]
        units = [Unit(active.id, name) for active in busy for name in active.track.issued]
        waiting, leased = self._leases.waiting(), self._leases.leased(units, self._workers)
        for dataset, progress in self._leases.progress([active.id for active in busy]).items():
            self._active[dataset].progress = progress
        for active in busy:
            for name in active.track.lost(leased, waiting, now):
                self._lost(active, name, now)
            if not active.begun and any(issue.leased for issue in active.track.issued.values()):
                self._begin(active)
        self._metrics.queue(len(waiting))
        now_told = {active.id: active.live(now) for active in self._active.values()}
        news = {dataset: live.to_text() for dataset, live in now_told.items() if self._told.get(dataset) != live}
        if not self._leases.lead(self._directory.home, news, self._told.keys() - now_told.keys()):
            raise OSError(f"a copy of the data directory is at work on this broker; delete {MARKER} in one of them")
        self._told = now_told
        self.live = dict(now_told)

    def _look_at_workers(self) -> None:
        self.paused = "paused" in self._ledger.switches()
        self._workers = self._leases.workers()
        self._slots = sum(worker.slots for worker in self._workers)
        self._metrics.workers(len(self._workers), self._slots)

    def _lost(self, active: ActiveDataset, name: str, now: float) -> None:
        """A unit that nobody has: it was finished by a worker that could not tell, or is to be handed out again."""
        root = self._settings.store(active.id)
        with self._tolerant(active, now):
            if active.take_manifest(root, name):
                return
            if active.track.issued[name].begun:  # else a worker took it, and came to no lease yet
                self._metrics.lease_lost()
            active.track.take_back(name)
            log.warning("lost, handed out again", extra={"dataset": active.id, "unit": name})
            if active.is_another(root):
                active.open(root)

    def _hand_out(self, now: float) -> set[str]:
        """Queue the next units; returns their data sets."""
        if self.paused:
            return set()
        turns = self._turns.choose([active.track for active in self._active.values()], self._slots, now)
        if not turns:
            return set()
        self._queue.put(self._task(turn.unit, turn.quick) for turn in turns)
        for turn in turns:
            self._active[turn.unit.dataset].track.issue(turn.unit.name, turn.issue)
        return {turn.unit.dataset for turn in turns}

    def _task(self, unit: Unit, first: bool) -> Task:
        shards = self._active[unit.dataset].track.shards
        number = None if shards is None else shards.number(unit.name)
        if shards is not None and number is not None:
            return Task.of_shard(unit, shards[number], first)
        if unit.name == PREPARE and (row := self._ledger.dataset(unit.dataset)) is not None:
            return Task(unit, (row.spec,), first)
        return Task(unit, (), first)
