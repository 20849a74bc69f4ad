"""What a discretiser does not take of a problem."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pdemill.spec.field import Field, scalars
from pdemill.spec.model import NOT_TAKEN, refuse

if TYPE_CHECKING:
    from pdemill.errors import Path
    from pdemill.spec.problem import Problem

IN_TIME = "depends on t, the time, which {}: leave it out, or give t a value under 'where'"


def refuse_untaken(problem: Problem) -> None:
    """Refuse what the discretiser of a problem does not take: nothing of an equation is ever left out."""
    by, takes = f"the discretiser {problem.discretisation.name}", problem.discretisation.takes
    if tuple(map(type, problem.solved_for)) not in takes.unknowns:
        named = ", ".join(unknown.name for unknown in problem.solved_for)
        raise refuse(
            ("family",), f"{problem.family} is solved for {named}, which {by} does not take", problem.family, NOT_TAKEN
        )
    for path in _in_time(problem):
        terms = f"in the terms {', '.join(sorted(takes.in_time))} and data on sides"
        where = f"may stand {terms} only, and not in Robin coefficients"
        some = takes.in_time or takes.sides_in_time
        raise refuse(path, IN_TIME.format(where if some else f"{by} does not take"), None, NOT_TAKEN)
    for term, functions, path in problem.asked():
        if term not in takes.terms:
            kinds = ", ".join(sorted(takes.terms))
            raise refuse(path, f"brings in a {term} term, which {by} does not take (it takes {kinds})", None, NOT_TAKEN)
        if term == "diffusion" and len(functions) > 1 and not takes.tensor:
            raise refuse(path, f"is a diagonal tensor, and {by} takes one coefficient for all axes", None, NOT_TAKEN)
        varying = (one.origin for one in functions if not all(value.is_flat for value in problem.sources((one,))))
        if term in takes.uniform and (name := next(varying, None)) is not None:
            raise refuse(
                (name,),
                f"varies in space, and {by} takes numbers and scalars there ({', '.join(scalars)})",
                None,
                NOT_TAKEN,
            )
        if term == "reaction" and not (takes.negative or problem.definite):
            raise refuse(path, f"may make the reaction negative, and {by} takes a reaction >= 0 only", None, NOT_TAKEN)
    if (flux := problem.convective_flux) not in takes.fluxes:
        raise refuse(("flux",), f"{by} takes convection in its own way: leave it out", flux, NOT_TAKEN)
    for side, condition in problem.conditions.items():
        if condition.kind() not in takes.conditions:
            kinds = ", ".join(sorted(takes.conditions))
            message = f"makes {side} {condition.kind()}, which {by} does not take (it takes {kinds})"
            raise refuse(problem.side_path(side), message, side, NOT_TAKEN)


def _in_time(problem: Problem) -> Iterator[Path]:
    """Where a problem has data that depend on t and its discretiser takes none."""
    takes = problem.discretisation.takes
    may = _brought_in_by(problem, takes.in_time) if takes.in_time else frozenset()
    for path, value in problem.slots():
        yield from _strays(path, value, path[0] in may)
    for side, below, value in problem.side_slots():
        held = below[-1] in problem.conditions[side].in_operator
        yield from _strays((*problem.side_path(side), *below), value, takes.sides_in_time and not held)


def _strays(path: Path, value: Field, may: bool) -> Iterator[Path]:
    if value.in_time and not may:
        yield path
    for below, part in value.parts():
        yield from _strays((*path, *below), part, may and value.in_time)


def _brought_in_by(problem: Problem, terms: frozenset[str]) -> frozenset[str]:
    """The fields that bring in these terms and no others, as far as the functions of terms tell."""
    wanted: set[str] = set()
    others: set[str] = set()
    for term, functions, _ in problem.asked():
        (wanted if term in terms else others).update(function.origin for function in functions)
    return frozenset(wanted - others)
