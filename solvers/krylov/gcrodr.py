"""GCRO-DR: GMRES with deflated restarts whose deflation space is carried to the next system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.linalg import solve_triangular

from pdemill.points import Array
from solvers.krylov.arnoldi import arnoldi_cycle
from solvers.krylov.harmonic import from_arnoldi, from_recycled
from solvers.operators.system import Matrix
from solvers.solution import Result

DRIFT = 1e-10
"""Largest departure of C C^T from the identity that is left alone."""


@dataclass(frozen=True, eq=False)
class RecycleSpace:
    """Rows of U span the recycled space in the preconditioned variable y (x = M^-1 y), and A M^-1 U^T = C^T with
    orthonormal rows of C holds for ``matrix``; for another matrix only the span of U is used."""

    U: Array
    C: Array
    matrix: Matrix


class RightPreconditioned(Protocol):
    """What the method needs of a matrix and its preconditioner."""

    def load(self, matrix: Matrix) -> bool: ...
    def apply(self, y: Array, out: Array) -> None: ...
    def precondition(self, y: Array) -> Array: ...
    def residual(self, x: Array, b: Array) -> Array: ...


def gcrodr(
    operator: RightPreconditioned,
    matrix: Matrix,
    b: Array,
    space: RecycleSpace | None,
    W: Array,
    k: int,
    rtol: float,
    limit: int,
) -> tuple[Array, Result, int, RecycleSpace | None]:
    """Solve A x = b to ||b - A x|| <= rtol ||b||, starting from the recycled space.

    Parks, de Sturler, Mackey, Johnson, Maiti 2006, SIAM J. Sci. Comput. 28(5), appendix, algorithm GCRO-DR(m, k),
    with right preconditioning. W is work space with m + 1 rows; a cycle spans m vectors, k of them recycled.
    Returns x, how it ended, the number of products with A, and the space for the next system.
    """
    goal = rtol * float(np.linalg.norm(b))
    used = 0
    y, r = np.zeros_like(b), b.copy()
    if space is not None:
        if space.matrix is not matrix:
            space = _carry(operator, matrix, space)
            used += len(space.U) if space else 0
        if space is not None:
            y, r = _project(space, y, r)
    while True:
        norm = float(np.linalg.norm(r))
        if not np.isfinite(norm):
            return y, Result.NOT_FINITE, used, None
        if norm <= goal:
            x = operator.precondition(y)
            r = operator.residual(x, b)
            if np.linalg.norm(r) <= goal:
                return x, Result.CONVERGED, used, space
            if space is not None:
                y, r = _project(space, y, r)
            norm = float(np.linalg.norm(r))
        if used >= limit:
            return operator.precondition(y), Result.MAX_ITERATIONS, used, space
        kept = len(space.U) if space is not None else 0
        if space is not None:
            W[:kept] = space.C
        np.multiply(r, 1.0 / norm, out=W[kept])
        T, z, stuck = arnoldi_cycle(operator.apply, W, kept, norm, 0.95 * goal)
        p = len(z)
        used += p
        y = y + z @ W[kept : kept + p]
        if space is not None:
            y -= (T[:kept] @ z) @ space.U
        left = -(T[kept:] @ z)
        left[0] += norm
        r = left @ W[kept : kept + p + 1]
        if k and not stuck and kept + p > k:
            space = _refresh(matrix, space, W[: kept + p + 1], T, k)
            y, r = _project(space, y, r)
        if stuck and np.linalg.norm(r) > goal:
            x = operator.precondition(y)
            return x, Result.BREAKDOWN, used, None


def _project(space: RecycleSpace, y: Array, r: Array) -> tuple[Array, Array]:
    """Remove from the residual what the recycled space can: y + U C r, r - C^T C r."""
    share = space.C @ r
    return y + share @ space.U, r - share @ space.C


def _carry(operator: RightPreconditioned, matrix: Matrix, space: RecycleSpace) -> RecycleSpace | None:
    """The same span for another matrix: C^T R = A M^-1 U^T by QR, U <- R^-T U."""
    U = np.linalg.qr(space.U.T)[0].T.copy()
    image = np.empty_like(U)
    for row, out in zip(U, image, strict=True):
        operator.apply(row, out)
    return _orthonormal(matrix, U, image)


def _orthonormal(matrix: Matrix, U: Array, image: Array) -> RecycleSpace | None:
    Q, R = np.linalg.qr(image.T)
    size = np.abs(np.diag(R))
    if not np.isfinite(size).all() or size.min() <= 1e-14 * size.max():
        return None
    return RecycleSpace(solve_triangular(R.T, U, lower=True), np.ascontiguousarray(Q.T), matrix)


def _refresh(matrix: Matrix, space: RecycleSpace | None, W: Array, T: Array, k: int) -> RecycleSpace:
    """Keep the k harmonic Ritz vectors of smallest value out of the recycled space and the new Krylov space.

    With V = [U D, v_1 .. v_p] (D scales the rows of U to length one) and W = [C, v_1 .. v_{p+1}] the cycle has
    A M^-1 V = W G, G = [[D, B], [0, H]]. New U = V P R^-1 and C = W Q with Q R = G P.
    """
    p = T.shape[1]
    if space is None:
        V, G = W[:p], T
        P = from_arnoldi(G, k)
    else:
        kept = len(space.U)
        scale = 1.0 / np.linalg.norm(space.U, axis=1)
        V = np.concatenate([scale[:, None] * space.U, W[kept : kept + p]])
        G = np.zeros((kept + p + 1, kept + p))
        G[:kept, :kept] = np.diag(scale)
        G[:, kept:] = T
        projection = np.zeros_like(G)
        projection[:, :kept] = W @ V[:kept].T
        projection[kept : kept + p, kept:] = np.eye(p)
        P = from_recycled(G, projection, k)
    Q, R = np.linalg.qr(G @ P)
    U = solve_triangular(R.T, P.T @ V, lower=True)
    C = Q.T @ W
    if np.abs(C @ C.T - np.eye(len(C))).max() > DRIFT:
        Q, R = np.linalg.qr(C.T)
        C, U = np.ascontiguousarray(Q.T), solve_triangular(R.T, U, lower=True)
    return RecycleSpace(U, C, matrix)
