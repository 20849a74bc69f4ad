"""Rows made orthonormal together."""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, solve_triangular

from pdemill.points import Array
from pdemill.solvers.krylov.combining import combine

DRIFT = 1e-10
"""Largest departure of C Cᵀ from the identity that is left alone; a refresh may triple it."""


def has_drifted(C: Array) -> bool:
    """Whether C Cᵀ departs from the identity, judged by its action on one vector of signs."""
    probe = np.where(np.arange(len(C)) % 3 == 1, -1.0, 1.0)
    return bool(np.abs(C @ (probe @ C) - probe).max() > DRIFT)


def orthonormalise(C: Array, U: Array) -> bool:
    """Make the rows of C orthonormal and change U in the same way, in place; False when they are dependent.

    Cholesky factors of C Cᵀ until that is the identity, which for a small drift is one cheap pass; else QR.
    """
    if len(C) > C.shape[1]:
        return False
    unit = np.eye(len(C))
    for _ in range(3):
        gram = C @ C.T
        if np.abs(gram - unit).max() <= 1e-2 * DRIFT:
            return True
        try:
            inverse = solve_triangular(np.linalg.cholesky(gram), unit, lower=True)
        except LinAlgError:
            break
        combine(C, inverse)
        combine(U, inverse)
    Q, R = np.linalg.qr(C.T)
    size = np.abs(np.diag(R))
    if not np.isfinite(size).all() or size.min() <= 1e-14 * size.max():
        return False
    C[:] = Q.T
    combine(U, solve_triangular(R.T, unit, lower=True))
    return True
