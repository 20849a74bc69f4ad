"""Combinations of long rows, in place.

Five of them are made at a time, in registers, of columns that stay in the first-level cache. The sums are in the order
of the rows, plain IEEE, so that bits do not depend on a library.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

from pdemill.points import Array
from pdemill.solvers.compiled import compiled
from pdemill.solvers.lanes import parts, vectors

LANES = 8
BLOCK = 8 * LANES
"""Columns at a time: of 50 rows they fit the first-level cache."""

_load, _store, _, _ = parts(LANES)
_, _, _splat, _ = vectors(LANES)


def combine(rows: Array, coefficients: Array) -> None:
    """The first rows ← coefficients · as many rows as there are columns of coefficients."""
    _combine(*_flat(rows), rows.shape[1], np.ascontiguousarray(coefficients))


def refresh(W: Array, U: Array, k: int, from_W: Array, from_V: Array, from_U: Array) -> None:
    """The first rows of W ← from_W · W, and those of U ← from_V · (rows k, k + 1, ... of W) + from_U · U."""
    coefficients = (np.ascontiguousarray(part) for part in (from_W, from_V, from_U))
    _refresh(*_flat(W), *_flat(U), W.shape[1], k, *coefficients)


def mix(target: Array, from_V: Array, V: Array, from_U: Array, U: Array) -> None:
    """target ← from_V · V + from_U · U; it may be rows of U."""
    coefficients = (np.ascontiguousarray(part) for part in (from_V, from_U))
    _mix(*_flat(target), *_flat(V), *_flat(U), target.shape[1], *coefficients)


def _flat(rows: Array) -> tuple[Array, int]:
    """All of the memory from the first entry to the last, and the entries from row to row."""
    pitch, (count, size) = rows.strides[0] // rows.itemsize, rows.shape
    if rows.strides[1] != rows.itemsize:
        raise ValueError("the entries of a row must be side by side")
    return as_strided(rows, shape=((count - 1) * pitch + size if count else 0,), strides=(rows.itemsize,)), pitch


@compiled()
def _combine(rows: Array, pitch: int, size: int, coefficients: Array) -> None:
    made = np.empty((len(coefficients), BLOCK))
    for start in range(0, size, BLOCK):
        stop = min(size, start + BLOCK)
        made[:] = 0.0
        _add(coefficients, rows, pitch, 0, start, stop, made)
        _put(made, rows, pitch, start, stop)


@compiled()
def _refresh(
    W: Array, W_pitch: int, U: Array, U_pitch: int, size: int, k: int, from_W: Array, from_V: Array, from_U: Array
) -> None:
    images, vectors = np.empty((len(from_W), BLOCK)), np.empty((len(from_V), BLOCK))
    for start in range(0, size, BLOCK):
        stop = min(size, start + BLOCK)
        images[:] = 0.0
        vectors[:] = 0.0
        _add(from_W, W, W_pitch, 0, start, stop, images)
        _add(from_V, W, W_pitch, k, start, stop, vectors)
        _add(from_U, U, U_pitch, 0, start, stop, vectors)
        _put(images, W, W_pitch, start, stop)
        _put(vectors, U, U_pitch, start, stop)


@compiled()
def _mix(
    target: Array, pitch: int, V: Array, V_pitch: int, U: Array, U_pitch: int, size: int, from_V: Array, from_U: Array
) -> None:
    made = np.empty((len(from_V), BLOCK))
    for start in range(0, size, BLOCK):
        stop = min(size, start + BLOCK)
        made[:] = 0.0
        _add(from_V, V, V_pitch, 0, start, stop, made)
        _add(from_U, U, U_pitch, 0, start, stop, made)
        _put(made, target, pitch, start, stop)


@compiled()
def _put(made: Array, rows: Array, pitch: int, start: int, stop: int) -> None:
    for i in range(len(made)):
        for j in range(start, stop):
            rows[i * pitch + j] = made[i, j - start]


@compiled()
def _add(coefficients: Array, rows: Array, pitch: int, first: int, start: int, stop: int, out: Array) -> None:
    """out ← out + coefficients · rows, of the rows from the first on and of the columns from start to before stop."""
    new, count = coefficients.shape
    full, five = start + (stop - start) // LANES * LANES, new // 5 * 5
    for j in range(start, full, LANES):
        at = j - start
        for i in range(0, five, 5):
            a, b, c = _load(out[i], at), _load(out[i + 1], at), _load(out[i + 2], at)
            d, e = _load(out[i + 3], at), _load(out[i + 4], at)
            place = first * pitch + j
            for s in range(count):
                w = _load(rows, place)
                a = a + _splat(coefficients[i, s]) * w
                b = b + _splat(coefficients[i + 1, s]) * w
                c = c + _splat(coefficients[i + 2, s]) * w
                d = d + _splat(coefficients[i + 3, s]) * w
                e = e + _splat(coefficients[i + 4, s]) * w
                place += pitch
            _store(out[i], at, a)
            _store(out[i + 1], at, b)
            _store(out[i + 2], at, c)
            _store(out[i + 3], at, d)
            _store(out[i + 4], at, e)
        for i in range(five, new):
            a, place = _load(out[i], at), first * pitch + j
            for s in range(count):
                a = a + _splat(coefficients[i, s]) * _load(rows, place)
                place += pitch
            _store(out[i], at, a)
    for j in range(full, stop):
        for i in range(new):
            total = out[i, j - start]
            for s in range(count):
                total += coefficients[i, s] * rows[(first + s) * pitch + j]
            out[i, j - start] = total
