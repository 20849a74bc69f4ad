"""Successive over-relaxation."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pdemill.errors import Fault
from pdemill.spec.method import Iterations, LinearMethod
from pdemill.spec.omega import DEFAULT_LEARNER, Learn, Omega, learner, needless
from pdemill.spec.problem import Problem


class Sor(LinearMethod):
    """Successive over-relaxation, Young 1954: (D / omega + L) d = b - A u, u <- u + d. Symmetric positive definite
    matrices only.

    ``omega``: a number in (0, 2), or ``learn``: chosen along the sequence of systems from their iterations by
    ``learn``, Khodak et al. 2024 (arXiv 2310.02246). Far slower than other methods: for studies of learning.
    """

    method: Literal["sor"]
    omega: Omega = 1.0
    learn: Learn = DEFAULT_LEARNER
    max_iterations: Iterations = 100_000
    within: ClassVar[float | None] = 0.3

    def objection(self, problem: Problem) -> Fault | None:
        if not (problem.symmetric and problem.definite):
            return Fault(
                ("method",),
                f"sor needs a symmetric definite operator, and {problem.family} is not: use gmres or direct",
            )
        return needless(self.omega, self.learn)

    def seconds(self, problem: Problem, unknowns: int) -> float:
        along = unknowns ** (1 / problem.dimension)
        return float(1e-5 + 1e-8 * unknowns * along * (6.0 if self.omega == "learn" else along))

    def solver(self) -> Any:
        from pdemill.solvers.relaxation.solver import RelaxedSolver  # late: a spec must not load a compiler
        from pdemill.solvers.relaxation.sor import Sor as Iteration

        return RelaxedSolver(Iteration, learner(self.omega, self.learn), self.rtol, self.max_iterations)
