"""Which problems networks for directions take."""

from __future__ import annotations

from pdemill.spec.problem import Problem, Properties


def missing(problem: Problem) -> str | None:
    """The first thing that networks for directions miss in a problem; None if they have everything."""
    if not problem.linear or problem.evolves:
        return f"a linear equation without time, and {problem.family} is another"
    return _missing(problem.preconditioned, problem.family)


def _missing(known: Properties, family: str) -> str | None:
    if not known.structured:
        return f"a box grid, and {family} has a mesh"
    if known.dimension < 2:
        return "two or three axes"
    if not (known.symmetric and known.definite):
        return f"a symmetric definite operator, and {family} may have none"
    if not known.compact:
        return f"a matrix that couples a cell with its neighbours along the axes, and that of {family} does not"
    if any(known.periodic):
        return "sides that are not periodic"
    return None
