"""M⁻¹ v, A z and A M⁻¹ v as C functions on plain memory, for preconditioners made of two triangular solves.

A function gets the address of a table of addresses and those of two vectors; ``product`` calls it as it calls those of
a library.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, types, uint64
from numba.extending import intrinsic
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.compiled import c_function, compiled

Words = NDArray[np.uint32]
_SIGNATURE = types.int32(types.intp, types.intp, types.intp)
_COUNT, _LOWER, _UPPER, _MATRIX, _REST, _BETWEEN, _LENGTH = 0, 1, 11, 21, 27, 33, 35


def table(
    size: int,
    lower: tuple[NDArray[Any], ...],
    upper: tuple[NDArray[Any], ...],
    matrix: tuple[NDArray[Any], ...],
    rest: tuple[NDArray[Any], ...],
    between: Array,
) -> NDArray[np.intp]:
    """Addresses and lengths of arrays, which must outlive it.

    ``lower`` and ``upper``: order, runs, columns, values and scale of a triangular solve; without an order there is
    only the scale of ``upper``, z = scale v. ``matrix`` and ``rest``: indptr, indices and values of A and of -R;
    without an indptr the product is made with A. ``between``: room for M⁻¹ v.
    """
    arrays = [*lower, *upper, *matrix, *rest, between]
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
def _triangular_solve(table: NDArray[np.intp], at: int, b: Array, x: Array) -> None:
    """x_i = scale_i b_i - Σ values x over the entries of row i, run by run; b may be x."""
    order, runs, columns = _words(table, at), _words(table, at + 2), _words(table, at + 4)
    values, scale = _numbers(table[at + 6], table[at + 7]), _numbers(table[at + 8], table[at + 9])
    p = uint64(0)
    for g in range(0, len(runs), 3):
        length = uint64(runs[g + 2])
        for place in range(uint64(runs[g]), uint64(runs[g + 1])):
            i, stop = order[place], p + length
            total = scale[i] * b[i]
            while p < stop:
                total -= values[p] * x[columns[p]]
                p += uint64(1)
            x[i] = total


@compiled()
def _solve(table: NDArray[np.intp], v: Array, z: Array) -> None:
    """z = M⁻¹ v."""
    if table[_LOWER + 1]:
        _triangular_solve(table, _LOWER, v, z)
        _triangular_solve(table, _UPPER, z, z)
    else:
        scale = _numbers(table[_UPPER + 8], table[_UPPER + 9])
        for i in range(len(v)):
            z[i] = scale[i] * v[i]


@compiled()
def _multiply(table: NDArray[np.intp], at: int, z: Array, part: float, v: Array, w: Array) -> None:
    """w = part v + S z."""
    indptr, indices = _words(table, at), _words(table, at + 2)
    values = _numbers(table[at + 4], table[at + 5])
    p = uint64(0)
    for i in range(uint64(len(w))):
        stop, total = uint64(indptr[i + uint64(1)]), part * v[i]
        while p < stop:
            total += values[p] * z[indices[p]]
            p += uint64(1)
        w[i] = total


@c_function(_SIGNATURE)
def precondition(address: int, source: int, target: int) -> int:
    """target = M⁻¹ source."""
    table = carray(_pointer(address), (_LENGTH,), np.intp)
    _solve(table, _numbers(source, table[_COUNT]), _numbers(target, table[_COUNT]))
    return 0


@c_function(_SIGNATURE)
def multiply(address: int, source: int, target: int) -> int:
    """target = A source."""
    table = carray(_pointer(address), (_LENGTH,), np.intp)
    z = _numbers(source, table[_COUNT])
    _multiply(table, _MATRIX, z, 0.0, z, _numbers(target, table[_COUNT]))
    return 0


@c_function(_SIGNATURE)
def both(address: int, source: int, target: int) -> int:
    """target = A M⁻¹ source."""
    table = carray(_pointer(address), (_LENGTH,), np.intp)
    v, w = _numbers(source, table[_COUNT]), _numbers(target, table[_COUNT])
    z = _numbers(table[_BETWEEN], table[_BETWEEN + 1])
    _solve(table, v, z)
    if table[_REST + 1]:
        _multiply(table, _REST, z, 1.0, v, w)
    else:
        _multiply(table, _MATRIX, z, 0.0, v, w)
    return 0
