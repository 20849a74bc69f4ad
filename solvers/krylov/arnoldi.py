"""One Arnoldi cycle that stays orthogonal to a recycled space."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pdemill.points import Array

SAFETY = 0.7
"""A second Gram-Schmidt pass is made when the first one shrinks the vector below this factor."""


def arnoldi_cycle(
    apply: Callable[[Array, Array], None], W: Array, k: int, beta: float, goal: float
) -> tuple[Array, Array, bool]:
    """Extend W (rows: C, v_1, v_2, ...) until the least-squares residual of beta v_1 falls to ``goal``.

    Rows k, k + 1, ... of W become the orthonormal v_1, v_2, ...; row k must hold v_1 on entry. Returns the
    coefficients T of shape (k + p + 1, p) with A v_j = W^T T_j, the solution y of min ||beta e_1 - T[k:] y||,
    and whether the space became invariant (a lucky or an unlucky breakdown).
    """
    steps = W.shape[0] - 1 - k
    T = np.zeros((W.shape[0], steps))
    R = np.zeros((steps, steps))
    g = np.zeros(steps + 1)
    g[0] = beta
    rotations = np.zeros((steps, 2))
    for j in range(steps):
        row = k + j + 1
        apply(W[row - 1], W[row])
        norm, coefficients = _orthogonalise(W[:row], W[row])
        T[:row, j] = coefficients
        T[row, j] = norm
        column = T[k : row + 1, j].copy()
        for i, (c, s) in enumerate(rotations[:j]):
            column[i], column[i + 1] = c * column[i] + s * column[i + 1], c * column[i + 1] - s * column[i]
        length = float(np.hypot(column[j], column[j + 1]))
        stuck = norm <= 1e-14 * np.linalg.norm(coefficients) or length == 0.0
        c, s = (column[j] / length, column[j + 1] / length) if length else (1.0, 0.0)
        rotations[j] = c, s
        R[:j, j], R[j, j] = column[:j], length
        g[j + 1], g[j] = -s * g[j], c * g[j]
        if abs(g[j + 1]) <= goal or stuck or not np.isfinite(norm):
            steps = j + 1
            break
    else:
        stuck = False
    p = steps
    regular = np.abs(np.diag(R)[:p]) > 0
    y = np.linalg.solve(R[:p, :p], g[:p]) if regular.all() else np.zeros(p)
    return T[: k + p + 1, :p], y, bool(stuck or not regular.all())


def _orthogonalise(basis: Array, w: Array) -> tuple[float, Array]:
    """Make w orthonormal to the rows of ``basis`` in place; its norm before scaling, and its coefficients."""
    before = np.linalg.norm(w)
    coefficients = basis @ w
    w -= coefficients @ basis
    norm = np.linalg.norm(w)
    if norm < SAFETY * before:
        correction = basis @ w
        w -= correction @ basis
        coefficients += correction
        norm = np.linalg.norm(w)
    if norm > 0:
        w /= norm
    return float(norm), coefficients
