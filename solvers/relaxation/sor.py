"""Successive over-relaxation as a solver."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.compiled import compiled
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.operators.system import Matrix, Pattern
from pdemill.solvers.solution import Result

MISSES = 3
"""So often the true residual may contradict the one of the recurrence."""
GROWTH = 1e6
"""A residual that has grown so much does not come back: the matrix is not definite."""


class Sor:
    """(D / ω + L) δ = r, u ← u + δ, in the order of the unknowns; converges for every symmetric definite matrix and
    0 < ω < 2 (Ostrowski 1954)."""

    def __init__(self, pattern: Pattern) -> None:
        self._pattern, self._diagonals = pattern, pattern.diagonals.astype(np.int32)

    def solve(
        self, matrix: Matrix, rhs: Array, guess: Array | None, omega: float, rtol: float, limit: int
    ) -> tuple[Array, Result, int]:
        """u with ‖b - A u‖ <= rtol ‖b‖, how it ended, and the iterations."""
        values, pattern = matrix.values, self._pattern
        u = np.zeros_like(rhs) if guess is None else guess.copy()
        goal, used = rtol * two_norm(rhs), 0
        if not np.isfinite(values).all() or not np.isfinite(goal):
            return np.full_like(rhs, np.nan), Result.NOT_FINITE, 0
        if not values[self._diagonals].all():
            return np.full_like(rhs, np.nan), Result.SINGULAR, 0
        for _ in range(MISSES + 1):
            r = np.asarray(rhs - matrix.sparse() @ u)
            if two_norm(r) <= goal:
                return u, Result.CONVERGED, used
            if used >= limit:
                return u, Result.MAX_ITERATIONS, used
            used += _sweeps(
                pattern.indptr, pattern.indices, values, self._diagonals, omega, u, r, 0.98 * goal, limit - used
            )
            if not np.isfinite(u).all():
                return u, Result.BREAKDOWN, used
        return u, Result.MISSED_TOLERANCE, used


@compiled(error_model="numpy")
def _sweeps(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    values: Array,
    diagonals: NDArray[np.int32],
    omega: float,
    u: Array,
    r: Array,
    goal: float,
    limit: int,
) -> int:
    """Sweep until ‖r‖ <= goal; returns the sweeps. r - A δ = -((1 - 1 / ω) D + U) δ, so that a sweep reads every entry
    once."""
    n, delta, sweeps = len(r), np.empty_like(r), 0
    first = 0.0
    for i in range(n):
        first += r[i] * r[i]
    while sweeps < limit:
        for i in range(n):
            total = r[i]
            for p in range(indptr[i], diagonals[i]):
                total -= values[p] * delta[indices[p]]
            delta[i] = omega * total / values[diagonals[i]]
            u[i] += delta[i]
        square = 0.0
        for i in range(n):
            total = (1.0 / omega - 1.0) * values[diagonals[i]] * delta[i]
            for p in range(diagonals[i] + 1, indptr[i + 1]):
                total -= values[p] * delta[indices[p]]
            r[i] = total
            square += total * total
        sweeps += 1
        if square <= goal * goal:
            break
        if not square <= GROWTH * GROWTH * first:
            u[:] = np.nan
            break
    return sweeps
