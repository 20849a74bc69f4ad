"""Operations on blocks of eight long vectors, stored side by side: entry i of all is one vector of the processor.

So a matrix is read once for all of them, and no loop waits for one number. A block is a flat array of ``LANES`` numbers
per row; a small matrix is one with ``LANES`` rows. The sums are in the order of the rows, and plain IEEE.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.compiled import compiled
from pdemill.solvers.lanes import vectors

LANES = 8
"""Vectors in a block."""

_load, _store, _splat, _ = vectors(LANES)

Words = NDArray[np.uint32]


class Rows(NamedTuple):
    """A sparse matrix by rows."""

    indptr: Words
    indices: Words
    values: Array


class Triangle(NamedTuple):
    """One of the two triangular solves of a preconditioner: rows in the order in which they are solved for; first and
    past the last place, and entries per row of each run of them; without an order there is only the scale."""

    order: Words
    runs: Words
    columns: Words
    values: Array
    scale: Array


@compiled(inline="always")
def _added(a, b, c, d, e, f, g, h, V, j, w):  # type: ignore[no-untyped-def]
    return (
        a + _splat(V[j]) * w, b + _splat(V[j + 1]) * w, c + _splat(V[j + 2]) * w, d + _splat(V[j + 3]) * w,
        e + _splat(V[j + 4]) * w, f + _splat(V[j + 5]) * w, g + _splat(V[j + 6]) * w, h + _splat(V[j + 7]) * w,
    )  # fmt: skip


@compiled(inline="always")
def _store_rows(out, i, a, b, c, d, e, f, g, h):  # type: ignore[no-untyped-def]
    _store(out, i, a)
    _store(out, i + 1, b)
    _store(out, i + 2, c)
    _store(out, i + 3, d)
    _store(out, i + 4, e)
    _store(out, i + 5, f)
    _store(out, i + 6, g)
    _store(out, i + 7, h)


@compiled()
def times(matrix: Rows, V: Array, out: Array, products: Array) -> None:
    """out = A V, and products = Vᵀ A V."""
    indptr, indices, values = matrix
    p = np.uint64(0)
    a = b = c = d = e = f = g = h = _splat(0.0)
    for i in range(len(indptr) - 1):
        stop, w, j = np.uint64(indptr[i + 1]), _splat(0.0), LANES * i
        while p < stop:
            w = w + _splat(values[p]) * _load(V, np.intp(indices[p]))
            p += np.uint64(1)
        _store(out, i, w)
        a, b, c, d, e, f, g, h = _added(a, b, c, d, e, f, g, h, V, j, w)
    _store_rows(products, 0, a, b, c, d, e, f, g, h)


@compiled()
def precondition(lower: Triangle, upper: Triangle, V: Array, out: Array) -> None:
    """out = M⁻¹ V."""
    if len(lower.order):
        _solve(lower, V, out)
        _solve(upper, out, out)
    else:
        for i in range(len(upper.scale)):
            _store(out, i, _splat(upper.scale[i]) * _load(V, i))


@compiled()
def _solve(triangle: Triangle, V: Array, out: Array) -> None:
    order, runs, columns, values, scale = triangle
    p = np.uint64(0)
    for g in range(0, len(runs), 3):
        length = np.uint64(runs[g + 2])
        for place in range(np.uint64(runs[g]), np.uint64(runs[g + 1])):
            i, stop = np.intp(order[place]), p + length
            total = _splat(scale[i]) * _load(V, i)
            while p < stop:
                total = total - _splat(values[p]) * _load(out, np.intp(columns[p]))
                p += np.uint64(1)
            _store(out, i, total)


@compiled()
def gram(V: Array, W: Array, out: Array) -> None:
    """out = Vᵀ W."""
    a = b = c = d = e = f = g = h = _splat(0.0)
    for i in range(len(W) // LANES):
        w, j = _load(W, i), LANES * i
        a, b, c, d, e, f, g, h = _added(a, b, c, d, e, f, g, h, V, j, w)
    _store_rows(out, 0, a, b, c, d, e, f, g, h)


@compiled(inline="always")
def _rows(Y):  # type: ignore[no-untyped-def]
    return _load(Y, 0), _load(Y, 1), _load(Y, 2), _load(Y, 3), _load(Y, 4), _load(Y, 5), _load(Y, 6), _load(Y, 7)


@compiled(inline="always")
def _turned(V, j, a, b, c, d, e, f, g, h):  # type: ignore[no-untyped-def]
    """A row of V times the small matrix with these rows."""
    low = _splat(V[j]) * a + _splat(V[j + 1]) * b
    low = low + (_splat(V[j + 2]) * c + _splat(V[j + 3]) * d)
    high = _splat(V[j + 4]) * e + _splat(V[j + 5]) * f
    high = high + (_splat(V[j + 6]) * g + _splat(V[j + 7]) * h)
    return low + high


@compiled()
def turn(V: Array, Y: Array) -> None:
    """V ← V Y."""
    a, b, c, d, e, f, g, h = _rows(Y)
    for i in range(len(V) // LANES):
        _store(V, i, _turned(V, LANES * i, a, b, c, d, e, f, g, h))


@compiled()
def advance(P: Array, Y: Array, X: Array, AP: Array, E: Array, T: Array, Q: Array) -> None:
    """X ← X + P Y, Q ← Q T + A P E."""
    a, b, c, d, e, f, g, h = _rows(Y)
    for i in range(len(X) // LANES):
        _store(X, i, _load(X, i) + _turned(P, LANES * i, a, b, c, d, e, f, g, h))
    follow(AP, E, Q, T)


@compiled()
def follow(Z: Array, T: Array, P: Array, Y: Array) -> None:
    """P ← Z T + P Y."""
    a, b, c, d, e, f, g, h = _rows(Y)
    k, u, m, n, o, p, q, r = _rows(T)
    for i in range(len(P) // LANES):
        new = _turned(Z, LANES * i, k, u, m, n, o, p, q, r)
        _store(P, i, new + _turned(P, LANES * i, a, b, c, d, e, f, g, h))


@compiled()
def subtract_rows(U: Array, Y: Array, out: Array) -> None:
    """out ← out - Uᵀ Y for the rows of U and of Y, of which a row is a vector."""
    count, full = len(U), len(out) // (LANES * LANES) * LANES
    for i in range(0, full, LANES):
        a, b, c, d = _load(out, i), _load(out, i + 1), _load(out, i + 2), _load(out, i + 3)
        e, f, g, h = _load(out, i + 4), _load(out, i + 5), _load(out, i + 6), _load(out, i + 7)
        for k in range(count):
            u, y = U[k], _load(Y, k)
            a = a - _splat(u[i]) * y
            b = b - _splat(u[i + 1]) * y
            c = c - _splat(u[i + 2]) * y
            d = d - _splat(u[i + 3]) * y
            e = e - _splat(u[i + 4]) * y
            f = f - _splat(u[i + 5]) * y
            g = g - _splat(u[i + 6]) * y
            h = h - _splat(u[i + 7]) * y
        _store_rows(out, i, a, b, c, d, e, f, g, h)
    for i in range(full, len(out) // LANES):
        total = _load(out, i)
        for k in range(count):
            total = total - _splat(U[k, i]) * _load(Y, k)
        _store(out, i, total)
