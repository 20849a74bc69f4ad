"""The minimal residual method for symmetric matrices."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Literal

from pdemill.errors import Fault, MissingExtra
from pdemill.solvers.installed import needs_petsc
from pdemill.solvers.methods.gmres import KrylovSolver
from pdemill.spec.method import Iterations, LinearMethod, krylov_seconds
from pdemill.spec.problem import Problem
from pdemill.spec.shown import undecided


class Minres(LinearMethod):
    """MINRES, Paige and Saunders 1975, by PETSc. Symmetric matrices, definite or not; three vectors, no restart.

    The preconditioner must be definite even where the matrix is not, which leaves ``none`` and ``jacobi`` (with the
    absolute values of the diagonal).
    """

    method: Literal["minres"]
    preconditioner: Literal["none", "jacobi"] = "jacobi"
    max_iterations: Iterations = 10_000
    within: ClassVar[float | None] = 0.3

    def objection(self, problem: Problem) -> Fault | None:
        if not undecided(problem) and not problem.properties.symmetric:
            return Fault(
                ("method",), f"minres needs a symmetric operator, and {problem.family} is not: use gmres or direct"
            )
        return None

    def missing(self) -> MissingExtra | None:
        return needs_petsc(f"solver.method {self.method}")

    def seconds(self, problem: Problem, unknowns: int) -> float:
        return krylov_seconds(self.preconditioner, problem, unknowns, per_step=2e-8)

    def solver(self) -> KrylovSolver:
        from pdemill.solvers import petsc  # late: a spec must not load PETSc

        make = partial(petsc.Krylov, kind="minres", preconditioner=self.preconditioner)
        return KrylovSolver(make, self.rtol, self.max_iterations)
