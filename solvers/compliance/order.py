"""The error falls with the cells as the discretisation says, on a manufactured solution."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pdemill.points import Array, Points
from pdemill.solvers.compliance.probes import Given, keys_of, with_terms
from pdemill.solvers.compliance.reference import SIDES, square
from pdemill.solvers.compliance.solved import on_grid, sample_of, solved, spec_of
from pdemill.solvers.instance import Instance
from pdemill.solvers.job import open_job
from pdemill.spec.field import Function
from pdemill.spec.problem import Problem
from pdemill.spec.terms import Terms
from pdemill.testing.compliance import ComplianceError

SLACK = 0.2


def exact(x: Array, y: Array) -> Array:
    """The solution that is manufactured."""
    return np.asarray(np.sin(2.9 * x + 2.2 * y + 0.4))


def check_order(problems: Sequence[Mapping[str, Any]]) -> None:
    """Fit the order over the grids. Points have none."""
    errors = []
    order = 0
    for problem in problems:
        job = open_job(spec_of(problem))
        if not on_grid(job):
            return
        found = solved(manufactured(job.problem, sample_of(job)))
        errors.append(float(np.sqrt(np.mean(np.square(found.values - exact(*found.places))))))
        order = job.discretisation.order
    seen = np.log2(errors[0] / errors[-1]) / (len(errors) - 1)
    if not seen >= order - SLACK:
        raise ComplianceError(
            f"{job.problem.family} on {job.problem.discretisation.name} converges with order {seen:.2f}, and its "
            f"discretisation states {order}: errors {', '.join(f'{e:.1e}' for e in errors)} on "
            "cells half as large each time; give smooth fields, or mend the discretisation"
        )


def manufactured(problem: Problem, sample: Instance) -> Problem:
    """The problem with a source and data on its sides that make ``exact`` the solution of a sample."""
    u = exact(*square().places)
    source = _polynomial(square().operator(sample.terms) @ u)

    def change(terms: Terms) -> Terms:
        return replace(terms, source=replace(terms.source, evaluate=source, random=False, _values={}))

    boundary = {side: _condition(sample, side, u) for side in SIDES}
    return with_terms(type(problem), change).model_validate({**keys_of(problem), "boundary": boundary})


def _condition(sample: Instance, side: str, u: Array) -> Any:
    axis, end = divmod(SIDES.index(side), 2)
    k = square().values(sample.terms.diffusion[axis % len(sample.terms.diffusion)])
    flux = _polynomial((2 * end - 1) * k * (square().gradient[axis] @ u))
    condition, data = sample.condition(side)
    if condition.essential:
        return {"dirichlet": Given(evaluate=_exact)}
    if condition.kind() == "neumann":
        return {"neumann": Given(evaluate=flux)}
    exchange: Function = data["coefficient"]
    given = Given(evaluate=lambda points: exchange(points) * _exact(points) + flux(points))
    return {"robin": {"coefficient": Given(evaluate=exchange), "value": given}}


def _exact(points: Points) -> Array:
    return exact(*_places(points))


def _polynomial(values: Array) -> Callable[[Points], Array]:
    return lambda points: square().at(values, _places(points))


def _places(points: Points) -> Array:
    return np.stack([np.broadcast_to(points.coordinates[name], points.shape) for name in ("x", "y")])
