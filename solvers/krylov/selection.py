"""Which vectors to keep: harmonic Ritz vectors of the smallest values, or singular vectors.

For definite matrices singular vectors are nearly as good, and choosing them costs half as much: no eigenproblem, and no
inner products of the long vectors. For waves, with many eigenvalues of both signs near zero, the iterations with them
are half as many again (351 and 541).
"""

from __future__ import annotations

import numpy as np

from pdemill.points import Array

NEGLIGIBLE = 1e-13
"""Directions whose singular value is below this part of the largest are null vectors and not worth keeping."""

DEPENDENT = 1e-8
"""Directions of V whose squared length is below this part of the largest are combinations of the others."""


def harmonic_vectors(G: Array, overlap: Array, kept: int, k: int) -> tuple[Array, Array, Array] | None:
    """P, Q and σ of at most k columns with G P = Q, QᵀQ = I and orthogonal columns of V P of length 1 / σ.

    A M⁻¹ V = W G with W = [C, v_1 .. v_{p+1}] orthonormal, V = [Û, v_1 .. v_p] with ``kept`` columns of Û, orthonormal
    as well, and overlap = WᵀV. V P spans the harmonic Ritz vectors of the smallest values, Gᵀ G z = θ Gᵀ WᵀV z (Parks
    et al. 2006, section 2.4, step "GCRO-DR"); σ are the singular values of A M⁻¹ on that span. None where a number is
    not finite.
    """
    if not (np.isfinite(G).all() and np.isfinite(overlap).all()):
        return None
    gram = np.eye(G.shape[1])
    gram[kept:, :kept] = overlap[kept:-1, :kept]
    gram[:kept, kept:] = gram[kept:, :kept].T
    Z = orthonormal_columns(gram)
    left, sigma, right = np.linalg.svd(G @ Z, full_matrices=False)
    useful = sigma > NEGLIGIBLE * sigma[0]
    left, sigma, Z = left[:, useful], sigma[useful], Z @ right[useful].T
    inverses, vectors = np.linalg.eig((left.T @ overlap @ Z) / sigma[:, None])
    X = _real_basis(inverses, vectors, k)
    turned, sigma, right = np.linalg.svd(sigma[:, None] * X, full_matrices=False)
    return Z @ (X @ (right.T / sigma)), left @ turned, sigma


def singular_vectors(G: Array, k: int) -> tuple[Array, Array, Array] | None:
    """P, Q and σ of at most k columns with G P = Q and QᵀQ = I: the smallest singular triplets of G.

    None where a number is not finite.
    """
    if not np.isfinite(G).all():
        return None
    left, sigma, right = np.linalg.svd(G, full_matrices=False)
    useful = np.flatnonzero(sigma > NEGLIGIBLE * sigma[0])[::-1][:k]
    return right[useful].T / sigma[useful], left[:, useful], sigma[useful]


def orthonormal_columns(gram: Array) -> Array:
    """Columns Z such that V Z is orthonormal, for gram = VᵀV; fewer where V is dependent."""
    lengths, directions = np.linalg.eigh(gram)
    independent = lengths > DEPENDENT * lengths[-1]
    return np.asarray(directions[:, independent] / np.sqrt(lengths[independent]))


def _real_basis(inverses: Array, vectors: Array, k: int) -> Array:
    """An orthonormal basis of the eigenvectors of the k largest 1/θ; conjugate pairs stay together where they fit."""
    columns: list[Array] = []
    for index in np.argsort(-np.abs(inverses), kind="stable"):
        if len(columns) >= k:
            break
        if inverses[index].imag >= 0:
            columns.append(vectors[:, index].real)
        if inverses[index].imag > 0 and len(columns) < k:
            columns.append(vectors[:, index].imag)
    return np.linalg.qr(np.stack(columns, axis=1))[0]
