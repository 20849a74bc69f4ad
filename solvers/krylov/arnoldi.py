"""One Arnoldi cycle that stays orthogonal to a recycled space, in one compiled call.

A step takes about a tenth of a millisecond; made from Python, its calls would add as much again. All compiled code of
the method is in this file: the compiler's cache notices changes of the file that a function is in, and of no other.

Classical Gram-Schmidt reads the basis once for all inner products and once to subtract. It goes through it in blocks of
columns, so that the vector stays in the first-level cache, and backwards the second time, so that the blocks read last
are still in the second level. That runs at the speed of the memory.

The order of every sum is written down here. Left to the compiler (``fastmath``) it would be another one in each copy
that is made of a function, and which copy runs depends on what was compiled and what came out of the cache. An inner
product is LANES sums side by side, made by instructions that tell the vector unit so.
"""

from __future__ import annotations

from math import hypot, isfinite, sqrt
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pdemill.points import Array
from solvers.compiled import compiled
from solvers.krylov.product import Handles, Product, check

LANES = 8
"""Columns added up side by side: a cache line, and the widest vector unit."""

BLOCK = 128 * LANES
"""Columns per block."""

CANCELLED = 0.1
"""A second round of Gram-Schmidt is made when the first leaves less than this part of the norm."""

INVARIANT = 1e-14
"""The space is invariant when a product leaves less than this part of itself outside."""


def work_rows(count: int, size: int) -> Array:
    """Zeros for ``count`` vectors of ``size`` entries; each row begins with a cache line and ends with one."""
    pitch = -(-size // LANES) * LANES
    if pitch % 512 == 0:
        pitch += 3 * LANES  # rows 4 KiB apart would compete for places in the cache
    memory = np.zeros(count * pitch + LANES)
    first = -memory.ctypes.data // memory.itemsize % LANES
    return memory[first : first + count * pitch].reshape(count, pitch)


def arnoldi_cycle(
    operator: Product, W: Array, size: int, handles: Handles, k: int, beta: float, goal: float
) -> tuple[Array, Array, bool]:
    """Extend W (rows: C, v_1, v_2, ...) until the least-squares residual of beta v_1 falls to ``goal``.

    W comes from ``work_rows``; ``handles`` are the library's vectors over the first ``size`` entries of its rows. Rows
    k, k + 1, ... become the orthonormal v_1, v_2, ...; row k must hold v_1 on entry. Returns the coefficients T of
    shape (k + p + 1, p) with A M⁻¹ v_j = Wᵀ T_j, the solution z of min ‖beta e_1 - T[k:] z‖, and whether the space
    became invariant (a lucky or an unlucky breakdown).
    """
    rows, columns = W.shape
    if columns % LANES or not W.flags.c_contiguous:
        raise ValueError("W must come from work_rows")
    W[:, size:] = 0.0  # is added up with the rest, and may be left from a vector that was not finite
    T, z = np.zeros((rows, rows - 1 - k)), np.zeros(rows - 1 - k)
    p, stuck, code = _cycle(operator, W, handles, k, beta, goal, T, z)
    check(code)
    return T[: k + p + 1, :p], z[:p], stuck


@compiled()
def products(operator: Product, sources: Handles, targets: Handles) -> int:
    """The images of several vectors."""
    for i in range(len(sources)):
        code: int = _product(operator, sources[i], targets[i])
        if code != 0:
            return code
    return 0


@compiled(error_model="numpy")
def _cycle(
    operator: Product, W: Array, handles: Handles, k: int, beta: float, goal: float, T: Array, z: Array
) -> tuple[int, bool, int]:
    steps = len(z)
    coefficients, correction, sums = np.zeros(len(W)), np.zeros(len(W)), np.zeros((len(W), LANES))
    R, g, cosines, sines = np.zeros((steps, steps)), np.zeros(steps + 1), np.zeros(steps), np.zeros(steps)
    g[0] = beta
    p, stuck = 0, False
    while p < steps and not stuck:
        j, row = p, k + p + 1
        code = _product(operator, handles[row - 1], handles[row])
        if code != 0:
            return p, True, code
        norm = orthonormalise(W, row, coefficients, correction, sums)
        square = 0.0
        for i in range(row):
            T[i, j] = coefficients[i]
            square += coefficients[i] ** 2
        T[row, j] = norm
        entry = T[k, j]
        for i in range(j):
            below = T[k + i + 1, j]
            R[i, j] = cosines[i] * entry + sines[i] * below
            entry = cosines[i] * below - sines[i] * entry
        length = hypot(entry, norm)
        if length == 0.0:
            return p, True, 0
        cosines[j], sines[j], R[j, j] = entry / length, norm / length, length
        g[j], g[j + 1] = cosines[j] * g[j], -sines[j] * g[j]
        p += 1
        stuck = norm <= INVARIANT * sqrt(square) or not isfinite(norm)
        if abs(g[p]) <= goal:
            break
    for i in range(p - 1, -1, -1):
        total = g[i]
        for j in range(i + 1, p):
            total -= R[i, j] * z[j]
        z[i] = total / R[i, i]
    return p, stuck, 0


@intrinsic
def _call(typing: Any, function: Any, first: Any, second: Any, third: Any) -> Any:
    """``int function(void *, void *, void *)`` for integers that are addresses."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        word = ir.IntType(types.intp.bitwidth)
        kind = ir.FunctionType(ir.IntType(32), [word, word, word])
        return builder.call(builder.inttoptr(values[0], kind.as_pointer()), values[1:])

    return types.int32(types.intp, types.intp, types.intp, types.intp), generate


@compiled()
def _product(operator: Product, source: int, target: int) -> int:
    """target = A M⁻¹ source; the error code of the library, 0 for success."""
    code: int = _call(operator.precondition, operator.preconditioner, source, operator.between)
    if code == 0:
        code = _call(operator.multiply, operator.matrix, operator.between, target)
    return code


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
                    product = builder.fmul(load(place(number, width, basis.data, j)), factor)
                    builder.store(builder.fadd(builder.load(total), product), total)
            for address, total in zip(kept, running, strict=True):
                builder.store(builder.load(total), address, align=8)
            return context.get_dummy_value()

        return types.void(sums, W, *[types.intp] * 4), generate

    return add


_add_one, _add_four = _adder(1), _adder(4)


@compiled()
def _total(lanes: Array) -> float:
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
            _add_four(sums, W, i, rows, start, stop)
            i += 4
        while i <= rows:
            _add_one(sums, W, i, rows, start, stop)
            i += 1
    for i in range(rows + 1):
        out[i] = _total(sums[i])


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
        _add_one(sums, W, rows, rows, start, stop)
    square: float = _total(sums[rows])
    return square


@compiled()
def orthonormalise(W: Array, rows: int, coefficients: Array, correction: Array, sums: Array) -> float:
    """Make w, the row after the first rows of W, orthonormal to them.

    Returns its norm before scaling, 0 where nothing is left. ``coefficients`` receives the inner products that were
    subtracted; ``correction`` and ``sums`` are work space.
    """
    inner_products(W, rows, sums, coefficients)
    before = coefficients[rows]
    after = subtract(W, rows, sums, coefficients)
    if after < CANCELLED**2 * before:
        inner_products(W, rows, sums, correction)
        after = subtract(W, rows, sums, correction)
        for i in range(rows):
            coefficients[i] += correction[i]
    norm = sqrt(after)
    if norm > 0.0:
        scale, w = 1.0 / norm, W[rows]
        for j in range(len(w)):
            w[j] *= scale
    return norm
