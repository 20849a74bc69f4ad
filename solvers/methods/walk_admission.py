"""Which problems walks can solve, as far as the spec shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from pdemill.errors import Fault
from pdemill.spec.domain import Box, Polygon
from pdemill.spec.field import Field, Scalar
from pdemill.spec.problem import Problem
from pdemill.spec.shapes import Ball, Domain, Star, Surface

MOST_SHARED = 50_000_000


class Options(Protocol):
    """Options of a walk that admission depends on."""

    @property
    def estimator(self) -> str: ...
    @property
    def control_variate(self) -> str: ...
    @property
    def sobol(self) -> bool: ...
    @property
    def gradients(self) -> bool: ...
    @property
    def most_walks(self) -> int: ...


def operator_of(problem: Problem) -> Iterator[tuple[str, Field]]:
    """The fields of the operator by name."""
    for name in problem.operator_fields:
        for value in problem.values(name):
            yield name, value


def varies(problem: Problem) -> bool:
    """Whether a coefficient of the operator depends on the place."""
    return any(not isinstance(value, Scalar) for _, value in operator_of(problem))


def fluxes(problem: Problem) -> list[Field]:
    """The data of the Neumann sides."""
    return [condition.flux for condition in problem.conditions.values() if condition.flux is not None]


def harmonic_fits(problem: Problem) -> bool:
    """Whether solutions of Laplace's equation can be subtracted."""
    undamped = all(value.bounds() == (0.0, 0.0) for name, value in operator_of(problem) if name != "coefficient")
    return problem.dimension <= 3 and undamped and not varies(problem) and not fluxes(problem)


def grid_fits(problem: Problem) -> bool:
    """Whether the solution on a box grid can be subtracted."""
    return isinstance(domain_of(problem), Box) and problem.dimension <= 3 and not fluxes(problem)


def objection(options: Options, problem: Problem) -> Fault | None:
    """Why these walks cannot solve the problem; None when they can."""
    return _coefficients(problem) or _sides(problem) or _options(options, problem)


def _coefficients(problem: Problem) -> Fault | None:
    for name, value in operator_of(problem):
        if not value.is_smooth:
            return Fault(("method",), f"walks need smooth coefficients, and {name} jumps: use problem.resolution")
    if varies(problem) and problem.dimension > 3:
        return Fault(("method",), "walks take coefficients that vary in space in 2 and 3 dimensions only")
    return None


def _sides(problem: Problem) -> Fault | None:
    given = fluxes(problem)
    if given and varies(problem):
        return Fault(("method",), "walks take neumann sides with coefficients that are constant in space only")
    if given and not isinstance(domain_of(problem), Box | Polygon):
        return Fault(("method",), "walks take neumann sides on boxes and polygons only")
    if problem.dimension > 3 and any(flux.bounds() != (0.0, 0.0) for flux in given):
        return Fault(("method",), "walks take a neumann flux other than 0 in 2 and 3 dimensions only")
    return None


def _options(options: Options, problem: Problem) -> Fault | None:
    plain = not varies(problem) and not fluxes(problem)
    if options.gradients and not plain:
        return Fault(("gradients",), "are possible with constant coefficients and dirichlet sides only")
    if options.sobol and not (plain and problem.dimension <= 3):
        return Fault(("sobol",), "needs constant coefficients and dirichlet sides, in 2 or 3 dimensions")
    if options.estimator == "shared":
        if problem.size * options.most_walks > MOST_SHARED:
            return Fault(
                ("walks",), f"times the points is more than {MOST_SHARED:,}, which shared walks keep in memory"
            )
        if not getattr(problem, "shared_points", False):
            return Fault(
                ("estimator",), "shared walks need a fixed domain and shared points: {random: N, shared: true}"
            )
        if problem.dimension > 3 or fluxes(problem):
            return Fault(("estimator",), "shared walks are possible in 2 and 3 dimensions with dirichlet sides")
        if problem.damped and not varies(problem) and any(value.is_random for _, value in operator_of(problem)):
            return Fault(("estimator",), "shared walks need the same reaction in all samples, and it is drawn")
    if options.control_variate == "harmonic" and not harmonic_fits(problem):
        needs = "constant coefficients, no reaction and dirichlet sides, in 2 or 3 dimensions"
        return Fault(("control_variate",), f"harmonic needs {needs}")
    if options.control_variate == "grid" and not grid_fits(problem):
        return Fault(("control_variate",), "grid needs a box with dirichlet sides, in 2 or 3 dimensions")
    return None


def domain_of(problem: Problem) -> Domain:
    """The domain of a pointwise problem."""
    domain: Domain = problem.domain  # type: ignore[attr-defined]
    return domain


def walk_seconds(problem: Problem) -> float:
    """About how many CPU seconds one walk takes, its data evaluated."""
    base: float
    match domain_of(problem):
        case Star() | Polygon():
            base = 2.2e-6
        case Surface():
            base = 5e-6
        case Ball() | Box():
            base = 0.6e-6 * max(1.0, problem.dimension - 1.0)
        case _:
            base = 0.6e-6
    return 3.0 * base if varies(problem) else base
