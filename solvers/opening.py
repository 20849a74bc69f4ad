"""Opening a store to work on it, and working on one shard of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pdemill.planning import FILE, read_plan
from pdemill.spec.job import Spec
from pdemill.spec.load import validate
from pdemill.spec.method import Method, methods
from pdemill.store.disk import Disk, LocalDisk, make_folders, write_durably
from pdemill.store.layout import Shard
from pdemill.store.manifest import FOLDER, Manifest
from pdemill.store.root import ROOT, read_attributes
from pdemill.store.store import ShardData, Store
from solvers.job import Job, open_job
from solvers.progress import Progress
from solvers.threads import one_thread

SHARED = ("points", "cells", "facets", "facet_sides")


def stored_spec(root: Path) -> Spec:
    """The spec of a store on disk."""
    return validate(read_attributes(root)["spec"])


def shared_arrays(root: Path) -> dict[str, NDArray[Any]] | None:
    """The mesh of a store on disk, or None where there is none."""
    if not (root / "zarr.json").exists():
        return None
    group = zarr.open_group(root, mode="r")
    found = {name: group[name] for name in SHARED if name in group}
    return {name: np.asarray(array[...]) for name, array in found.items() if isinstance(array, zarr.Array)} or None


def planned_method(root: Path) -> Method | None:
    """The method that a trial chose for a store on disk; None where there was no trial."""
    plan = read_plan(root)
    return None if plan is None else methods[plan.method["method"]].model_validate(dict(plan.method))


@one_thread()
def open_work(root: Path, spec: Spec | None = None, disk: Disk | None = None) -> tuple[Job, Store]:
    """The job and the writing side of a store; ``spec`` begins one that is not there yet."""
    spec = spec or stored_spec(root)
    chosen = planned_method(root) if spec.solver.method == "auto" else None
    job = open_job(spec, shared_arrays(root), chosen)
    return job, Store(disk or LocalDisk(root), job.layout)


@one_thread()
def plan_work(job: Job, store: Store) -> tuple[Job, Store]:
    """Choose the method of a store that is not there yet, where the spec leaves it open; its measurements are written
    before anything else, so that whoever goes on finds them. For who holds the store's lock alone. Raises MissingExtra
    where the method cannot run here."""
    if lacking := job.method.missing():
        raise lacking
    if not job.planned or store.disk.exists(ROOT) or store.disk.exists(FILE):
        return job, store
    plan = job.plan()
    if not plan.measured:
        return job, store
    make_folders(store.disk, FOLDER)
    write_durably(store.disk, FILE, plan.to_bytes())
    other = job.using(methods[plan.method["method"]].model_validate(dict(plan.method)))
    return other, Store(store.disk, other.layout)


@one_thread()
def work_on(
    job: Job,
    store: Store,
    shard: Shard,
    attempt: int,
    report: Callable[[Progress], None],
    commit: Callable[[Store, Shard, ShardData], Manifest] = Store.commit,
) -> Manifest:
    """Solve, certify and write one shard; ``commit`` may surround the writing with a lock."""
    begin = perf_counter()
    data, watch = job.solve(shard, report)
    seconds = {name: round(value, 6) for name, value in watch.seconds.items()}
    run = {"attempt": attempt, "cpu_seconds": seconds, "solve_wall_seconds": perf_counter() - begin}
    return commit(store, shard, ShardData(data.arrays, data.failures, data.summary, run))
