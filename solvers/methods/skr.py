"""Sorting and Krylov recycling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from pdemill.errors import Fault, MissingExtra
from pdemill.solvers.installed import needs_petsc
from pdemill.solvers.krylov.kinds import KINDS
from pdemill.spec.method import LinearMethod, Preconditioner, krylov_seconds, needs_symmetry
from pdemill.spec.model import refuse
from pdemill.spec.problem import Problem

if TYPE_CHECKING:
    from pdemill.solvers.krylov.solver import SkrSolver


class Skr(LinearMethod):
    """Sorted GCRO-DR(restart, recycle): similar samples are solved one after another, each starting from the
    deflation space of the one before. Wang et al. 2024, "Accelerating data generation for neural operators via
    Krylov subspace recycling" (ICLR), algorithm 1 and appendix B; Parks et al. 2006.

    Pays for one or slowly changing matrices that converge slowly, and for indefinite ones; for independent
    random fields other methods are faster (see the page on recycling).
    """

    method: Literal["skr"]
    preconditioner: Preconditioner = "ilu"
    restart: Annotated[int, Field(ge=4, le=1000)] = 40
    recycle: Annotated[int, Field(ge=1, le=500)] = 20
    max_iterations: Annotated[int, Field(ge=1)] = 10_000
    within: ClassVar[float | None] = 0.3

    @property
    def recycles(self) -> bool:
        return True

    @model_validator(mode="after")
    def _room(self) -> Skr:
        if self.recycle > self.restart - 2:
            raise refuse(("recycle",), f"must be at most restart - 2 = {self.restart - 2}", self.recycle)
        return self

    @classmethod
    def candidates(cls, problem: Problem, unknowns: int) -> Sequence[Mapping[str, Any]]:
        """For one matrix, and for indefinite ones whose factors are large: elsewhere it never was the fastest."""
        indefinite = problem.symmetric and not problem.definite and problem.dimension == 3
        return ({},) if problem.properties.constant or indefinite else ()

    def objection(self, problem: Problem) -> Fault | None:
        return needs_symmetry(self.preconditioner, problem)

    def missing(self) -> MissingExtra | None:
        if self.preconditioner in KINDS:
            return None
        return needs_petsc(f"solver.method skr with preconditioner {self.preconditioner}")

    def seconds(self, problem: Problem, unknowns: int) -> float:
        return 3e-5 + krylov_seconds(self.preconditioner, problem, unknowns, per_step=4e-8)

    def memory(self, problem: Problem, unknowns: int) -> float:
        return (400.0 + 8 * (self.restart + 5 * self.recycle)) * unknowns

    def solver(self) -> SkrSolver:
        from pdemill.solvers.krylov.backends import makers
        from pdemill.solvers.krylov.solver import SkrSolver  # late: a spec must load neither PETSc nor a compiler

        return SkrSolver(makers(self.preconditioner), self.restart, self.recycle, self.rtol, self.max_iterations)
