"""Right-hand sides to train on, from the Ritz vectors of a matrix."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from pdemill.points import Array

LOW, STRESS = 0.55, 9.0
"""The part of the Ritz vectors, those of the smallest values, that weighs more, and by how much: the paper's."""
ZERO = 1e-8
"""Ritz values below this part of the largest are those of a null space."""


def ritz_vectors(matrix: csr_array, kept: Array, steps: int, rng: np.random.Generator) -> Array:
    """Ritz vectors [vectors, n] after so many Lanczos steps with full reorthogonalisation, from A times random numbers,
    those of the smallest values first; ``kept`` is 1 in the domain."""
    v = matrix @ (kept * rng.standard_normal(len(kept)))
    Q, alphas, betas = [v / np.linalg.norm(v)], [], []
    for _ in range(steps):
        w = matrix @ Q[-1]
        alphas.append(float(w @ Q[-1]))
        basis = np.stack(Q)
        for _ in range(2):
            w = w - basis.T @ (basis @ w)
        betas.append(float(np.linalg.norm(w)))
        if betas[-1] <= 1e-10 * max(alphas):
            break
        Q.append(w / betas[-1])
    count = len(alphas)
    values, rotation = np.linalg.eigh(
        np.diag(alphas) + np.diag(betas[: count - 1], 1) + np.diag(betas[: count - 1], -1)
    )
    good = values > ZERO * values[-1]
    return np.asarray((rotation.T[good] @ np.stack(Q[:count])), np.float32)


def mixture(vectors: Array, rng: np.random.Generator) -> Array:
    """A combination with normal weights, ``STRESS`` times as large for the smallest values, of length 1."""
    weights = rng.standard_normal(len(vectors)).astype(np.float32)
    weights[: int(LOW * len(vectors))] *= STRESS
    found = weights @ vectors
    return np.asarray(found / np.linalg.norm(found))
