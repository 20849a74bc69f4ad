"""GCRO-DR(m, k) as it stands in the paper, on dense matrices: the kernel is tested against it.

Parks, de Sturler, Mackey, Johnson, Maiti 2006, SIAM J. Sci. Comput. 28(5), appendix. No preconditioner.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eig

from pdemill.points import Array


def plain_gcrodr(A: Array, b: Array, U: Array | None, m: int, k: int, rtol: float) -> tuple[Array, int, Array]:
    """x, the products with A, and U (columns) for the next system, whose images are computed anew."""
    x, r, products = np.zeros_like(b), b.copy(), 0
    C = np.empty((len(b), 0))
    if U is None:
        U = C
    else:
        C, R = np.linalg.qr(A @ np.linalg.qr(U)[0])
        U = np.linalg.qr(U)[0] @ np.linalg.inv(R)
        products += U.shape[1]
        x, r = U @ (C.T @ r), r - C @ (C.T @ r)
    while np.linalg.norm(r) > rtol * np.linalg.norm(b):
        kept = C.shape[1]
        V, H, B, z = arnoldi(A, C, r, m - kept, 0.98 * rtol * float(np.linalg.norm(b)))
        p = len(z)
        products += p
        x = x + V[:, :p] @ z - U @ (B @ z)
        r = b - A @ x
        D = np.diag(1.0 / np.linalg.norm(U, axis=0))
        hat, W = np.hstack([U @ D, V[:, :p]]), np.hstack([C, V])
        G = np.block([[D, B], [np.zeros((p + 1, kept)), H]])
        if G.shape[1] <= k:
            continue
        values, vectors = eig(G.T @ G, G.T @ W.T @ hat)
        columns: list[Array] = []
        for i in np.argsort(np.abs(values), kind="stable"):
            if values[i].imag >= 0:
                columns.append(vectors[:, i].real)
            if values[i].imag > 0:
                columns.append(vectors[:, i].imag)
        P = np.stack(columns[:k], axis=1)
        Q, R = np.linalg.qr(G @ P)
        C, U = W @ Q, hat @ P @ np.linalg.inv(R)
    return x, products, U


def arnoldi(A: Array, C: Array, r: Array, steps: int, goal: float) -> tuple[Array, Array, Array, Array]:
    """V, H, B with (I - C Cᵀ) A V_p = V H and B = Cᵀ A V_p, and z of min ‖‖r‖ e_1 - H z‖."""
    beta = np.linalg.norm(r)
    V = np.zeros((len(r), steps + 1))
    H, B = np.zeros((steps + 1, steps)), np.zeros((C.shape[1], steps))
    V[:, 0] = r / beta
    for j in range(steps):
        w = A @ V[:, j]
        for _ in range(2):
            share = C.T @ w
            B[:, j] += share
            w = w - C @ share
            share = V[:, : j + 1].T @ w
            H[: j + 1, j] += share
            w = w - V[:, : j + 1] @ share
        H[j + 1, j] = np.linalg.norm(w)
        V[:, j + 1] = w / H[j + 1, j]
        e = np.zeros(j + 2)
        e[0] = beta
        z = np.linalg.lstsq(H[: j + 2, : j + 1], e, rcond=None)[0]
        if np.linalg.norm(e - H[: j + 2, : j + 1] @ z) <= goal:
            break
    p = len(z)
    return V[:, : p + 1], H[: p + 1, :p], B[:, :p], z
