"""Which vectors to keep: harmonic Ritz vectors of the smallest harmonic Ritz values."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eig, solve

from pdemill.points import Array


def from_arnoldi(H: Array, k: int) -> Array:
    """k columns P that span the harmonic Ritz vectors of an Arnoldi relation A V_m = V_{m+1} H.

    H has shape (m + 1, m). (H_m + h^2 H_m^-T e_m e_m^T) z = theta z, smallest |theta|
    (Parks et al. 2006, "Recycling Krylov subspaces for sequences of linear systems", equation 2.3).
    """
    m = H.shape[1]
    square, last = H[:m], H[m, m - 1]
    tail = np.zeros(m)
    tail[-1] = last**2
    rank_one = np.outer(solve(square.T, tail), np.eye(m)[-1])
    values, vectors = eig(square + rank_one)
    return _smallest(values, vectors, k)


def from_recycled(G: Array, projection: Array, k: int) -> Array:
    """k columns P that span the harmonic Ritz vectors of A V = W G with orthonormal W, projection = W^T V.

    G^T G z = theta G^T (W^T V) z, smallest |theta| (Parks et al. 2006, section 2.4, step "GCRO-DR").
    """
    values, vectors = eig(G.T @ G, G.T @ projection)
    return _smallest(values, vectors, k)


def _smallest(values: Array, vectors: Array, k: int) -> Array:
    """A real orthonormal basis of the eigenvectors of the k smallest values; conjugate pairs stay together."""
    size = np.where(np.isfinite(values), np.abs(values), np.inf)
    columns: list[Array] = []
    for index in np.argsort(size, kind="stable"):
        if len(columns) >= k or not np.isfinite(size[index]):
            break
        vector = vectors[:, index]
        if values[index].imag > 0 or (values[index].imag == 0):
            columns.append(vector.real)
        if values[index].imag > 0 and len(columns) < k:
            columns.append(vector.imag)
    return np.linalg.qr(np.stack(columns, axis=1))[0]
