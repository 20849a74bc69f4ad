"""Whether sides and terms determine the unknown of a steady scalar equation, or leave it open but for a constant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pdemill.spec.model import refuse

if TYPE_CHECKING:
    from pdemill.spec.problem import Problem


def refuse_undetermined(problem: Problem) -> None:
    """Refuse a problem that constants solve, unless its sources and fluxes are in balance."""
    if not problem.singular:
        return
    if not problem.symmetric:
        raise refuse(
            ("boundary",),
            "with convection, no reaction and no Dirichlet or Robin side, u is fixed only up to "
            "a constant: set a Dirichlet or Robin side, or a positive reaction",
            None,
        )
    for term, _, path in problem.asked():
        if term == "reaction":
            message = (
                "is not known to be positive, and then nothing fixes u: set a Dirichlet or Robin side, or give a "
                "number, or a field whose values are all positive (uniform, lognormal)"
            )
            raise refuse(path, message, None)
    if problem.compatibility == "refuse" and not problem.integrates_to_zero():
        raise refuse(
            ("source",),
            "u is not fixed on any side, so source and boundary fluxes must integrate to zero: set a Dirichlet "
            "or Robin side, give a source that integrates to zero (gaussian with boundary neumann or periodic), "
            "or set problem.compatibility to 'project' to subtract the mean of every source",
            None,
        )
