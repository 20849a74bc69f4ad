"""Conjugate gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from pdemill.errors import Fault
from pdemill.spec.method import LinearMethod, Preconditioner, krylov_seconds
from pdemill.spec.problem import Problem
from solvers.methods.gmres import KrylovSolver


class Cg(LinearMethod):
    """Conjugate gradients, Hestenes and Stiefel 1952, by PETSc. Symmetric positive definite matrices only."""

    method: Literal["cg"]
    preconditioner: Preconditioner = "icc"
    max_iterations: Annotated[int, Field(ge=1)] = 10_000
    within: ClassVar[float | None] = 0.3

    @classmethod
    def candidates(cls, problem: Problem, unknowns: int) -> Sequence[Mapping[str, Any]]:
        return {"preconditioner": "gamg"}, {"preconditioner": "icc"}

    def objection(self, problem: Problem) -> Fault | None:
        if not problem.symmetric:
            return Fault(
                ("method",), f"cg needs a symmetric operator, and {problem.family} is not: use gmres or direct"
            )
        if not problem.definite:
            return Fault(
                ("method",), f"cg needs a definite operator, and {problem.family} may not be: use gmres or direct"
            )
        if self.preconditioner in ("ilu", "asm"):
            return Fault(
                ("preconditioner",), f"cg needs a symmetric preconditioner, and {self.preconditioner} is not: use icc"
            )
        return None

    def seconds(self, problem: Problem, unknowns: int) -> float:
        return krylov_seconds(self.preconditioner, problem, unknowns, per_step=2.5e-8)

    def solver(self) -> KrylovSolver:
        from solvers import petsc  # late: a spec must not load PETSc

        make = partial(petsc.Krylov, kind="cg", preconditioner=self.preconditioner)
        return KrylovSolver(make, self.rtol, self.max_iterations)
