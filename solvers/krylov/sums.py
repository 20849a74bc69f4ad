"""Sums over long vectors, in an order that is written down.

Left to the compiler (``fastmath``) it would be another one in each copy that is made of a function, and which copy runs
depends on what was compiled and what came out of the cache. An inner product is LANES sums side by side, made by
instructions that tell the vector unit so. Rows are gone through in blocks of columns, so that the vector stays in the
first-level cache, and backwards the second time, so that the blocks read last are still in the second level. That runs
at the speed of the memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pdemill.points import Array
from pdemill.solvers.compiled import compiled

LANES = 8
"""Columns added up side by side: a cache line, and the widest vector unit."""

BLOCK = 128 * LANES
"""Columns per block."""


def work_rows(count: int, size: int) -> Array:
    """Zeros for ``count`` vectors of ``size`` entries; each row begins with a cache line and ends with one."""
    pitch = -(-size // LANES) * LANES
    if pitch % 512 == 0:
        pitch += 3 * LANES  # rows 4 KiB apart would compete for places in the cache
    memory = np.zeros(count * pitch + LANES)
    first = -memory.ctypes.data // memory.itemsize % LANES
    return memory[first : first + count * pitch].reshape(count, pitch)


def _adder(rows: int) -> Any:
    """``add(sums, W, i, w, start, stop)``: sums_r += W_r * W_w for r = i .. i + rows - 1, column by column.

    Column j is added to lane j % LANES; start and stop are multiples of LANES.
    """
    lanes = ir.VectorType(ir.DoubleType(), LANES)

    @intrinsic
    def add(typing: Any, sums: Any, W: Any, i: Any, w: Any, start: Any, stop: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            def place(row: Any, width: Any, data: Any, column: Any) -> Any:
                offset = builder.add(builder.mul(row, width), column)
                return builder.bitcast(builder.gep(data, [offset]), lanes.as_pointer())

            def load(address: Any) -> Any:
                return builder.load(address, align=8)

            _, _, i, w, start, stop = values
            totals, basis = (context.make_array(signature.args[n])(context, builder, values[n]) for n in (0, 1))
            width, step, none = cgutils.unpack_tuple(builder, basis.shape)[1], i.type(LANES), i.type(0)
            numbers = [builder.add(i, i.type(r)) for r in range(rows)]
            kept = [place(number, step, totals.data, none) for number in numbers]
            running = [cgutils.alloca_once_value(builder, load(address)) for address in kept]
            with cgutils.for_range_slice(builder, start, stop, step) as (j, _):
                factor = load(place(w, width, basis.data, j))
                for number, total in zip(numbers, running, strict=True):
                    term = builder.fmul(load(place(number, width, basis.data, j)), factor)
                    builder.store(builder.fadd(builder.load(total), term), total)
            for address, total in zip(kept, running, strict=True):
                builder.store(builder.load(total), address, align=8)
            return context.get_dummy_value()

        return types.void(sums, W, *[types.intp] * 4), generate

    return add


add_one, add_four = _adder(1), _adder(4)


@compiled()
def total(lanes: Array) -> float:
    """The lanes of a sum, added up from the first to the last."""
    total = 0.0
    for value in lanes:
        total += value
    return total


@compiled()
def inner_products(W: Array, rows: int, sums: Array, out: Array) -> None:
    """out_i = W_i · w for the first rows and for w itself, which is the row after them."""
    columns = W.shape[1]
    sums[: rows + 1] = 0.0
    for start in range(0, columns, BLOCK):
        stop = min(columns, start + BLOCK)
        i = 0
        while i + 4 <= rows + 1:
            add_four(sums, W, i, rows, start, stop)
            i += 4
        while i <= rows:
            add_one(sums, W, i, rows, start, stop)
            i += 1
    for i in range(rows + 1):
        out[i] = total(sums[i])


@compiled()
def subtract(W: Array, rows: int, sums: Array, coefficients: Array) -> float:
    """w ← w - Σ coefficients_i W_i over the first rows; w is the row after them. Returns w · w afterwards."""
    columns = W.shape[1]
    sums[rows] = 0.0
    for start in range((columns - 1) // BLOCK * BLOCK, -1, -BLOCK):
        stop = min(columns, start + BLOCK)
        part = W[rows, start:stop]
        i = 0
        while i + 4 <= rows:
            a, b, c, d = W[i, start:stop], W[i + 1, start:stop], W[i + 2, start:stop], W[i + 3, start:stop]
            p, q, r, s = coefficients[i], coefficients[i + 1], coefficients[i + 2], coefficients[i + 3]
            for j in range(len(part)):
                part[j] -= p * a[j] + q * b[j] + (r * c[j] + s * d[j])
            i += 4
        while i < rows:
            a, p = W[i, start:stop], coefficients[i]
            for j in range(len(part)):
                part[j] -= p * a[j]
            i += 1
        add_one(sums, W, rows, rows, start, stop)
    square: float = total(sums[rows])
    return square
