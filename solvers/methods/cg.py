"""Conjugate gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from pdemill.errors import Fault, MissingExtra
from pdemill.solvers.installed import needs_petsc
from pdemill.solvers.krylov.kinds import KINDS
from pdemill.solvers.methods.gmres import KrylovSolver
from pdemill.spec.method import Iterations, LinearMethod, Preconditioner, krylov_seconds, recycles_too_much
from pdemill.spec.omega import DEFAULT_LEARNER, Learn, Omega, learner, needless
from pdemill.spec.problem import Problem
from pdemill.spec.shown import needs_definite

if TYPE_CHECKING:
    from pdemill.solvers.krylov.recycled_cg import RecycledCgSolver
    from pdemill.solvers.relaxation.solver import RelaxedSolver


OF_BLOCKS = 8 * 20
"""Vectors of a block of eight at work: eleven steps of its window, five long vectors, right-hand sides, solutions,
residuals and corrections of each."""


class Cg(LinearMethod):
    """Conjugate gradients, Hestenes and Stiefel 1952, by PETSc. Symmetric positive definite matrices only.

    With ``recycle`` > 0: so many approximate eigenvectors are learnt from the first systems and deflated from the
    later ones. Stathopoulos and Orginos 2010 (eigCG); Saad et al. 2000 (deflated CG). Pays for one or slowly changing
    matrices.

    Where all samples have one matrix, and ``recycle`` > 0, eight systems are solved at once by block conjugate
    gradients, with the preconditioners none, jacobi, sor and icc. O'Leary 1980; Dubrulle 2001.

    ``ssor``: the symmetric preconditioner of successive over-relaxation with ``omega``, a number in (0, 2), or
    ``learn``: chosen along the sequence of systems from their iterations by ``learn``, Khodak et al. 2024 (arXiv
    2310.02246). With omega 1 it is ``sor``.
    """

    method: Literal["cg"]
    preconditioner: Literal[Preconditioner, "ssor"] = "icc"
    recycle: Annotated[int, Field(ge=0, le=500)] = 0
    omega: Omega = 1.0
    learn: Learn = DEFAULT_LEARNER
    max_iterations: Iterations = 10_000
    within: ClassVar[float | None] = 0.3

    @classmethod
    def candidates(cls, problem: Problem, unknowns: int) -> Sequence[Mapping[str, Any]]:
        return () if problem.weak else ({},)  # where it was never the fastest

    @property
    def recycles(self) -> bool:
        return self.recycle > 0

    def objection(self, problem: Problem) -> Fault | None:
        if (lacking := needs_definite(self.method, problem)) is not None:
            return lacking
        if self.preconditioner in ("ilu", "asm"):
            return Fault(
                ("preconditioner",), f"cg needs a symmetric preconditioner, and {self.preconditioner} is not: use icc"
            )
        if self.preconditioner != "ssor":
            if self.omega != 1.0:
                return Fault(("omega",), f"is the parameter of ssor, and preconditioner is {self.preconditioner}")
        elif self.recycle:
            return Fault(("recycle",), "is not for ssor: choose another preconditioner, or recycle 0")
        return needless(self.omega, self.learn) or recycles_too_much(self, problem)

    def missing(self) -> MissingExtra | None:
        if self.preconditioner == "ssor":
            return None
        if self.recycle and self.preconditioner in KINDS:
            return None
        return needs_petsc(f"solver.method cg with recycle {self.recycle} and preconditioner {self.preconditioner}")

    def seconds(self, problem: Problem, unknowns: int) -> float:
        plane = problem.structured and problem.dimension < 3
        like: Preconditioner = "sor" if self.preconditioner == "ssor" else self.preconditioner
        return krylov_seconds(like, problem, unknowns, per_step=1.1e-8 if plane else 2.2e-8)

    def memory(self, problem: Problem, unknowns: int) -> float:
        return super().memory(problem, unknowns) + self.recycled_bytes(problem, unknowns)

    def recycled_bytes(self, problem: Problem, unknowns: int) -> float:
        """Recycled vectors and images at work, a window of three times as many, and both as the last two systems left
        them; for blocks another window, and what is worked on."""
        vectors = 9 * self.recycle
        if self.recycle and problem.properties.constant and self.preconditioner in KINDS:
            vectors += 2 * self.recycle + OF_BLOCKS
        return 8.0 * vectors * unknowns

    def solver(self) -> KrylovSolver | RecycledCgSolver | RelaxedSolver:
        if self.preconditioner == "ssor":
            from pdemill.solvers.relaxation.solver import RelaxedSolver
            from pdemill.solvers.relaxation.ssor_cg import SsorCg

            return RelaxedSolver(SsorCg, learner(self.omega, self.learn), self.rtol, self.max_iterations)
        if not self.recycle:
            from pdemill.solvers import petsc  # late: a spec must load neither PETSc nor a compiler

            make = partial(petsc.Krylov, kind="cg", preconditioner=self.preconditioner)
            return KrylovSolver(make, self.rtol, self.max_iterations)
        from pdemill.solvers.krylov.backends import makers
        from pdemill.solvers.krylov.recycled_cg import RecycledCgSolver

        return RecycledCgSolver(makers(self.preconditioner), self.recycle, self.rtol, self.max_iterations)
