"""Sparse direct solution by MUMPS."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

from pdemill.points import Array
from pdemill.spec.method import LinearMethod
from pdemill.spec.problem import Problem
from solvers.operators.system import Matrix, Pattern, System
from solvers.solution import Result, Solution, Solver, Stats

LARGEST_FACTOR = 250_000
"""Unknowns above which the factors of a 3D matrix do not fit a worker."""


class Direct(LinearMethod):
    """Cholesky, LDL^T or LU factorisation by MUMPS (Amestoy et al. 2001), through PETSc.

    The pattern is analysed once per shard; a matrix that does not change is factorised once. Work grows as
    n^(3/2) in 2D and n^2 in 3D.
    """

    method: Literal["direct"]

    @classmethod
    def candidates(cls, problem: Problem, unknowns: int) -> Sequence[Mapping[str, Any]]:
        return ({},) if problem.dimension < 3 or unknowns <= LARGEST_FACTOR else ()

    def seconds(self, problem: Problem, unknowns: int) -> float:
        if problem.properties.constant:
            return float(1e-4 + 1.4e-7 * unknowns if problem.dimension < 3 else 5e-8 * unknowns ** (4 / 3))
        if problem.dimension < 3:
            return float(2e-4 + 2.6e-7 * unknowns + 2.3e-9 * unknowns**1.5)
        return 3.4e-10 * unknowns**2

    def solver(self) -> DirectSolver:
        from solvers import petsc  # late: a spec must not load PETSc

        return DirectSolver(petsc.Direct)


class Factorisation(Protocol):
    """Factors of one matrix after another, on one pattern."""

    def solve(self, matrix: Matrix, rhs: Array) -> tuple[Array, Result]: ...


class DirectSolver(Solver[None]):
    """State: none; factors are kept inside and hold no history that changes a result."""

    def __init__(self, make: Callable[[Pattern], Factorisation]) -> None:
        self._make = make
        self._factors: Factorisation | None = None
        self._pattern: Pattern | None = None

    def start(self) -> None:
        return None

    def solve(self, system: System, state: None) -> Solution[None]:
        if self._factors is None or self._pattern is not system.matrix.pattern:
            self._factors, self._pattern = self._make(system.matrix.pattern), system.matrix.pattern
        value, result = self._factors.solve(system.matrix, system.rhs)
        return Solution(value, result, Stats(), None)
