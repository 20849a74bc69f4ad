"""Arnoldi cycles of eight right-hand sides of one matrix side by side, all orthogonal to one recycled space.

Vectors are blocks as in ``block_kernels``, one number of each right-hand side beside the other, so that the matrix, its
preconditioner and the recycled space are read once for eight. Each right-hand side has a Krylov space of its own: the
others only have a say in how many steps are made, and whether Gram-Schmidt goes twice. Sums are in the order of the
rows, and plain IEEE.
"""

from __future__ import annotations

from math import hypot, isfinite, sqrt
from typing import NamedTuple

import numpy as np

from pdemill.points import Array
from pdemill.solvers.compiled import compiled
from pdemill.solvers.krylov.arnoldi import CANCELLED, INVARIANT
from pdemill.solvers.krylov.block_conjugate import Operator
from pdemill.solvers.krylov.block_kernels import LANES, Rows, precondition
from pdemill.solvers.lanes import vectors

PART = 512
"""Rows that are gone through together: those of a block just fit the first-level cache."""

_load, _store, _splat, _ = vectors(LANES)


class Cycles(NamedTuple):
    """Work space. Rows of V: the blocks v_1, v_2, ...; ``between``: M⁻¹ v; Y: the iterates without their parts in the
    recycled space, which have the coefficients ``share`` [k, LANES]; T [k, steps, LANES] and
    H [steps + 1, steps, LANES]: A M⁻¹ v_j = Cᵀ T_j + V H_j."""

    V: Array
    between: Array
    Y: Array
    share: Array
    T: Array
    H: Array


@compiled()
def image(matrix: Rows, V: Array, out: Array) -> None:
    """out = A V."""
    indptr, indices, values = matrix
    p = np.uint64(0)
    for i in range(len(indptr) - 1):
        stop, w = np.uint64(indptr[i + 1]), _splat(0.0)
        while p < stop:
            w = w + _splat(values[p]) * _load(V, np.intp(indices[p]))
            p += np.uint64(1)
        _store(out, i, w)


@compiled()
def inner_products(C: Array, V: Array, count: int, from_C: Array, from_V: Array) -> None:
    """Of block ``count`` of V with the rows of C, and with those before it and itself, each number with its own."""
    n, k, pitch = C.shape[1], len(C), V.shape[1] // LANES
    w = count * pitch
    from_C[:] = 0.0
    from_V[: (count + 1) * LANES] = 0.0
    for start in range(0, n, PART):
        stop, r = min(n, start + PART), 0
        while r + 4 <= k:
            a, b, c, d = _load(from_C, r), _load(from_C, r + 1), _load(from_C, r + 2), _load(from_C, r + 3)
            A, B, D, E = C[r], C[r + 1], C[r + 2], C[r + 3]
            for i in range(start, stop):
                x = _load(V, w + i)
                a, b = a + _splat(A[i]) * x, b + _splat(B[i]) * x
                c, d = c + _splat(D[i]) * x, d + _splat(E[i]) * x
            _store(from_C, r, a)
            _store(from_C, r + 1, b)
            _store(from_C, r + 2, c)
            _store(from_C, r + 3, d)
            r += 4
        while r < k:
            a, A = _load(from_C, r), C[r]
            for i in range(start, stop):
                a = a + _splat(A[i]) * _load(V, w + i)
            _store(from_C, r, a)
            r += 1
        r = 0
        while r + 4 <= count + 1:
            a, b, c, d = _load(from_V, r), _load(from_V, r + 1), _load(from_V, r + 2), _load(from_V, r + 3)
            u, v, y, z = r * pitch, (r + 1) * pitch, (r + 2) * pitch, (r + 3) * pitch
            for i in range(start, stop):
                x = _load(V, w + i)
                a, b = a + _load(V, u + i) * x, b + _load(V, v + i) * x
                c, d = c + _load(V, y + i) * x, d + _load(V, z + i) * x
            _store(from_V, r, a)
            _store(from_V, r + 1, b)
            _store(from_V, r + 2, c)
            _store(from_V, r + 3, d)
            r += 4
        while r < count + 1:
            a, u = _load(from_V, r), r * pitch
            for i in range(start, stop):
                a = a + _load(V, u + i) * _load(V, w + i)
            _store(from_V, r, a)
            r += 1


@compiled()
def subtract(C: Array, V: Array, count: int, from_C: Array, from_V: Array, square: Array) -> None:
    """w ← w - Cᵀ ``from_C`` - the blocks before it times ``from_V``, for block w = ``count`` of V; ``square``: w · w
    afterwards. Backwards, so that what was read last comes first."""
    n, k, pitch = C.shape[1], len(C), V.shape[1] // LANES
    w = count * pitch
    total = _splat(0.0)
    for start in range((n - 1) // PART * PART, -1, -PART):
        stop, r = min(n, start + PART), 0
        while r + 4 <= k:
            a, b, c, d = _load(from_C, r), _load(from_C, r + 1), _load(from_C, r + 2), _load(from_C, r + 3)
            A, B, D, E = C[r], C[r + 1], C[r + 2], C[r + 3]
            for i in range(start, stop):
                x = _splat(A[i]) * a + _splat(B[i]) * b + (_splat(D[i]) * c + _splat(E[i]) * d)
                _store(V, w + i, _load(V, w + i) - x)
            r += 4
        while r < k:
            a, A = _load(from_C, r), C[r]
            for i in range(start, stop):
                _store(V, w + i, _load(V, w + i) - _splat(A[i]) * a)
            r += 1
        r = 0
        while r + 4 <= count:
            a, b, c, d = _load(from_V, r), _load(from_V, r + 1), _load(from_V, r + 2), _load(from_V, r + 3)
            u, v, y, z = r * pitch, (r + 1) * pitch, (r + 2) * pitch, (r + 3) * pitch
            for i in range(start, stop):
                x = _load(V, u + i) * a + _load(V, v + i) * b + (_load(V, y + i) * c + _load(V, z + i) * d)
                _store(V, w + i, _load(V, w + i) - x)
            r += 4
        while r < count:
            a, u = _load(from_V, r), r * pitch
            for i in range(start, stop):
                _store(V, w + i, _load(V, w + i) - _load(V, u + i) * a)
            r += 1
        for i in range(start, stop):
            x = _load(V, w + i)
            total = total + x * x
    _store(square, 0, total)


@compiled()
def scale(v: Array, n: int, factors: Array) -> None:
    """The numbers of a block times one factor for each right-hand side."""
    by = _load(factors, 0)
    for i in range(n):
        _store(v, i, _load(v, i) * by)


@compiled()
def combine(V: Array, n: int, z: Array, left: Array, Y: Array) -> None:
    """Y ← Y + V z, and the first block of V ← V ``left``."""
    count, pitch = len(z) // LANES, V.shape[1] // LANES
    for i in range(n):
        y, r = _load(Y, i), _load(V, count * pitch + i) * _load(left, count)
        for j in range(count):
            v = _load(V, j * pitch + i)
            y, r = y + v * _load(z, j), r + v * _load(left, j)
        _store(Y, i, y)
        _store(V, i, r)


@compiled(error_model="numpy")
def cycle(operator: Operator, C: Array, cycles: Cycles, beta: Array, goals: Array, steps: Array) -> None:
    """One cycle for the residuals in the first block of V, of norms ``beta`` and orthogonal to C, which are replaced by
    what is left of them. It ends when all are at their goals.

    Right-hand sides of norm 0 are left alone. ``steps`` of each: how many were made, negative where its Krylov space
    became invariant, or not finite, before its goal.
    """
    V, between, T, H = cycles.V, cycles.between, cycles.T, cycles.H
    n, k, most = C.shape[1], len(C), T.shape[1]
    from_C, from_V, square = np.zeros(k * LANES), np.zeros((most + 1) * LANES), np.zeros(LANES)
    again_C, again_V = np.zeros(k * LANES), np.zeros((most + 1) * LANES)
    R, g, turns = np.zeros((most, most, LANES)), np.zeros((most + 1, LANES)), np.zeros((2, most, LANES))
    factors, going = np.zeros(LANES), np.zeros(LANES, np.bool_)
    p, wanted = 0, False
    for s in range(LANES):
        going[s], g[0, s], steps[s] = beta[s] > 0.0, beta[s], 0
        factors[s] = 1.0 / beta[s] if going[s] else 0.0
        wanted |= going[s]
    scale(V[0], n, factors)
    while p < most and wanted:
        precondition(operator.lower, operator.upper, V[p, : n * LANES], between[: n * LANES])
        image(operator.matrix, between, V[p + 1])
        inner_products(C, V, p + 1, from_C, from_V)
        subtract(C, V, p + 1, from_C, from_V, square)
        cancelled = False
        for s in range(LANES):
            cancelled |= going[s] and square[s] < CANCELLED**2 * from_V[(p + 1) * LANES + s]
        if cancelled:
            inner_products(C, V, p + 1, again_C, again_V)
            subtract(C, V, p + 1, again_C, again_V, square)
            _add(from_C, again_C)
            _add(from_V, again_V)
        wanted = False
        for s in range(LANES):
            size = _taken(from_C, from_V, square, T, H, p, s)
            if going[s]:
                going[s] = _turned(H, R, turns, g, p, s)
                steps[s] = p + 1 if going[s] else p
                going[s] &= H[p + 1, p, s] > INVARIANT * size
                wanted |= going[s] and abs(g[p + 1, s]) > goals[s]
            factors[s] = 1.0 / H[p + 1, p, s] if going[s] else 0.0
        scale(V[p + 1], n, factors)
        p += 1
    z, left = np.zeros(p * LANES), np.zeros((p + 1) * LANES)
    for s in range(LANES):
        many = steps[s]
        _solve(R, g, T, H, beta, cycles.share, many, s, z, left)
        if beta[s] > 0.0 and not going[s] and not abs(g[many, s]) <= goals[s]:
            steps[s] = -1 - many
    combine(V, n, z, left, cycles.Y)


@compiled()
def _add(these: Array, those: Array) -> None:
    for i in range(len(these)):
        these[i] += those[i]


@compiled()
def _taken(from_C: Array, from_V: Array, square: Array, T: Array, H: Array, p: int, s: int) -> float:
    """Columns p of T and H of one right-hand side; returns the norm of what was subtracted."""
    size = 0.0
    for i in range(len(T)):
        T[i, p, s] = from_C[i * LANES + s]
        size += T[i, p, s] ** 2
    for i in range(p + 1):
        H[i, p, s] = from_V[i * LANES + s]
        size += H[i, p, s] ** 2
    H[p + 1, p, s] = sqrt(square[s])
    return sqrt(size)


@compiled(error_model="numpy")
def _turned(H: Array, R: Array, turns: Array, g: Array, p: int, s: int) -> bool:
    """Column p of H made triangular by the rotations before it and a new one, and g turned by that; False where nothing
    is left to turn, or it is not finite."""
    entry = H[0, p, s]
    for i in range(p):
        cosine, sine, below = turns[0, i, s], turns[1, i, s], H[i + 1, p, s]
        R[i, p, s] = cosine * entry + sine * below
        entry = cosine * below - sine * entry
    length = hypot(entry, H[p + 1, p, s])
    if not (length > 0.0 and isfinite(length)):
        return False
    turns[0, p, s], turns[1, p, s], R[p, p, s] = entry / length, H[p + 1, p, s] / length, length
    g[p, s], g[p + 1, s] = turns[0, p, s] * g[p, s], -turns[1, p, s] * g[p, s]
    return True


@compiled(error_model="numpy")
def _solve(
    R: Array, g: Array, T: Array, H: Array, beta: Array, share: Array, steps: int, s: int, z: Array, left: Array
) -> None:
    """The solution z of the least-squares problem of one right-hand side, what it has of the recycled space, and what
    it leaves, in the vectors of V."""
    for i in range(steps - 1, -1, -1):
        total = g[i, s]
        for j in range(i + 1, steps):
            total -= R[i, j, s] * z[j * LANES + s]
        z[i * LANES + s] = total / R[i, i, s]
    left[s] = beta[s]
    for j in range(steps):
        factor = z[j * LANES + s]
        for i in range(j + 2):
            left[i * LANES + s] -= H[i, j, s] * factor
        for i in range(len(T)):
            share[i, s] -= T[i, j, s] * factor
