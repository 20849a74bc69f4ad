"""Going on with the trajectories of a finished store, of which a spec asks for more stored times.

What comes out is, byte for byte, what the spec gives without that store. So states are taken from it where they are
those that marching from the start comes to, and else nothing is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from os.path import relpath
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from pdemill.addresses import Place, home, in_bucket
from pdemill.errors import StoreMismatch
from pdemill.solvers.job import Job
from pdemill.solvers.trajectories.job import TrajectoryJob
from pdemill.solvers.trajectories.ladder import Known
from pdemill.spec.evolution import Evolution
from pdemill.spec.job import Spec
from pdemill.spec.load import validate
from pdemill.store.disk import Disk
from pdemill.store.groups import group_at
from pdemill.store.manifest import FOLDER
from pdemill.store.origin import Origin
from pdemill.store.places import disk_at
from pdemill.store.placing import make_folders, remove, write_durably
from pdemill.store.root import read_attributes
from pdemill.store.store import Store

FILE = f"{FOLDER}/lengthens.json"
"""Names, in a store that is being made, the one that it goes on from; it is gone when the store is finished."""
MOST_RUN = 2
"""The last run of a sample that is gone on with: before a later one the whole of an earlier run is judged."""


def begin(root: Place, spec: Spec, shorter: Place) -> None:
    """Note in a store that is to be made that it goes on from another one. Raises StoreMismatch where that is one of
    another spec."""
    require_longer(spec, read_attributes(shorter), str(shorter))
    disk = disk_at(root)
    make_folders(disk, FOLDER)
    if isinstance(root, Path) and isinstance(shorter, Path):
        _note(disk, relpath(shorter.resolve(), root.resolve()), settled=False)
    else:
        _note(disk, str(shorter), settled=False)


def _place(root: Place, told: str) -> Place:
    """The place of the shorter store, as the longer one tells it."""
    return root / told if isinstance(root, Path) and not in_bucket(told) else home(told, "the store to lengthen")


def _note(disk: Disk, shorter: str, settled: bool) -> None:
    write_durably(disk, FILE, (json.dumps({"store": shorter, "settled": settled}) + "\n").encode())


def require_longer(spec: Spec, attributes: Mapping[str, Any], shorter: str) -> None:
    """Raise StoreMismatch unless a spec differs from that of a store in further stored times alone, and in splits."""
    stored = validate(attributes["spec"])
    if not (isinstance(spec.problem, Evolution) and isinstance(stored.problem, Evolution)):
        raise StoreMismatch(f"{shorter} cannot be lengthened: it holds no trajectories, or the spec asks for none")
    if _but_times(spec) != _but_times(stored):
        raise StoreMismatch(f"{shorter} is of another spec: only problem.time and splits may differ from it")
    for name, mine, theirs in (
        ("stored times", spec.problem.times, stored.problem.times),
        ("intervals", spec.problem.time.lengths, stored.problem.time.lengths),
    ):
        if mine[: len(theirs)] != theirs or len(mine) == len(theirs):
            raise StoreMismatch(f"the {name} of {shorter} are not the first ones of the spec, followed by others")


def _but_times(spec: Spec) -> dict[str, Any]:
    found = spec.model_dump(mode="json", exclude={"each_split": True})
    time = found["problem"].pop("time")
    return {**found, "warmup": time.get("warmup", 0.0)}


def obstacle(attributes: Mapping[str, Any], here: Origin) -> str | None:
    """Why nothing in a store can be gone on with here, in words; None where that is not known yet."""
    if not attributes["complete"]:
        return "that store is not finished"
    if difference := Origin.of(attributes).difference(here):
        return f"it was made with {difference}"
    if not attributes["spec"]["store"].get("states"):
        return "it keeps values, rounded or transformed, not what trajectories are marched by (store.states: true)"
    if attributes["spec"]["solver"].get("steady_rate") is not None:
        return "when a sample counts as steady depends on the end (solver.steady_rate)"
    return None


def settle(job: Job, store: Store, root: Place) -> tuple[Job, str | None]:
    """The job, once its method is chosen, with what it may take from the store that it is to go on from; and why that
    is nothing, in words."""
    if not store.disk.exists(FILE):
        return job, None
    shorter = json.loads(store.disk.read(FILE))["store"]
    attributes = read_attributes(_place(root, shorter))
    reason = obstacle(attributes, store.here)
    for spec in (job.spec.model_dump(mode="json"), attributes["spec"]):
        if reason is None and (
            "fidelities" in spec or not all(isinstance(split, int) for split in spec["splits"].values())
        ):
            reason = "several fidelities, and splits with problems or designs of their own, are solved from the start"
    if reason is None and attributes["plan"] != job.layout.attributes["plan"]:
        reason = "over the longer span the trial takes another scheme, first step or goal"
    if reason is not None:
        remove(store.disk, FILE)
        return job, reason
    _note(store.disk, shorter, settled=True)
    return resumed(job, store.disk, root), None


def resumed(job: Job, disk: Disk, root: Place) -> Job:
    """The job with what it may take from the store that its own goes on from, once that is settled."""
    if isinstance(job, TrajectoryJob) and disk.exists(FILE):
        told = json.loads(disk.read(FILE))
        job.known = Shorter(job, _place(root, told["store"])) if told["settled"] else None
    return job


def end(disk: Disk) -> None:
    """Forget it."""
    if disk.exists(FILE):
        remove(disk, FILE)


class Shorter:
    """A finished store of the first stored times of a job, by split and sample."""

    def __init__(self, job: TrajectoryJob, root: Place) -> None:
        self.job, self.root = job, root
        spec = validate(read_attributes(root)["spec"])
        assert isinstance(spec.problem, Evolution)
        self.splits, intervals = spec.splits, len(spec.problem.time.lengths)
        most = 1 if job.regular else MOST_RUN  # orders are measured by earlier runs, which are nowhere
        self.runs = {sum(job.steps(run)[:intervals]): run for run in range(1, 1 + most)}

    @cached_property
    def _group(self) -> zarr.Group:
        return group_at(self.root)

    def __call__(self, split: str, sample: int) -> Known | None:
        """What it knows of a sample: where it is certified there, by one of the first runs, with finite states."""
        if sample >= self.splits.get(split, 0):
            return None
        part: Any = self._group[split]
        run = self.runs.get(int(part["steps"][sample]))
        if run is None or not part["method"][sample]:
            return None
        found = np.ascontiguousarray(part["states"][sample])
        if not np.isfinite(found).all():
            return None
        before, after = found.view(self.job.state_type)
        return Known(run, before, after)
