"""What is known of the matrices of a problem: of weak forms it is found when a job is opened, on a coarse mesh."""

from __future__ import annotations

from pdemill.errors import Fault
from pdemill.spec.problem import Problem
from pdemill.spec.properties import Properties


def undecided(problem: Problem) -> bool:
    """Whether nothing tells yet if its matrices are symmetric and definite."""
    return problem.weak and not problem.properties.shown


def knowing[P: Problem](problem: P, properties: Properties) -> P:
    """A problem with what its matrices have shown."""
    other = problem.model_copy()
    other.__dict__["properties"] = properties
    return other


def needs_definite(method: str, problem: Problem) -> Fault | None:
    """The fault of a method for symmetric definite matrices; None where it may solve the problem."""
    known = problem.properties
    if undecided(problem) or (known.symmetric and known.definite):
        return None
    what = "symmetric" if not known.symmetric else "definite"
    isnt = "is not" if problem.weak or not known.symmetric else "may not be"
    if problem.weak and known.hollow:
        isnt, others = "has a saddle point", "direct"
    else:
        others = "gmres or direct"
    return Fault(("method",), f"{method} needs a {what} operator, and {problem.family} {isnt}: use {others}")


def needs_diagonal(method: str, preconditioner: str, problem: Problem) -> Fault | None:
    """The fault of a preconditioner that divides by diagonal entries, some of which are 0."""
    if not problem.properties.hollow or preconditioner == "none":
        return None
    what = f"{preconditioner} divides by the diagonal, and that of {problem.family} has zeros, as in a saddle point"
    return Fault(("preconditioner",), f"of {method}, {what}: use direct")
