"""The audit: how labels are measured against the continuous equation, and the problems where that is possible."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pdemill.spec.field import Scalar
from pdemill.spec.model import AsNumber, Model
from pdemill.spec.problem import Problem

TERMS = ("diffusion", "reaction", "source")
"""The terms that walks know."""
LEAST_CELLS = 6
"""Cells along an axis that a quintic spline needs."""


class Audit(Model):
    """Random walks measure the error of labels against the continuous equation, at random places.

    samples    the first so many samples of each split are audited; all that a split has, if it has fewer
    probes     places per sample: random cell centres or nodes
    walks      walks per probe; the interval falls as 1 / sqrt(walks)
    tolerance  a label may be wrong by so much of its root mean square before it is flagged; a flagged sample fails
    epsilon    distance from the boundary, relative to the domain's diameter, at which a walk ends
    """

    samples: Annotated[int, Field(ge=1)]
    probes: Annotated[int, Field(ge=4, le=4096)] = 16
    walks: Annotated[int, Field(ge=256, le=10_000_000)] = 4096
    tolerance: Annotated[float, Field(gt=0, le=1), AsNumber] = 0.01
    epsilon: Annotated[float, Field(ge=1e-8, le=1e-2), AsNumber] = 1e-4


def objection(problem: Problem) -> str | None:
    """Why walks cannot audit the labels of a problem; None when they can."""
    if problem.pointwise:
        return "is for whole fields: labels at points come from walks already, with a standard error each"
    if len(problem.channels) != 1:
        return f"is possible for one scalar only, not for {', '.join(problem.channels)}"
    if problem.walkable is None:
        return "is not possible on this domain: walks know boxes and polygons"
    if problem.dimension not in (2, 3):
        return f"is possible in 2 and 3 dimensions, not in {problem.dimension}"
    if not problem.symmetric:
        return "is not possible with convection: walks know -div(k grad u) + c u = f only"
    if not problem.definite:
        return "is not possible for an indefinite operator: walks need a reaction c >= 0"
    for term, _, _ in problem.asked():
        if term not in TERMS:
            return f"is not possible with a {term} term: walks know -div(k grad u) + c u = f only"
    return _sides(problem) or _coefficients(problem) or _resolution(problem)


def _sides(problem: Problem) -> str | None:
    constant = all(isinstance(value, Scalar) for name in problem.operator_fields for value in problem.values(name))
    for side, condition in problem.conditions.items():
        kind = condition.kind()
        if condition.essential or (kind == "neumann" and problem.structured and constant):
            continue
        asked = "dirichlet on every side (on a grid with coefficients constant in space, neumann on some)"
        return f"needs {asked}, and {side} has {kind}"
    if not any(condition.essential for condition in problem.conditions.values()):
        return "needs dirichlet on one side or more"
    return None


def _coefficients(problem: Problem) -> str | None:
    for name in problem.operator_fields:
        values = problem.values(name)
        if len(values) > 1:
            return f"needs one {name} for all axes, not a diagonal tensor"
        if not values[0].is_smooth:
            return f"needs smooth coefficients, and {name} jumps"
    return None


def _resolution(problem: Problem) -> str | None:
    if problem.structured and min(problem.cells) < LEAST_CELLS:
        return f"needs at least {LEAST_CELLS} cells along every axis"
    return None
