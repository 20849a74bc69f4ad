"""Restarted GMRES."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, ClassVar, Literal, Protocol

from pydantic import Field

from pdemill.errors import Fault, MissingExtra
from pdemill.points import Array
from pdemill.solvers.installed import needs_petsc
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.solvers.solution import Result, Solution, Solver, Stats
from pdemill.spec.method import Iterations, LinearMethod, Preconditioner, krylov_seconds, needs_symmetry
from pdemill.spec.problem import Problem
from pdemill.spec.shown import needs_diagonal


class Gmres(LinearMethod):
    """GMRES(restart), Saad and Schultz 1986, with right preconditioning, by PETSc. Any matrix; no recycling."""

    method: Literal["gmres"]
    preconditioner: Preconditioner = "ilu"
    restart: Annotated[int, Field(ge=2, le=1000)] = 40
    max_iterations: Iterations = 10_000
    within: ClassVar[float | None] = 0.3

    def objection(self, problem: Problem) -> Fault | None:
        return needs_symmetry(self.preconditioner, problem) or needs_diagonal(self.method, self.preconditioner, problem)

    def missing(self) -> MissingExtra | None:
        return needs_petsc(f"solver.method {self.method}")

    def seconds(self, problem: Problem, unknowns: int) -> float:
        return krylov_seconds(self.preconditioner, problem, unknowns, per_step=6e-8)

    def memory(self, problem: Problem, unknowns: int) -> float:
        return (400.0 + 8 * self.restart) * unknowns

    def solver(self) -> KrylovSolver:
        from pdemill.solvers import petsc  # late: a spec must not load PETSc

        make = partial(petsc.Krylov, kind="gmres", preconditioner=self.preconditioner, restart=self.restart)
        return KrylovSolver(make, self.rtol, self.max_iterations)


class Iteration(Protocol):
    """A Krylov method set up on one pattern."""

    def solve(
        self, matrix: Matrix, rhs: Array, guess: Array | None, rtol: float, limit: int
    ) -> tuple[Array, Result, int]: ...


class KrylovSolver(Solver[None]):
    """State: none."""

    def __init__(self, make: Callable[[Pattern], Iteration], rtol: float, limit: int) -> None:
        self._make, self._rtol, self._limit = make, rtol, limit
        self._iteration: Iteration | None = None

    def start(self) -> None:
        return None

    def solve(self, system: System, state: None) -> Solution[None]:
        if self._iteration is None:
            self._iteration = self._make(system.matrix.pattern)
        value, result, iterations = self._iteration.solve(
            system.matrix, system.rhs, system.guess, self._rtol, self._limit
        )
        if result in (Result.SINGULAR, Result.NOT_FINITE):
            self._iteration = None  # PETSc goes on failing after a set-up that failed
        return Solution(value, result, Stats(iterations), None)
