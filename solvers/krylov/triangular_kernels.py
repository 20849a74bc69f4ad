"""M⁻¹ v, A z and A M⁻¹ v as C functions on plain memory, for preconditioners made of two triangular solves.

A function gets the address of a table of addresses and those of two vectors; ``product`` calls it as it calls those of
a library.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import carray, types, uint64
from numba.extending import intrinsic
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.compiled import c_function, compiled
from pdemill.solvers.krylov.level_schedule import LEAST
from pdemill.solvers.lanes import parts

Words = NDArray[np.uint32]
_SIGNATURE = types.int32(types.intp, types.intp, types.intp)
_COUNT, _LOWER, _UPPER, _REST, _MATRIX, _ORDER, _WORK, _LENGTH = 0, 1, 11, 21, 31, 37, 39, 41

_load, _store, _, _ = parts(LEAST)
_load_few, _, _gather_few, _scatter_few = parts(4)
FEW = uint64(4)


class Sweep(NamedTuple):
    """x_i = scale_i b_i - Σ values z, in the order of a ``Schedule``, whose arrays these are; ``scale`` by places, and
    without one it is 1."""

    runs: Words
    rows: Words
    columns: Words
    values: Array
    scale: Array


def table(
    size: int, lower: Sweep, upper: Sweep, rest: Sweep, matrix: tuple[NDArray[Any], ...], order: Words, work: Array
) -> NDArray[np.intp]:
    """Addresses and lengths of arrays, which must outlive it.

    ``lower`` and ``upper``: triangular solves; without an ``order`` of vectors there is only the scale of ``upper``,
    z = scale v. ``rest``: R, where A M⁻¹ v is v - R M⁻¹ v; without runs it is made with A. ``matrix``: indptr, indices
    and values of A. ``work``: room for three vectors.
    """
    arrays: list[NDArray[Any]] = [*lower, *upper, *rest, *matrix, order, work]
    numbers = [size, *(number for array in arrays for number in (array.ctypes.data, array.size))]
    assert len(numbers) == _LENGTH
    return np.array(numbers, dtype=np.intp)


@intrinsic
def _pointer(typing: Any, address: Any) -> Any:
    """The address as a pointer."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.intp), generate


@compiled()
def _numbers(address: int, length: int) -> Array:
    numbers: Array = carray(_pointer(address), (length,), np.float64)
    return numbers


@compiled()
def _words(table: NDArray[np.intp], at: int) -> Words:
    words: Words = carray(_pointer(table[at]), (table[at + 1],), np.uint32)
    return words


@compiled()
def _sweep(table: NDArray[np.intp], at: int, b: Array, z: Array, x: Array) -> None:
    """x_i = scale_i b_i - Σ values z over the entries of row i, run by run; x may be z, but not b."""
    runs, rows, columns = _words(table, at), _words(table, at + 2), _words(table, at + 4)
    values, scale = _numbers(table[at + 6], table[at + 7]), _numbers(table[at + 8], table[at + 9])
    p = np.intp(0)
    for g in range(0, len(runs), 4):
        first, stop = np.intp(runs[g]), np.intp(runs[g + 1])
        length, count = np.intp(runs[g + 2]), stop - first
        past = p + length * count
        if runs[g + 3]:
            row, last, c = np.intp(rows[first]), count - LEAST, np.intp(0)
            while c < count:
                c = min(c, last)
                total = _load(b, row + c)
                if len(scale):
                    total = _load(scale, first + c) * total
                q = p
                while q < past:
                    total = total - _load(values, q + c) * _load(z, np.intp(columns[uint64(q)]) + c)
                    q += count
                _store(x, row + c, total)
                c += LEAST
        else:
            place, last, q = uint64(first), uint64(stop), p
            while place + FEW <= last:
                few = _gather_few(b, rows, np.intp(place))
                if len(scale):
                    few = _load_few(scale, np.intp(place)) * few
                j = q
                while j < past:
                    few = few - _load_few(values, j) * _gather_few(z, columns, j)
                    j += count
                _scatter_few(x, rows, np.intp(place), few)
                place += FEW
                q += 4
            step, end, k = uint64(count), uint64(past), uint64(q)
            while place < last:
                one, j = b[rows[place]], k
                if len(scale):
                    one *= scale[place]
                while j < end:
                    one -= values[j] * z[columns[j]]
                    j += step
                x[rows[place]] = one
                place += uint64(1)
                k += uint64(1)
        p = past


@compiled()
def _gather(order: Words, v: Array, out: Array) -> None:
    for j in range(len(order)):
        out[j] = v[order[j]]


@compiled()
def _scatter(order: Words, v: Array, out: Array) -> None:
    for j in range(len(order)):
        out[order[j]] = v[j]


@compiled()
def _work(table: NDArray[np.intp], which: int) -> Array:
    n = table[_COUNT]
    room: Array = _numbers(table[_WORK] + 8 * n * which, n)
    return room


@compiled()
def _solve(table: NDArray[np.intp], v: Array, z: Array) -> None:
    """z = M⁻¹ v; where vectors are numbered by levels, the first at work is v then, and the third z."""
    source, between, target = _work(table, 0), _work(table, 1), _work(table, 2)
    order = _words(table, _ORDER)
    if len(order):
        _gather(order, v, source)
        _sweep(table, _LOWER, source, between, between)
        _sweep(table, _UPPER, between, target, target)
    elif table[_LOWER + 1]:
        _sweep(table, _LOWER, v, between, between)
        _sweep(table, _UPPER, between, z, z)
    else:
        scale = _numbers(table[_UPPER + 8], table[_UPPER + 9])
        for i in range(len(v)):
            z[i] = scale[i] * v[i]


@compiled()
def _multiply(table: NDArray[np.intp], z: Array, w: Array) -> None:
    """w = A z."""
    indptr, indices = _words(table, _MATRIX), _words(table, _MATRIX + 2)
    values = _numbers(table[_MATRIX + 4], table[_MATRIX + 5])
    p = uint64(0)
    for i in range(uint64(len(w))):
        stop, total = uint64(indptr[i + uint64(1)]), 0.0
        while p < stop:
            total += values[p] * z[indices[p]]
            p += uint64(1)
        w[i] = total


@c_function(_SIGNATURE)
def precondition(address: int, source: int, target: int) -> int:
    """target = M⁻¹ source."""
    table = carray(_pointer(address), (_LENGTH,), np.intp)
    v, z = _numbers(source, table[_COUNT]), _numbers(target, table[_COUNT])
    _solve(table, v, z)
    if table[_ORDER + 1]:
        _scatter(_words(table, _ORDER), _work(table, 2), z)
    return 0


@c_function(_SIGNATURE)
def multiply(address: int, source: int, target: int) -> int:
    """target = A source."""
    table = carray(_pointer(address), (_LENGTH,), np.intp)
    _multiply(table, _numbers(source, table[_COUNT]), _numbers(target, table[_COUNT]))
    return 0


@c_function(_SIGNATURE)
def both(address: int, source: int, target: int) -> int:
    """target = A M⁻¹ source."""
    table = carray(_pointer(address), (_LENGTH,), np.intp)
    v, w = _numbers(source, table[_COUNT]), _numbers(target, table[_COUNT])
    order, z, between = _words(table, _ORDER), _work(table, 0), _work(table, 1)
    _solve(table, v, z)
    if table[_REST + 1] and len(order):
        _sweep(table, _REST, _work(table, 0), _work(table, 2), between)
        _scatter(order, between, w)
    elif table[_REST + 1]:
        _sweep(table, _REST, v, z, w)
    else:
        if len(order):
            _scatter(order, _work(table, 2), z)
        _multiply(table, z, w)
    return 0
