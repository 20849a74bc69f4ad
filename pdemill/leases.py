"""Leases and progress: what the service and its workers share through Redis.

Nothing of it is the truth. Jobs are in the service's ledger, finished shards are manifests in the stores; whoever
loses it loses progress bars and recovers the rest. A *unit* is what one task does: ``prepare`` a store,
solve one shard (named like ``train-00003``), or ``finish`` the store.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple
from uuid import uuid4

from pdemill.broker import connect
from pdemill.settings import Settings

PREFIX = "pdemill:"
QUEUE = "work"
LEASE_SECONDS = 30.0
LEADER_SECONDS = 10.0
"""How long a coordinator counts as alive after it has said so."""
BEAT_SECONDS = 2.0
PREPARE, FINISH = "prepare", "finish"
TASKS = {PREPARE: "pdemill.prepare", FINISH: "pdemill.finish"}
SHARD_TASK = "pdemill.shard"
VISIBILITY_SECONDS = 3600

_RENEW = (
    "local holder = redis.call('get', KEYS[1]) if holder and holder ~= ARGV[1] then return 0 end "
    "redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2]) return 1"
)
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"
_STEAL = (
    "if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('set', KEYS[1], ARGV[2], 'px', ARGV[3]) return 1 end "
    "return 0"
)


class Unit(NamedTuple):
    """The work of one task, and its dataset."""

    dataset: str
    name: str


@dataclass(frozen=True)
class Attempts:
    """How often a unit was begun, how often that was its own failure, which worker has it now (or had, if it never said
    how it ended), and which of its runs was the last one."""

    begun: int = 0
    failures: int = 0
    open: str = ""
    run: str = ""


@dataclass(frozen=True)
class UnitFailure:
    """Why a unit did not end well. ``kind``: ``poison`` (do not try again), ``blocked`` (try again later),
    ``missing`` (finished shards were found damaged and have been taken out; they are to be solved again)."""

    kind: str
    message: str


@dataclass(frozen=True)
class Report:
    """How a unit ended: with a ``failure``; or well, of a shard with what its manifest counts; or else it was left
    alone, since nobody wants it (``left``)."""

    dataset: str
    name: str
    failure: UnitFailure | None = None
    left: bool = False
    samples: int = 0
    failed: int = 0
    iterations: int = 0
    bytes: int = 0
    wall_seconds: float = 0.0
    cpu_seconds: Mapping[str, float] = field(default_factory=dict)

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> Report:
        found = json.loads(text)
        failure = found.pop("failure")
        return cls(**found, failure=None if failure is None else UnitFailure(**failure))


@dataclass(frozen=True)
class Presence:
    """A worker that is alive: its id, where it runs, how many shards it solves at a time, and how many bytes of memory
    each of its processes may use (0: it does not say)."""

    id: str
    host: str
    pid: int
    slots: int
    version: str
    memory: int = 0


def holder_of(worker: str, pid: int) -> str:
    """The name under which a process of a worker's pool holds leases."""
    return f"{worker}/{pid}"


def worker_of(holder: str) -> str:
    """The worker to whose pool a holder belongs."""
    return holder.rpartition("/")[0]


def task_id(unit: Unit) -> str:
    """An id for one task that does a unit."""
    return f"{unit.dataset}/{unit.name}/{uuid4().hex}"


def unit_of(task: str) -> Unit:
    """The unit that the task of this id does."""
    dataset, name, _ = task.split("/")
    return Unit(dataset, name)


def prefix_of(data: str) -> str:
    """How all keys of the data directory with this id begin, so that several may share a Redis."""
    return f"{PREFIX}{data}:"


def transport(data: str) -> dict[str, Any]:
    """Options of Celery's Redis transport on a data directory."""
    return {
        "visibility_timeout": VISIBILITY_SECONDS,
        "global_keyprefix": prefix_of(data),
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "health_check_interval": 10,
        "retry_on_timeout": True,
    }


class Leases:
    """Leases, attempts, progress, failures, cancellations and presence. Raises redis.RedisError."""

    def __init__(self, redis: Any, data: str) -> None:
        self.redis, self.data, self.prefix = redis, data, prefix_of(data)
        self._renew, self._release, self._steal = map(redis.register_script, (_RENEW, _RELEASE, _STEAL))

    @classmethod
    def at(cls, settings: Settings, data: str) -> Leases:
        """The leases of a data directory, by its id, at the broker of these settings; connects when first used."""
        return cls(connect(settings), data)

    # Leases

    def take(self, unit: Unit, holder: str) -> str | None:
        """Lease a unit for ``holder``; None on success, else who has it."""
        taken = self.redis.set(self._lease(unit), holder, nx=True, px=_milliseconds())
        return None if taken else (self.redis.get(self._lease(unit)) or "")

    def take_from(self, unit: Unit, dead: str, holder: str) -> bool:
        """Take a lease over from a holder known to be dead."""
        return bool(self._steal(keys=[self._lease(unit)], args=[dead, holder, _milliseconds()]))

    def renew(self, unit: Unit, holder: str) -> bool:
        """Extend a lease, or take it again where it ran out while the broker was away; False if another has it."""
        return bool(self._renew(keys=[self._lease(unit)], args=[holder, _milliseconds()]))

    def release(self, unit: Unit, holder: str) -> None:
        """Give a lease back."""
        self._release(keys=[self._lease(unit)], args=[holder])

    def leased(self, units: Sequence[Unit], workers: Iterable[Presence]) -> set[Unit]:
        """Those of the units that one of these workers has."""
        found = self.redis.mget([self._lease(unit) for unit in units]) if units else []
        alive = {worker.id for worker in workers}
        return {unit for unit, holder in zip(units, found, strict=True) if holder and worker_of(holder) in alive}

    def is_alive(self, worker: str) -> bool:
        """Whether a worker has said so lately."""
        return bool(self.redis.exists(self._presence(worker)))

    # Attempts

    def begin(self, unit: Unit, worker: str, run: str) -> Attempts:
        """Note that the lease's holder begins a unit; ``run`` names what it begins, so that saying it again, after an
        answer that did not come, changes nothing.

        If the last one to begin it never said how it ended, that is a failure of the unit when its worker is
        still alive (the unit killed the process), and else the worker's misfortune.
        """
        known = self._attempts(unit)
        if known.run == run:
            return known
        blamed = bool(known.open) and self.is_alive(known.open)
        now = Attempts(known.begun + 1, known.failures + blamed, worker, run)
        self.redis.hset(f"{self.prefix}attempts:{unit.dataset}", unit.name, json.dumps(asdict(now)))
        return now

    def end(self, unit: Unit, run: str, failed: bool = False) -> Attempts:
        """Note that a run of a unit ended, ``failed`` with an error of its own; once, however often it is said."""
        known = self._attempts(unit)
        if known.run != run or not known.open:
            return known
        now = replace(known, failures=known.failures + failed, open="")
        attempts = f"{self.prefix}attempts:{unit.dataset}"
        with self.redis.pipeline() as pipe:
            pipe.hdel(f"{self.prefix}progress:{unit.dataset}", unit.name)
            if now.failures:
                pipe.hset(attempts, unit.name, json.dumps(asdict(now)))
            else:
                pipe.hdel(attempts, unit.name)
            pipe.execute()
        return now

    def _attempts(self, unit: Unit) -> Attempts:
        text = self.redis.hget(f"{self.prefix}attempts:{unit.dataset}", unit.name)
        return Attempts(**json.loads(text)) if text else Attempts()

    # Progress and failures

    def report(self, unit: Unit, counts: dict[str, int]) -> bool:
        """Report how far a unit is; True if its dataset has been cancelled meanwhile."""
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.hset(f"{self.prefix}progress:{unit.dataset}", unit.name, json.dumps(counts))
            pipe.sismember(f"{self.prefix}cancelled", unit.dataset)
            return bool(pipe.execute()[1])

    def progress(self, datasets: Sequence[str]) -> dict[str, dict[str, dict[str, int]]]:
        """Counts of the units under way, by data set."""
        with self.redis.pipeline(transaction=False) as pipe:
            for dataset in datasets:
                pipe.hgetall(f"{self.prefix}progress:{dataset}")
            found = pipe.execute()
        return {
            dataset: {unit: json.loads(text) for unit, text in units.items()}
            for dataset, units in zip(datasets, found, strict=True)
        }

    def put_report(self, report: Report) -> None:
        """Tell the coordinator how a unit ended."""
        self.redis.rpush(f"{self.prefix}reports", report.to_text())

    def take_reports(self, seconds: float, most: int = 1000) -> list[Report]:
        """Reports, each handed out once; waits for the first of them."""
        found = self.redis.blmpop(seconds, 1, f"{self.prefix}reports", direction="LEFT", count=most)
        return [Report.of(text) for text in found[1]] if found else []

    # Datasets

    def cancel(self, dataset: str) -> None:
        """Make workers leave a dataset alone, between two samples at the latest."""
        self.redis.sadd(f"{self.prefix}cancelled", dataset)

    def cancelled(self, dataset: str) -> bool:
        return bool(self.redis.sismember(f"{self.prefix}cancelled", dataset))

    def open_dataset(self, dataset: str) -> None:
        """Begin a dataset without attempts or progress."""
        self.redis.srem(f"{self.prefix}cancelled", dataset)
        self.close_dataset(dataset)

    def close_dataset(self, dataset: str) -> None:
        """Forget what is known of a dataset that has ended."""
        self.redis.delete(*(f"{self.prefix}{name}:{dataset}" for name in ("attempts", "progress")))

    # Workers

    def beat(self, worker: Presence, held: Iterable[tuple[Unit, str]]) -> list[Unit]:
        """Say that a worker is alive and renew the leases of its processes; returns those that were lost."""
        self.redis.set(self._presence(worker.id), json.dumps(asdict(worker)), px=_milliseconds())
        self.redis.sadd(f"{self.prefix}workers", worker.id)
        return [unit for unit, holder in held if not self.renew(unit, holder)]

    def gone(self, worker: str) -> None:
        """Say that a worker has ended."""
        self.redis.delete(self._presence(worker))
        self.redis.srem(f"{self.prefix}workers", worker)

    def workers(self) -> list[Presence]:
        """The workers that are alive."""
        known = sorted(self.redis.smembers(f"{self.prefix}workers"))
        found = self.redis.mget([self._presence(worker) for worker in known]) if known else []
        dead = [worker for worker, text in zip(known, found, strict=True) if not text]
        if dead:
            self.redis.srem(f"{self.prefix}workers", *dead)
        return [Presence(**json.loads(text)) for text in found if text]

    # Coordinators and the queue

    def lead(self, home: str, live: Mapping[str, str], gone: Iterable[str]) -> bool:
        """Say that a coordinator is at work, and what has changed: how data sets are doing, and which have ended.

        ``home``: where its data directory is. False, and nothing is said, while one from elsewhere is at work.
        """
        leader = f"{self.prefix}leader"
        if not self._renew(keys=[leader], args=[home, int(1000 * LEADER_SECONDS)]):
            return False
        with self.redis.pipeline(transaction=False) as pipe:
            if live:
                pipe.hset(f"{self.prefix}live", mapping=dict(live))
            if ended := list(gone):
                pipe.hdel(f"{self.prefix}live", *ended)
            pipe.execute()
        return True

    def live(self) -> dict[str, str] | None:
        """How data sets under way are doing, as the coordinator of another process tells; None while there is none."""
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.exists(f"{self.prefix}leader")
            pipe.hgetall(f"{self.prefix}live")
            there, found = pipe.execute()
        return dict(found) if there else None

    def resign(self, home: str) -> None:
        """Say that no coordinator is at work, and forget what the last one told."""
        if self._release(keys=[f"{self.prefix}leader"], args=[home]):
            self.redis.delete(f"{self.prefix}live")

    def waiting(self) -> set[Unit]:
        """Units in the queue that no worker has taken; there are never many."""
        messages = self.redis.lrange(f"{self.prefix}{QUEUE}", 0, -1)
        return {unit_of(json.loads(message)["headers"]["id"]) for message in messages}

    # Keys

    def _lease(self, unit: Unit) -> str:
        return f"{self.prefix}lease:{unit.dataset}:{unit.name}"

    def _presence(self, worker: str) -> str:
        return f"{self.prefix}worker:{worker}"


def _milliseconds() -> int:
    return int(1000 * LEASE_SECONDS)
