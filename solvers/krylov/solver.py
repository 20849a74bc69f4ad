"""Recycling behind the contract of all solvers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from solvers.krylov.basis import Basis, RightPreconditioned
from solvers.krylov.gcrodr import gcrodr
from solvers.krylov.space import RecycleSpace
from solvers.operators.system import Pattern, System
from solvers.solution import Result, Solution, Solver, Stats


class SkrSolver(Solver[RecycleSpace | None]):
    """State: the recycled space, or none before the first system and after a failure."""

    def __init__(
        self, make: Callable[[Pattern], RightPreconditioned], restart: int, recycle: int, rtol: float, limit: int
    ) -> None:
        self._make, self._restart, self._recycle, self._rtol, self._limit = make, restart, recycle, rtol, limit
        self._parts: tuple[RightPreconditioned, Basis] | None = None

    def start(self) -> None:
        return None

    def solve(self, system: System, state: RecycleSpace | None) -> Solution[RecycleSpace | None]:
        matrix = system.matrix
        if self._parts is None:
            operator = self._make(matrix.pattern)
            self._parts = operator, Basis(operator, matrix.pattern.size, self._restart, self._recycle)
        operator, basis = self._parts
        if not operator.load(matrix):
            return Solution(np.full_like(system.rhs, np.nan), Result.SINGULAR, Stats(), None)
        rhs, rtol = system.rhs, self._rtol
        if system.guess is not None:
            rhs = operator.residual(system.guess, system.rhs)
            rtol *= float(np.linalg.norm(system.rhs) / np.linalg.norm(rhs))
        value, result, iterations, space = gcrodr(operator, matrix, rhs, state, basis, rtol, self._limit)
        if system.guess is not None:
            value = value + system.guess
        return Solution(value, result, Stats(iterations), space)
