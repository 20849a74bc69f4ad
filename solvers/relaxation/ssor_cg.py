"""Conjugate gradients with M = ω / (2 - ω) (D / ω + L) D⁻¹ (D / ω + U), or with incomplete factors."""

from __future__ import annotations

from typing import Literal

import numpy as np

from pdemill.points import Array
from pdemill.solvers.krylov.conjugate import Ending, cg_steps
from pdemill.solvers.krylov.sums import work_rows
from pdemill.solvers.krylov.triangular import TriangularPreconditioned
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.operators.system import Matrix, Pattern
from pdemill.solvers.solution import Result

MISSES = 3
"""So often the true residual may contradict the one of the recurrence."""


class SsorCg:
    """Axelsson 1972, BIT 12; the preconditioner is definite for 0 < ω < 2 wherever the diagonal is positive.
    With ``icc`` ω means nothing, and matrices whose factors do not exist are singular to it."""

    def __init__(self, pattern: Pattern, preconditioner: Literal["ssor", "icc"] = "ssor") -> None:
        self._operator, size = TriangularPreconditioned(pattern, preconditioner), pattern.size
        self._size, self._images, self._vectors = size, work_rows(2, size), work_rows(2, size)
        self._x = work_rows(1, size)[0]
        rows = [*self._images[:, :size], *self._vectors[:, :size]]
        self._handles = self._operator.handles(rows)

    def solve(
        self, matrix: Matrix, rhs: Array, guess: Array | None, omega: float, rtol: float, limit: int
    ) -> tuple[Array, Result, int]:
        """u with ‖b - A u‖ <= rtol ‖b‖, how it ended, and the iterations."""
        size, goal, used = self._size, rtol * two_norm(rhs), 0
        if not np.isfinite(matrix.values).all() or not np.isfinite(goal):
            return np.full_like(rhs, np.nan), Result.NOT_FINITE, 0
        if not self._operator.load(matrix, omega):
            return np.full_like(rhs, np.nan), Result.SINGULAR, 0
        self._x[:] = 0.0
        self._x[:size] = 0.0 if guess is None else guess
        for _ in range(MISSES + 1):
            u = self._x[:size].copy()
            r = self._operator.residual(u, rhs)
            if two_norm(r) <= goal:
                return u, Result.CONVERGED, used
            self._images[:], self._vectors[:] = 0.0, 0.0
            self._images[0, :size] = r
            steps, ending = cg_steps(
                self._operator.product, self._images, self._vectors, self._handles, self._x, np.zeros(3), None,
                0.98 * goal, limit - used,
            )  # fmt: skip
            used += steps
            if ending is not Ending.REACHED:
                return self._x[:size].copy(), _ENDINGS[ending], used
        return self._x[:size].copy(), Result.MISSED_TOLERANCE, used


_ENDINGS = {
    Ending.PAUSED: Result.MAX_ITERATIONS, Ending.INDEFINITE: Result.BREAKDOWN, Ending.NOT_FINITE: Result.NOT_FINITE,
}  # fmt: skip
