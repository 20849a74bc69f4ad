"""Small matrices of block iterations: factors of Gram matrices whose vectors may be dependent."""

from __future__ import annotations

from math import isfinite, sqrt

import numpy as np

from pdemill.points import Array
from pdemill.solvers.compiled import compiled

DEPENDENT = 1e-14
"""A vector is dropped when less than this part of its square is new beside those before it."""


@compiled(error_model="numpy")
def factor(W: Array, S: Array, T: Array) -> tuple[int, float]:
    """W = SᵀS for the Gram matrix W of some vectors, and T with which V T are orthonormal, by pivots; both have zeros
    where vectors are dropped.

    Returns how many are independent, and the smallest part of a square that was new; -1 where W is not that of a
    positive inner product, or not finite.
    """
    n = len(W)
    scale, left, L, order = np.zeros(n), np.zeros(n), np.zeros((n, n)), np.zeros(n, np.intp)
    S[:] = 0.0
    T[:] = 0.0
    for i in range(n):
        if not isfinite(W[i, i]) or W[i, i] < 0.0:
            return -1, 0.0
        if W[i, i] > 0.0:
            scale[i], left[i] = 1.0 / sqrt(W[i, i]), 1.0
    rank, last = 0, 1.0
    while rank < n:
        j = 0
        for i in range(1, n):
            if left[i] > left[j]:
                j = i
        if not left[j] > DEPENDENT:
            break
        last = min(last, left[j])
        pivot = sqrt(left[j])
        for i in range(n):
            entry = W[i, j] * scale[i] * scale[j]
            for k in range(rank):
                entry -= L[i, k] * L[j, k]
            L[i, rank] = entry / pivot
            left[i] -= L[i, rank] ** 2
        L[j, rank] = pivot
        for i in range(rank):
            L[order[i], rank] = 0.0
            left[order[i]] = 0.0
        left[j], order[rank] = 0.0, j
        rank += 1
    for k in range(rank):
        for i in range(n):
            if scale[i] > 0.0:
                S[k, i] = L[i, k] / scale[i]
        for i in range(k, -1, -1):  # column k of the inverse of the triangle
            total = 1.0 if i == k else 0.0
            for m in range(i + 1, k + 1):
                total -= L[order[m], i] * T[order[m], k] / scale[order[m]]
            T[order[i], k] = total / L[order[i], i] * scale[order[i]]
    return rank, last


@compiled(error_model="numpy")
def inverse(D: Array, rank: int, out: Array) -> bool:
    """The inverse of the first rows and columns of a definite matrix, zeros elsewhere; False where it is not
    definite."""
    L, T = np.zeros((rank, rank)), np.zeros((rank, rank))
    out[:] = 0.0
    for j in range(rank):
        pivot = D[j, j]
        for k in range(j):
            pivot -= L[j, k] ** 2
        if not pivot > 0.0:
            return False
        L[j, j] = sqrt(pivot)
        for i in range(j + 1, rank):
            entry = D[i, j]
            for k in range(j):
                entry -= L[i, k] * L[j, k]
            L[i, j] = entry / L[j, j]
        T[j, j] = 1.0 / L[j, j]
        for k in range(j):
            total = 0.0
            for m in range(k, j):
                total -= L[j, m] * T[m, k]
            T[j, k] = total / L[j, j]
    for i in range(rank):
        for j in range(rank):
            total = 0.0
            for m in range(max(i, j), rank):
                total += T[m, i] * T[m, j]
            out[i, j] = total
    return True


@compiled()
def multiply(A: Array, B: Array, out: Array) -> None:
    """out = A B, which may be B."""
    n = len(A)
    made = np.zeros((n, n))
    for i in range(n):
        for k in range(n):
            for j in range(n):
                made[i, j] += A[i, k] * B[k, j]
    out[:] = made
