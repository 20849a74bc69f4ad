"""Reduced bases for problems of few numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from pdemill.errors import Fault
from pdemill.solvers.methods.direct import LARGEST_FACTOR, Direct
from pdemill.solvers.reduced import BATCH
from pdemill.spec.method import LinearMethod
from pdemill.spec.problem import Problem

if TYPE_CHECKING:
    from pdemill.solvers.reduced.solver import ReducedBasisSolver

MOST_NUMBERS, LEAST = 10, 10_000
"""Drawn numbers and unknowns of problems that ``auto`` considers it for."""
STEPS = 2
"""Steps of a system whose vectors are kept."""


class ReducedBasis(LinearMethod):
    """Galerkin projection onto a reduced basis, for problems whose samples are a few drawn numbers: Patera and Rozza
    2007. Solutions of samples that are drawn for this alone span the basis; matrices are combinations of few,
    A = Σ θ_q A_q, so that V' A V costs nothing that grows with the grid.

    What the projection leaves goes by steps of GCR, preconditioned by fast transforms, on boxes where couplings do not
    vary in space, or by the factors of a mean matrix, and by the basis. A sample that these do not reach is solved
    by factors, as ``direct`` does, and joins the basis of its shard. ``basis``: the most vectors in it.
    """

    method: Literal["reduced_basis"]
    basis: Annotated[int, Field(ge=1, le=1000)] = 200
    learns: ClassVar[bool] = True

    @classmethod
    def candidates(cls, problem: Problem, unknowns: int) -> Sequence[Mapping[str, Any]]:
        """For numbers that are few, and systems so large that factors cost more than what is done in the basis."""
        numbers = problem.properties.numbers
        return ({},) if numbers is not None and numbers <= MOST_NUMBERS and unknowns >= LEAST else ()

    def objection(self, problem: Problem) -> Fault | None:
        reason = _reason(problem)
        return None if reason is None else Fault(("method",), f"reduced_basis needs {reason}: use direct or auto")

    def seconds(self, problem: Problem, unknowns: int) -> float:
        direct = Direct.model_validate({"method": "direct"})
        return 0.5 * direct.seconds(problem, unknowns) + 1e-3

    def setup_seconds(self, problem: Problem, unknowns: int) -> float:
        """At most: of a full basis."""
        return self.basis * Direct.model_validate({"method": "direct"}).seconds(problem, unknowns)

    def factor_bytes(self, problem: Problem, unknowns: int) -> float:
        return 2.0 * Direct.model_validate({"method": "direct"}).factor_bytes(problem, unknowns)

    def memory(self, problem: Problem, unknowns: int) -> float:
        factors = 2.0 * Direct.model_validate({"method": "direct"}).memory(problem, unknowns)
        return factors + 8.0 * unknowns * (self.basis + BATCH * 2 * (STEPS + 2))

    def solver(self) -> ReducedBasisSolver:
        from pdemill.solvers.reduced.solver import ReducedBasisSolver  # late: a spec must load no solver

        return ReducedBasisSolver(Direct(method="direct").solver, self.rtol, self.basis)


def _reason(problem: Problem) -> str | None:
    """What a reduced basis misses in a problem; None if it has everything."""
    known = problem.properties
    if known.numbers is None and not problem.linear:
        return "a linear equation whose samples are a few drawn numbers, and here it is not linear, or a field is drawn"
    if known.numbers is None:
        return (
            "samples that are a few drawn numbers, in scalars, expressions and regions, and a field or shape is drawn"
        )
    if known.constant:
        return "matrices that differ from sample to sample, and here all samples have one"
    if problem.dimension > 2 and problem.size > LARGEST_FACTOR:
        return f"factors, which do not fit into memory for {problem.size:,} unknowns in three dimensions"
    return None
