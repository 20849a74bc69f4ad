"""One Arnoldi cycle that stays orthogonal to a recycled space, in one compiled call.

A step takes about a tenth of a millisecond; made from Python, its calls would add as much again. Classical Gram-Schmidt
reads the basis once for all inner products and once to subtract.
"""

from __future__ import annotations

from math import hypot, isfinite, sqrt

import numpy as np

from pdemill.points import Array
from pdemill.solvers.compiled import compiled
from pdemill.solvers.krylov.sums import LANES, inner_products, subtract
from pdemill.solvers.operators.product import Handles, Product, check, product

CANCELLED = 0.1
"""A second round of Gram-Schmidt is made when the first leaves less than this part of the norm."""

INVARIANT = 1e-14
"""The space is invariant when a product leaves less than this part of itself outside."""


def arnoldi_cycle(
    operator: Product, W: Array, size: int, handles: Handles, k: int, beta: float, goal: float
) -> tuple[Array, Array, bool]:
    """Extend W (rows: C, v_1, v_2, ...) until the least-squares residual of beta v_1 falls to ``goal``.

    W comes from ``work_rows``; ``handles`` are the library's vectors over the first ``size`` entries of its rows. Rows
    k, k + 1, ... become the orthonormal v_1, v_2, ...; row k must hold v_1 on entry. Returns the coefficients T of
    shape (k + p + 1, p) with A M⁻¹ v_j = Wᵀ T_j, the solution z of min ‖beta e_1 - T[k:] z‖, and whether the space
    became invariant (a lucky or an unlucky breakdown).
    """
    rows, columns = W.shape
    if columns % LANES or not W.flags.c_contiguous:
        raise ValueError("W must come from work_rows")
    W[:, size:] = 0.0  # is added up with the rest, and may be left from a vector that was not finite
    T, z = np.zeros((rows, rows - 1 - k)), np.zeros(rows - 1 - k)
    p, stuck, code = _cycle(operator, W, handles, k, beta, goal, T, z)
    check(code)
    return T[: k + p + 1, :p], z[:p], stuck


@compiled(error_model="numpy")
def _cycle(
    operator: Product, W: Array, handles: Handles, k: int, beta: float, goal: float, T: Array, z: Array
) -> tuple[int, bool, int]:
    steps = len(z)
    coefficients, correction, sums = np.zeros(len(W)), np.zeros(len(W)), np.zeros((len(W), LANES))
    R, g, cosines, sines = np.zeros((steps, steps)), np.zeros(steps + 1), np.zeros(steps), np.zeros(steps)
    g[0] = beta
    p, stuck = 0, False
    while p < steps and not stuck:
        j, row = p, k + p + 1
        code = product(operator, handles[row - 1], handles[row])
        if code != 0:
            return p, True, code
        norm = orthonormalise(W, row, coefficients, correction, sums)
        square = 0.0
        for i in range(row):
            T[i, j] = coefficients[i]
            square += coefficients[i] ** 2
        T[row, j] = norm
        entry = T[k, j]
        for i in range(j):
            below = T[k + i + 1, j]
            R[i, j] = cosines[i] * entry + sines[i] * below
            entry = cosines[i] * below - sines[i] * entry
        length = hypot(entry, norm)
        if length == 0.0:
            return p, True, 0
        cosines[j], sines[j], R[j, j] = entry / length, norm / length, length
        g[j], g[j + 1] = cosines[j] * g[j], -sines[j] * g[j]
        p += 1
        stuck = norm <= INVARIANT * sqrt(square) or not isfinite(norm)
        if abs(g[p]) <= goal:
            break
    for i in range(p - 1, -1, -1):
        total = g[i]
        for j in range(i + 1, p):
            total -= R[i, j] * z[j]
        z[i] = total / R[i, i]
    return p, stuck, 0


@compiled()
def orthonormalise(W: Array, rows: int, coefficients: Array, correction: Array, sums: Array) -> float:
    """Make w, the row after the first rows of W, orthonormal to them.

    Returns its norm before scaling, 0 where nothing is left. ``coefficients`` receives the inner products that were
    subtracted; ``correction`` and ``sums`` are work space.
    """
    inner_products(W, rows, sums, coefficients)
    before = coefficients[rows]
    after = subtract(W, rows, sums, coefficients)
    if after < CANCELLED**2 * before:
        inner_products(W, rows, sums, correction)
        after = subtract(W, rows, sums, correction)
        for i in range(rows):
            coefficients[i] += correction[i]
    norm = sqrt(after)
    if norm > 0.0:
        scale, w = 1.0 / norm, W[rows]
        for j in range(len(w)):
            w[j] *= scale
    return norm
