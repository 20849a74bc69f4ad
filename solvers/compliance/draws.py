"""A sample is one equation on every grid, and is solved to the same bits in any company."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pdemill.points import Array, CloudPoints
from pdemill.solvers.compliance.reference import square
from pdemill.solvers.compliance.solved import on_grid, points_of, rows, sample_of, spec_of
from pdemill.solvers.instance import Instance
from pdemill.solvers.job import Job, open_job
from pdemill.testing.compliance import ComplianceError

SAMPLES = 4
ROUNDING = 1e-9


def check_functions(problems: Sequence[Mapping[str, Any]]) -> None:
    """The terms of sample 0 are the same functions for the problem on every grid, and on the grid itself."""
    jobs = [open_job(spec_of(problem)) for problem in problems[:2]]
    first, *others = [_on_cloud(sample_of(job)) for job in jobs]
    for other in others:
        for name, values in first.items():
            _equal(name, jobs[0], other[name], values)
    for job in jobs:
        if on_grid(job):
            places = CloudPoints(points_of(job.discretisation), (0.0, 0.0), (1.0, 1.0))
            for name, functions in sample_of(job).terms.present():
                for function in functions:
                    points = job.discretisation.points
                    values = np.broadcast_to(function(points), points.shape).ravel()
                    _equal(name, job, values, np.broadcast_to(function(places), places.shape))


def _on_cloud(sample: Instance) -> dict[str, Array]:
    found = sample.terms.present()
    return {name: np.stack([square().values(function) for function in functions]) for name, functions in found}


def _equal(name: str, job: Job, values: Array, expected: Array) -> None:
    if not np.abs(values - expected).max() <= ROUNDING * max(1.0, float(np.abs(expected).max())):
        raise ComplianceError(
            f"the {name} of a sample of {job.problem.family} depends on the grid: terms() and its fields may depend on "
            "the place alone, not on resolution, domain or the number of points"
        )


def check_company(problem: Mapping[str, Any]) -> None:
    """Samples solved one by one, by jobs of their own, and together, have the same bits."""
    spec = spec_of(problem, SAMPLES, quick=True)
    job = open_job(spec)
    together = rows(job, 0, SAMPLES)["solution"]
    again = rows(job, 0, SAMPLES)["solution"]
    alone = np.concatenate([rows(open_job(spec), number, number + 1)["solution"] for number in range(SAMPLES)])
    for found, when in ((again, "a second time"), (alone, "alone")):
        if not np.array_equal(found, together):
            raise ComplianceError(
                f"a sample of {job.problem.family} on {job.problem.discretisation.name} has other bits when it is "
                f"solved {when}: nothing may be kept from one sample to the next that is not a function of the spec"
            )
