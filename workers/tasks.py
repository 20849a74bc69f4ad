"""The three tasks: prepare a store, solve a shard, finish the store. Each may be given out twice, and run twice."""

from __future__ import annotations

import json
import logging
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

from celery.exceptions import SoftTimeLimitExceeded
from redis import RedisError

from pdemill.addresses import Place
from pdemill.errors import MissingExtra, SpecError, StoreError
from pdemill.leases import FINISH, PREPARE, SHARD_TASK, TASKS, Leases, Report, Unit, UnitFailure, worker_of
from pdemill.solvers import growing, lengthening
from pdemill.solvers.job import Job
from pdemill.solvers.opening import keep_arrays, open_work, plan_work, work_on
from pdemill.solvers.progress import Counts, Progress
from pdemill.spec.load import validate
from pdemill.store.disk import Lock
from pdemill.store.layout import Shard
from pdemill.store.manifest import FOLDER, Manifest, read
from pdemill.store.placing import make_folders, sweep
from pdemill.store.room import check_room
from pdemill.store.runs import begin_run
from pdemill.store.store import ShardData, Store
from pdemill.workers import identity
from pdemill.workers.app import SOFT_SECONDS, app
from pdemill.workers.here import directory, settings
from pdemill.workers.memory import shortage

ATTEMPTS = 3
"""A unit that has failed so often by its own fault ends the job."""
REPORT_SECONDS, LATER_SECONDS = 0.5, 10.0
"""Between two reports of a process; after one that did not get through, which takes seconds of waiting."""
REDIS_PATIENCE = 120.0
KEPT_JOBS = 4
REQUEST = "pdemill.workers.requests:PatientRequest"

log = logging.getLogger("pdemill.worker")
leases = Leases.at(settings, directory.id)
_jobs: OrderedDict[str, tuple[Job, Store]] = OrderedDict()


type Outcome = Manifest | UnitFailure | None
"""What a unit that has not raised an error has come to: a shard, a failure, or nothing to tell."""


class Cancelled(Exception):
    """Nobody wants this data set any more."""


@app.task(name=TASKS[PREPARE], Request=REQUEST)  # type: ignore[untyped-decorator]
def prepare(dataset: str, name: str, spec: str, data: str) -> None:
    """Create the store of a data set, or make sure that it can be gone on with."""

    def body(attempt: int) -> None:
        root = settings.store(dataset)
        if isinstance(root, Path):
            root.mkdir(exist_ok=True)
        with _shared(root):
            smaller = growing.begun(root) if isinstance(root, Path) else None
            job, store = open_work(root, validate(json.loads(spec)))
            keep_arrays(job, root)
            if (
                isinstance(root, Path)
                and smaller is not None
                and (fault := growing.take_over(job, store, root, smaller))
            ):
                log.warning("made from the start: %s", fault, extra={"dataset": dataset})
                smaller = None
            if smaller is None:
                job, store = plan_work(job, store)
            _, reason = lengthening.settle(job, store, root)
            if reason:
                log.warning("solved from the start: %s", reason, extra={"dataset": dataset})
            sweep(store.disk, alone=False)
            begin_run(store.disk)
            store.create()
            if isinstance(root, Path):
                growing.end(root)

    _run(Unit(dataset, name), data, body)


@app.task(name=SHARD_TASK, Request=REQUEST)  # type: ignore[untyped-decorator]
def shard(dataset: str, name: str, split: str, index: int, start: int, stop: int, data: str) -> None:
    """Solve one shard, unless it is finished."""
    part, unit = Shard(split, index, start, stop), Unit(dataset, name)

    def body(attempt: int) -> Outcome:
        root = settings.store(dataset)
        with _shared(root):
            job, store = _open(dataset)
            store.check_same_job()
            make_folders(store.disk, FOLDER)
            if store.finished(part):
                return read(store.disk, part)
            if isinstance(root, Path):
                check_room(root, store.layout, part)
            return work_on(job, store, part, attempt, _Reporter(unit), _commit)

    _run(unit, data, body)


@app.task(name=TASKS[FINISH], Request=REQUEST)  # type: ignore[untyped-decorator]
def finish(dataset: str, name: str, data: str) -> None:
    """Write the statistics of a store whose shards are all there; those that are not are told of."""

    def body(attempt: int) -> Outcome:
        root = settings.store(dataset)
        with _shared(root):
            _job, store = _open(dataset)
            sweep(store.disk, alone=False)
            store.create()
            if damaged := [part for part in store.missing() if store.take_out(part)]:
                return UnitFailure("missing", f"{len(damaged)} finished shards are damaged")
            store.finish()
            lengthening.end(store.disk)
        return None

    _run(Unit(dataset, name), data, body)


def _run(unit: Unit, data: str, body: Callable[[int], Outcome]) -> None:
    """Do a unit of the data directory with the id ``data`` under its lease, and report how it ended. Errors end here:
    Celery needs to know of none."""
    extra: dict[str, Any] = {"dataset": unit.dataset, "unit": unit.name}
    if data != directory.id:
        log.error("left alone: it is meant for another data directory", extra=extra)
        return
    directory.wait(log)  # without a lease, so that workers who see it may do the unit
    with _lease(unit) as held:
        if not held:
            log.info("another process has it, or nobody wants it", extra=extra)
            return
        run = uuid4().hex
        tries = _patiently(lambda: leases.begin(unit, identity.worker(), run))
        extra["attempt"] = tries.begun
        if tries.failures >= ATTEMPTS:
            how = f"the worker's log tells its exit status; after signals 6, 9 and 11, maybe {shortage('it')}"
            message = f"the process that worked on {unit.name} ended {ATTEMPTS} times; {how}"
            leases.put_report(Report(*unit, UnitFailure("poison", message)))
            return
        begin = monotonic()
        log.info("begun", extra=extra)
        report, own = _attempt(unit, lambda: body(tries.begun), extra)
        tries = _patiently(lambda: leases.end(unit, run, failed=own))
        if report.failure is not None and own and tries.failures >= ATTEMPTS:
            report = replace(report, failure=UnitFailure("poison", report.failure.message))
        _patiently(lambda: leases.put_report(report))
        log.info("ended", extra={**extra, "seconds": round(monotonic() - begin, 3)})


def _attempt(unit: Unit, body: Callable[[], Outcome], extra: dict[str, Any]) -> tuple[Report, bool]:
    """Run the body; returns what to report, and whether that is a failure that counts as the unit's own."""
    try:
        return _reported(unit, body()), False
    except Cancelled:
        log.info("cancelled", extra=extra)
        return Report(*unit, left=True), False
    except SoftTimeLimitExceeded:
        minutes = f"{unit.name} took more than {SOFT_SECONDS // 60} minutes"
        return Report(*unit, UnitFailure("poison", f"{minutes}; set store.shard to fewer samples")), True
    except (SpecError, MissingExtra) as error:
        log.warning("refused: %s", error, extra=extra)
        return Report(*unit, UnitFailure("poison", str(error))), True
    except MemoryError:
        log.warning("out of memory", extra=extra)
        return Report(*unit, UnitFailure("poison", shortage(unit.name))), True
    except (StoreError, OSError, RedisError) as error:
        log.warning("blocked: %s", error, extra=extra)
        return Report(*unit, UnitFailure("blocked", settings.hide(str(error)))), False
    except Exception as error:
        log.exception("failed", extra=extra)
        message = settings.hide(f"{unit.name}: {type(error).__name__}: {error}")
        return Report(*unit, UnitFailure("blocked", message)), True


def _reported(unit: Unit, outcome: Outcome) -> Report:
    """What to report of a unit that has raised no error."""
    if isinstance(outcome, Manifest):
        return Report(
            *unit,
            samples=outcome.stop - outcome.start,
            failed=len(outcome.failures),
            iterations=int(outcome.summary.get("iterations", 0)),
            bytes=outcome.length,
            wall_seconds=outcome.run.get("solve_wall_seconds", 0.0),
            cpu_seconds=outcome.run.get("cpu_seconds", {}),
        )
    return Report(*unit, failure=outcome)


@contextmanager
def _lease(unit: Unit) -> Iterator[bool]:
    """Hold the lease of a unit if nobody alive has it and the data set is wanted."""
    me = identity.holder(os.getpid())
    held = _patiently(lambda: _take(unit, me))
    try:
        yield held and not _patiently(lambda: leases.cancelled(unit.dataset))
    finally:
        if held:
            _patiently(lambda: leases.release(unit, me))


def _take(unit: Unit, me: str) -> bool:
    """Take the lease of a unit, also one that is ours already, or that of a holder who is gone; whether it is ours."""
    other = leases.take(unit, me)
    return other is None or other == me or (_is_dead(other) and leases.take_from(unit, other, me))


def _is_dead(holder: str) -> bool:
    """Whether a lease's holder is known to be gone: a process of this pool, or with all of its worker."""
    return identity.is_dead(holder) or not leases.is_alive(worker_of(holder))


def _shared(root: Place) -> AbstractContextManager[object]:
    """The right to write a store together with other workers; a bucket has no locks, and needs none."""
    return Lock(root, shared=True) if isinstance(root, Path) else nullcontext()


def _commit(store: Store, part: Shard, data: ShardData) -> Manifest:
    """Write a shard; what was solved is kept while the data directory is away."""
    while True:
        try:
            return store.commit(part, data)
        except (StoreError, OSError):
            if not directory.trouble(anew=True):
                raise
            directory.wait(log)


def _patiently[T](call: Callable[[], T]) -> T:
    """The answer of Redis, which may be away for a while."""
    limit = monotonic() + REDIS_PATIENCE
    while True:
        try:
            return call()
        except RedisError as error:
            if monotonic() > limit:
                raise
            log.warning("the broker does not answer: %s", error)
            sleep(1.0)


def _open(dataset: str) -> tuple[Job, Store]:
    """The job and the store of a data set; the last few are kept."""
    if dataset not in _jobs:
        _jobs[dataset] = open_work(settings.store(dataset))
    _jobs.move_to_end(dataset)
    while len(_jobs) > KEPT_JOBS:
        _jobs.popitem(last=False)
    return _jobs[dataset]


class _Reporter(Counts):
    """Reports how far a shard is, now and then; a Redis that is away does not stop the work."""

    def __init__(self, unit: Unit) -> None:
        super().__init__()
        self._unit, self._next = unit, 0.0

    def __call__(self, progress: Progress) -> None:
        super().__call__(progress)
        if monotonic() < self._next:
            return
        pause = REPORT_SECONDS
        try:
            cancelled = leases.report(self._unit, self.numbers)
        except RedisError as error:
            log.warning("could not report: %s", error, extra={"dataset": self._unit.dataset, "unit": self._unit.name})
            cancelled, pause = False, LATER_SECONDS
        self._next = monotonic() + pause
        if cancelled:
            raise Cancelled
