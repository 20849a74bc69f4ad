"""Which vectors to keep of a symmetric operator: Ritz vectors of the smallest Ritz values."""

from __future__ import annotations

import numpy as np

from pdemill.points import Array

DEPENDENT = 1e-10
"""Directions whose squared length is below this part of the largest are combinations of the others."""


def restart_vectors(T: Array, k: int, last: int = 1) -> tuple[Array, Array]:
    """Orthonormal Y whose columns hold the k smallest Ritz vectors of T and of T without its ``last`` rows and columns,
    rotated so that YᵀT Y is diagonal; and that diagonal."""
    now = np.linalg.eigh(T)[1][:, :k]
    before = np.zeros_like(now)
    before[:-last] = np.linalg.eigh(T[:-last, :-last])[1][:, :k]
    rest = before - now @ (now.T @ before)
    left, size, _ = np.linalg.svd(rest, full_matrices=False)
    Q = np.linalg.qr(np.hstack([now, left[:, size > 1e-6]]))[0]
    values, rotation = np.linalg.eigh(Q.T @ T @ Q)
    return Q @ rotation, values


def smallest_ritz(theta: Array, T: Array, mu: Array, k: int) -> Array:
    """Coefficients, a column for each of at most k vectors, of the smallest Ritz vectors in [U, V].

    For rows U with U A Uᵀ = I and U M Uᵀ = diag(1 / θ); V M-orthonormal and M-orthogonal to U, V A Uᵀ = mu and
    V A Vᵀ = T + mu muᵀ.
    """
    scaled = mu * np.sqrt(theta)
    F = np.block([[np.diag(theta), scaled.T], [scaled, T + mu @ mu.T]])
    vectors = np.linalg.eigh(F)[1][:, :k]
    vectors[: len(theta)] *= np.sqrt(theta)[:, None]
    return np.asarray(vectors)


def whitening(F: Array) -> Array:
    """Columns Y with YᵀF Y = I; fewer than there are rows where F is singular or not positive."""
    values, directions = np.linalg.eigh((F + F.T) / 2)
    useful = values > DEPENDENT * values[-1]
    return np.asarray(directions[:, useful] / np.sqrt(values[useful]))
