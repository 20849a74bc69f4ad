"""A problem solved along the way of every job, and where its values stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.compliance.reference import square
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.instance import Instance
from pdemill.solvers.job import Job, open_job
from pdemill.solvers.operators.discretisation import Discretisation
from pdemill.spec import Spec, validate
from pdemill.spec.problem import Problem
from pdemill.store.layout import Shard
from pdemill.testing.compliance import ComplianceError, Places

PLACES: Places = {
    "box": [{"resolution": [n, n]} for n in (16, 32, 64)],
    "elements": [{"resolution": {"h": h}} for h in (0.1, 0.05, 0.025)],
    "walks": [
        {
            "domain": {"shape": "box", "lengths": [1, 1]},
            "points": {"list": [[0.3, 0.4], [0.7, 0.35], [0.5, 0.6], [0.8, 0.75], [0.2, 0.8]]},
        }
    ],
}
SOLVERS: dict[str, dict[str, Any]] = {
    "systems": {"method": "direct", "sort": "none", "guess": "zero", "rtol": 1e-8},
    "walks": {"method": "walks", "walks": 16384, "epsilon": 1e-4, "control_variate": "none", "return": "per_batch"},
}
QUICK: dict[str, dict[str, Any]] = {"systems": {}, "walks": {"walks": 512}}
"""Options for checks of bits, which need no exact labels."""
SEED = 1


@dataclass(frozen=True)
class Solved:
    """Sample 0 of a problem: u at places [2, n]; where it is an estimate also the means of its batches [b, n], which
    problems that differ little draw alike."""

    job: Job
    sample: Instance
    places: Array
    values: Array
    batches: Array

    @cached_property
    def reference(self) -> Array:
        """The values that the reference gives."""
        return square().at(square().solution(self.sample), self.places)

    def noise(self, other: Solved | None = None) -> Array:
        """Standard errors of the values, or of their differences from another's."""
        batches = self.batches if other is None else self.batches - other.batches
        count = len(batches)
        return np.asarray(batches.std(axis=0, ddof=1) / np.sqrt(count)) if count else np.zeros(len(self.values))


def places_of(name: str, places: Places) -> list[dict[str, Any]]:
    """The keys that put problems on the unit square, one dictionary per grid."""
    known = {**PLACES, **places}
    if name not in known:
        raise ComplianceError(
            f"the suite does not know how to put a problem on the unit square for the discretiser {name}: give "
            f"places={{{name!r}: [keys of three grids]}}"
        )
    return [{"discretiser": name, **grid} for grid in known[name]]


def spec_of(problem: Problem | Mapping[str, Any], samples: int = 1, quick: bool = False) -> Spec:
    """A spec with the solver that errs least, or a quick one; raises SpecError."""
    if not isinstance(problem, Problem):
        problem = validate({"problem": dict(problem), "samples": samples}).problem
    solver = SOLVERS[problem.solved_by] | (QUICK[problem.solved_by] if quick else {})
    store, certify = {"dtype": "float64"}, {"refine": 0}
    return validate(
        {"problem": problem, "samples": samples, "seed": SEED, "solver": solver, "store": store, "certify": certify}
    )


def rows(job: Job, start: int, stop: int) -> Mapping[str, NDArray[Any]]:
    """The arrays of samples start..stop-1, which all must have a label."""
    data, _ = job.solve(Shard("train", 0, start, stop), lambda progress: None)
    if data.failures:
        raise ComplianceError(f"sample {data.failures[0]['sample']} has no label: {data.failures[0]['reason']}")
    return data.arrays


def on_grid(job: Job) -> TypeGuard[FieldJob]:
    """Whether the samples of a job are whole fields; those at points have no matrices."""
    return not job.problem.pointwise


def sample_of(job: Any, number: int = 0) -> Instance:
    """A sample of a job."""
    found: Instance = (job.instance if on_grid(job) else job.sample)("train", number)
    return found


def solved(problem: Problem | Mapping[str, Any]) -> Solved:
    """Sample 0 of a problem; raises SpecError where the problem is refused."""
    job = open_job(spec_of(problem))
    if len(job.problem.channels) != 1:
        raise ComplianceError(f"the reference solves for one scalar, and {job.problem.family} is solved for more")
    found = rows(job, 0, 1)
    if on_grid(job):
        values = found["solution"][0, 0].ravel()
        return Solved(job, sample_of(job), points_of(job.discretisation), values, np.empty((0, len(values))))
    return Solved(job, sample_of(job), found["points"][0].T, found["solution"][0], found["batches"][0])


def points_of(grid: Discretisation) -> Array:
    """The places of stored values [2, n]."""
    points = grid.points
    return np.stack([np.broadcast_to(points.coordinates[name], points.shape).ravel() for name in ("x", "y")])
