"""The methods that could solve a problem, cheapest first by their own estimates. The planner knows none by name: each
method offers itself (``LinearMethod.candidates``)."""

from __future__ import annotations

from typing import Literal

from pdemill.spec.method import LinearMethod, methods
from pdemill.spec.problem import Problem

MOST_QUARTERED, MOST_FACTORED = 500_000, 30_000
"""Unknowns on cells of a quarter of the size, at most, and where their matrix has to be factorised, which takes a
quarter of a second."""

type Sort = Literal["auto", "greedy", "hilbert", "clusters", "none"]
type Guess = Literal["span", "zero"]


def candidates(
    problem: Problem, unknowns: int, rtol: float, sort: Sort = "auto", guess: Guess = "span"
) -> list[LinearMethod]:
    """The methods that offer themselves for a problem of this kind and size, are admitted, and can run here; without
    those that learn from samples of their own, whose cost depends on the job."""
    return _offered(problem, unknowns, rtol, sort, guess, learns=False)


def learners(
    problem: Problem, unknowns: int, rtol: float, sort: Sort = "auto", guess: Guess = "span"
) -> list[LinearMethod]:
    """Those that do."""
    return _offered(problem, unknowns, rtol, sort, guess, learns=True)


def _offered(
    problem: Problem, unknowns: int, rtol: float, sort: Sort, guess: Guess, learns: bool
) -> list[LinearMethod]:
    found, problem = [], problem.discretisation.expected(problem)
    for name, kind in methods.items():
        if not issubclass(kind, LinearMethod) or kind.learns != learns:
            continue
        for options in kind.candidates(problem, unknowns):
            told = {"method": name, "rtol": rtol, "sort": sort, "guess": guess, **options}
            method = kind.model_validate(told).resolve(problem)
            assert isinstance(method, LinearMethod)
            if method.objection(problem) is None and method.missing() is None:
                found.append(method)
    return sorted(found, key=lambda method: method.seconds(problem, unknowns))


def for_few(problem: Problem, unknowns: int, rtol: float) -> LinearMethod | None:
    """The method for a few samples of a problem on another grid, where they have so many unknowns; None where nothing
    is known to fit into memory. Samples are few and not sorted, so nothing is recycled."""
    found = [method for method in candidates(problem, unknowns, rtol, "none") if not method.recycles]
    return found[0] if found else None


def for_quarters(problem: Problem, unknowns: int, rtol: float) -> LinearMethod | None:
    """The method for a few samples on cells of a quarter of the size, which make so many unknowns; None where they are
    too many."""
    method = for_few(problem, unknowns, rtol) if unknowns <= MOST_QUARTERED else None
    factors = method.factor_bytes(problem, unknowns) if method else 0.0
    return None if factors and unknowns > MOST_FACTORED else method


def name_of(method: LinearMethod) -> str:
    """The method with the options that set it apart, such as ``cg gamg``."""
    plain = type(method).model_validate({"method": method.method})
    own = [
        str(value) if isinstance(value, str) else f"{name} {value}"
        for name, value in method
        if name not in LinearMethod.model_fields and (name == "preconditioner" or value != getattr(plain, name))
    ]
    return " ".join([method.title, *own])
