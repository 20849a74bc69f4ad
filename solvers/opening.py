"""Opening a store to work on it, and working on one shard of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pdemill import arrays
from pdemill.addresses import Place
from pdemill.errors import CorruptStore, SpecError, StoreError
from pdemill.planning import file_of, parse_plan, read_plan
from pdemill.solvers.job import Job, open_job
from pdemill.solvers.lengthening import resumed
from pdemill.solvers.progress import Counts, Progress
from pdemill.solvers.software import software
from pdemill.solvers.threads import one_thread
from pdemill.spec.job import Spec
from pdemill.spec.load import stored_in
from pdemill.spec.method import Method, methods
from pdemill.store.decode import UNREADABLE
from pdemill.store.disk import Disk
from pdemill.store.groups import group_at
from pdemill.store.layout import Shard
from pdemill.store.manifest import FOLDER, Manifest, finished
from pdemill.store.places import below, disk_at
from pdemill.store.placing import make_folders, write_once
from pdemill.store.root import ROOT, attributes_of, other_factors, read_attributes, read_root
from pdemill.store.store import ShardData, Store

SHARED = ("points", "cells", "facets", "facet_sides", "cell_regions")


def stored_spec(root: Place) -> Spec:
    """The spec of a store on disk. Raises StoreError."""
    arrays.look_in_store(root)
    try:
        return stored_in(read_attributes(root))
    except SpecError as error:
        raise StoreError(f"the spec in {below(root, ROOT)} is refused: {error}") from None


def shared_arrays(root: Place) -> dict[str, NDArray[Any]] | None:
    """The mesh of a store on disk, or None where there is none."""
    if not disk_at(root).exists(ROOT):
        return None
    try:
        group = group_at(root)
        found = {name: group[name] for name in group.array_keys() if name.partition("@")[0] in SHARED}
        return {name: np.asarray(array[...]) for name, array in found.items() if isinstance(array, zarr.Array)} or None
    except UNREADABLE as error:
        raise CorruptStore(f"the mesh in {root} cannot be read: {error}") from None


def planned_method(root: Place, fidelity: str = "") -> Method | None:
    """The method that a trial chose for a store on disk, at a fidelity; None where there was no trial."""
    plan = read_plan(root, fidelity)
    return None if plan is None else methods[plan.method["method"]].model_validate(dict(plan.method))


def told_method(root: Place, fidelity: str = "") -> Method | None:
    """The method in the attributes of a store that was begun where another library factorises, so that estimates may
    choose another method here; else None."""
    if not disk_at(root).exists(ROOT):
        return None
    attributes = read_attributes(root)
    if not other_factors({"versions": software()}, attributes):
        return None
    plan = attributes_of(attributes, f"@{fidelity}")["plan"]
    try:
        kind = methods[plan["method"]]
        return kind.model_validate({key: value for key, value in plan.items() if key in kind.model_fields})
    except (LookupError, TypeError, ValueError):  # what else it is told elsewhere
        return None


@one_thread()
def open_work(root: Place, spec: Spec | None = None, disk: Disk | None = None, anew: bool = False) -> tuple[Job, Store]:
    """The job and the writing side of a store; ``spec`` begins one that is not there yet. ``anew``: the mesh is made
    again, whatever the store holds."""
    spec = spec or stored_spec(root)
    chosen: dict[str, Method] = {}
    for name, one in {"": spec, **{name: spec.at(name) for name in spec.fidelities}}.items():
        if one.problem.discretisation.leaves_open(one):
            method = planned_method(root, name) or told_method(root, name)
            chosen |= {} if method is None else {name: method}
    job = _opened(root, spec, None if anew else shared_arrays(root), chosen)
    disk = disk or disk_at(root)
    if disk.exists(ROOT):
        job = job.of_store(dict(read_root(disk, root)["attributes"]))
    store = Store(disk, job.layout).as_begun()
    return resumed(job, store.disk, root), store


def _opened(root: Place, spec: Spec, mesh: dict[str, NDArray[Any]] | None, chosen: Mapping[str, Method]) -> Job:
    if mesh is None:
        return open_job(spec, None, chosen)
    try:
        return open_job(spec, mesh, chosen)
    except (LookupError, ValueError, TypeError) as error:
        raise CorruptStore(f"the mesh in {root} is none ({error}); delete the store and make it again") from None


def keep_arrays(job: Job, root: Place) -> None:
    """Copy the users' arrays of a job into its store."""
    for id in job.spec.array_ids:
        arrays.keep(id, root)


@one_thread()
def plan_work(job: Job, store: Store) -> tuple[Job, Store]:
    """Choose the method of a store that is not there yet, where the spec leaves it open; its measurements are written
    before anything else, so that whoever goes on finds them. Of several who plan at once, the
    first chooses. Raises MissingExtra where the method cannot run here."""
    for one in job.fidelities().values():
        if lacking := one.method.missing():
            raise lacking
    if store.disk.exists(ROOT):
        return job, store
    other = job
    for name, one in job.fidelities().items():
        if one.planned and (method := _planned(one, store.disk, file_of(name))) is not None:
            other = other.using(method, name)
    return (job, store) if other is job else (other, Store(store.disk, other.layout))


def _planned(job: Job, disk: Disk, file: str) -> Method | None:
    """The method in a plan, which is made and written where there is none; None where it was not measured."""
    if not disk.exists(file):
        plan = job.plan()
        if not plan.measured:
            return None
        make_folders(disk, FOLDER)
        write_once(disk, file, plan.to_bytes())
    chosen = parse_plan(disk.read(file), file).method
    return methods[chosen["method"]].model_validate(dict(chosen))


@one_thread()
def work_on(
    job: Job,
    store: Store,
    shard: Shard,
    attempt: int,
    report: Callable[[Progress], None],
    commit: Callable[[Store, Shard, ShardData], Manifest] = Store.commit,
) -> Manifest:
    """Solve, certify and write one shard, by ``commit``."""
    begin = perf_counter()
    data, watch = job.solve(shard, report)
    seconds = {name: round(value, 6) for name, value in watch.seconds.items()}
    run = {"attempt": attempt, "cpu_seconds": seconds, "solve_wall_seconds": perf_counter() - begin, **(data.run or {})}
    return commit(store, shard, ShardData(data.arrays, data.failures, data.summary, run))


def worked_on(job: Job, store: Store, shard: Shard, attempt: int, counts: Counts) -> dict[str, Any]:
    """Work on one shard; what there is to tell of it then. Without locks, another run may have finished it before."""
    there = None if store.disk.locks else finished(store.disk, shard)
    if there is not None:
        return {**counts.numbers, "done": len(shard), "failed": len(there.failures), "run": {"cpu_seconds": {}}}
    manifest = work_on(job, store, shard, attempt, counts)  # first: it counts
    return {**counts.numbers, "run": dict(manifest.run)}
