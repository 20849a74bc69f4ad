"""Which problems have residuals that are made of the spec and the inputs alone."""

from __future__ import annotations

from pdemill.errors import Path
from pdemill.solvers.box_shaped import BoxShaped
from pdemill.spec.problem import Problem

STEADY = frozenset({"diffusion", "convection", "reaction", "source"})
IN_TIME = frozenset({"diffusion", "reaction", "source", "initial"})
CONDITIONS = ("dirichlet", "neumann", "robin", "periodic")


def objection(problem: Problem) -> tuple[Path, str] | None:
    """Why there is none, and where the spec says so; None where there is one."""
    by = problem.discretisation
    if by.name != "box" or not isinstance(problem, BoxShaped):
        return ("problem",), f"has no residual that is made of inputs alone: it is solved {by.where or 'elsewhere'}"
    if not problem.linear or len(problem.channels) > 1:
        return ("problem", "family"), "has no residual: it is not one linear equation for one unknown"
    if getattr(problem.domain, "without", ()):
        return ("problem", "domain", "without"), "has no residual that is made of inputs alone: obstacles cut cells out"
    if not problem.evolves and getattr(problem, "own_grid", True):
        return ("problem", "family"), f"has no residual that is made of inputs alone: {problem.family} has its own grid"
    known = IN_TIME if problem.evolves else STEADY
    for term, functions, path in problem.asked():
        if term not in known:
            return ("problem", *path), f"has no residual: the term {term} is not linear in u, or unknown to it"
        if any(value.in_time for value in problem.sources(functions)):
            return ("problem", *path), "has no residual where it depends on t"
    for side, condition in problem.conditions.items():
        if condition.kind() not in CONDITIONS:
            return ("problem", *problem.side_path(side)), f"has no residual: {condition.kind()} sides are unknown to it"
        if any(value.in_time for _, value in condition.data()):
            return ("problem", *problem.side_path(side)), "has no residual where it depends on t"
    return None
