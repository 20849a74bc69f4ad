"""Algebraic multigrid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Protocol

from pydantic import Field

from pdemill.errors import Fault, MissingExtra
from pdemill.points import Array
from pdemill.solvers.installed import needs_petsc
from pdemill.solvers.methods.gmres import Iteration
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.solvers.solution import Result, Solution, Solver, Stats
from pdemill.spec.method import LinearMethod
from pdemill.spec.model import AsNumber
from pdemill.spec.problem import Problem


class Amg(LinearMethod):
    """Conjugate gradients with algebraic multigrid by smoothed aggregation, Vaněk, Mandel, Brezina 1996, by PETSc
    (GAMG), on grids and meshes. Symmetric positive definite matrices only.

    The interpolation is made from the first matrix of a shard and kept for the next ones, for which only the coarse
    matrices are made anew; it is made again from the next matrix when a solve takes more than ``rebuild`` times the
    iterations that the matrix it was made from took, and at once for a matrix that it fails.
    """

    method: Literal["amg"]
    rebuild: Annotated[float, Field(ge=1, le=1000), AsNumber] = 1.5
    max_iterations: Annotated[int, Field(ge=1)] = 1000
    within: ClassVar[float | None] = 0.3

    @classmethod
    def candidates(cls, problem: Problem, unknowns: int) -> Sequence[Mapping[str, Any]]:
        return ({},)

    def objection(self, problem: Problem) -> Fault | None:
        if problem.symmetric and problem.definite:
            return None
        missed = "is not" if not problem.symmetric else "may not be"
        return Fault(
            ("method",),
            f"amg needs a symmetric definite operator, and that of {problem.family} {missed}: use direct or gmres",
        )

    def missing(self) -> MissingExtra | None:
        return needs_petsc(f"solver.method {self.method}")

    def seconds(self, problem: Problem, unknowns: int) -> float:
        fixed = problem.properties.constant
        each = 2.8e-7 if fixed else 3.9e-7 if problem.dimension < 3 else 7e-7
        return float(3e-5 + each * unknowns + (1.2e-9 if fixed else 1.9e-9) * unknowns**1.5)

    def solver(self) -> AmgSolver:
        from pdemill.solvers import petsc  # late: a spec must not load PETSc

        return AmgSolver(petsc.Amg, self.rebuild, self.rtol, self.max_iterations)


@dataclass(frozen=True)
class Interpolation:
    """The matrix that an interpolation was made from, and the iterations that it took with it."""

    matrix: Matrix
    iterations: int


class Hierarchy(Iteration, Protocol):
    """An iteration whose interpolation is made from one matrix, ``made``, and used for those that follow."""

    made: Matrix | None

    def make(self, matrix: Matrix) -> None: ...


class AmgSolver(Solver[Interpolation | None]):
    """State: the interpolation to go on with, or none where the next matrix should get its own. It is told by its
    matrix, from which it is made again where it is not at hand: a solve depends on system and state alone."""

    def __init__(self, make: Callable[[Pattern], Hierarchy], rebuild: float, rtol: float, limit: int) -> None:
        self._make, self._rebuild, self._rtol, self._limit = make, rebuild, rtol, limit
        self._hierarchy: Hierarchy | None = None

    def start(self) -> None:
        return None

    def solve(self, system: System, state: Interpolation | None) -> Solution[Interpolation | None]:
        before = 0
        if state is not None:
            value, result, before = self._iterate(system, state.matrix)
            if result.ok or state.matrix is system.matrix:
                worn = state.matrix is not system.matrix and before > self._rebuild * state.iterations
                return Solution(value, result, Stats(before), None if worn or not result.ok else state)
        value, result, iterations = self._iterate(system, system.matrix)
        fresh = Interpolation(system.matrix, max(iterations, 1)) if result.ok else None
        return Solution(value, result, Stats(before + iterations), fresh)

    def _iterate(self, system: System, origin: Matrix) -> tuple[Array, Result, int]:
        """Solve with the interpolation of ``origin``."""
        pattern = system.matrix.pattern
        if self._hierarchy is None:
            self._hierarchy = self._make(pattern)
        if self._hierarchy.made is not origin:
            self._hierarchy.make(origin)
        found = self._hierarchy.solve(system.matrix, system.rhs, system.guess, self._rtol, self._limit)
        if not found[1].ok:
            self._hierarchy = None  # PETSc goes on failing after a set-up that failed
        return found
