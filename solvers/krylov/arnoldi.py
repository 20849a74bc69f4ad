"""One Arnoldi cycle that stays orthogonal to a recycled space, in one compiled call.

A step takes about a tenth of a millisecond; made from Python, its calls would add as much again. All compiled code of
the method is in this file: the compiler's cache notices changes of the file that a function is in, and of no other.

Classical Gram-Schmidt reads the basis once for all inner products and once to subtract. It goes through it in blocks of
columns, so that the vector stays in the first-level cache, and backwards the second time, so that the blocks read last
are still in the second level. That runs at the speed of the memory.
"""

from __future__ import annotations

from math import hypot, isfinite, sqrt
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from pdemill.points import Array
from solvers.krylov.product import Handles, Product, check

BLOCK = 1024
"""Columns per block."""

CANCELLED = 0.1
"""A second round of Gram-Schmidt is made when the first leaves less than this part of the norm."""

INVARIANT = 1e-14
"""The space is invariant when a product leaves less than this part of itself outside."""

_SUMS_IN_ANY_ORDER = {"reassoc", "contract", "nsz"}
"""What vector units need; NaN and infinity keep their meaning."""


def arnoldi_cycle(
    operator: Product, W: Array, size: int, handles: Handles, k: int, beta: float, goal: float
) -> tuple[Array, Array, bool]:
    """Extend W (rows: C, v_1, v_2, ...) until the least-squares residual of beta v_1 falls to ``goal``.

    The first ``size`` entries of a row count; ``handles`` are the library's vectors over them. Rows k, k + 1, ...
    become the orthonormal v_1, v_2, ...; row k must hold v_1 on entry. Returns the coefficients T of shape
    (k + p + 1, p) with A M⁻¹ v_j = Wᵀ T_j, the solution z of min ‖beta e_1 - T[k:] z‖, and whether the space
    became invariant (a lucky or an unlucky breakdown).
    """
    rows = W.shape[0]
    T, z = np.zeros((rows, rows - 1 - k)), np.zeros(rows - 1 - k)
    p, stuck, code = _cycle(operator, W, size, handles, k, beta, goal, T, z)
    check(code)
    return T[: k + p + 1, :p], z[:p], stuck


@njit(cache=True)
def products(operator: Product, sources: Handles, targets: Handles) -> int:
    """The images of several vectors."""
    for i in range(len(sources)):
        code: int = _product(operator, sources[i], targets[i])
        if code != 0:
            return code
    return 0


@njit(cache=True, error_model="numpy")
def _cycle(
    operator: Product, W: Array, size: int, handles: Handles, k: int, beta: float, goal: float, T: Array, z: Array
) -> tuple[int, bool, int]:
    steps = len(z)
    coefficients, correction = np.zeros(k + steps + 1), np.zeros(k + steps + 1)
    R, g, cosines, sines = np.zeros((steps, steps)), np.zeros(steps + 1), np.zeros(steps), np.zeros(steps)
    g[0] = beta
    p, stuck = 0, False
    while p < steps and not stuck:
        j, row = p, k + p + 1
        code = _product(operator, handles[row - 1], handles[row])
        if code != 0:
            return p, True, code
        norm = orthonormalise(W, row, W[row, :size], coefficients, correction)
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


@njit(cache=True)
def _product(operator: Product, source: int, target: int) -> int:
    """target = A M⁻¹ source; the error code of the library, 0 for success."""
    code: int = _call(operator.precondition, operator.preconditioner, source, operator.between)
    if code == 0:
        code = _call(operator.multiply, operator.matrix, operator.between, target)
    return code


@njit(cache=True, fastmath=_SUMS_IN_ANY_ORDER)
def _inner_products(W: Array, rows: int, w: Array, out: Array) -> float:
    """out_i = W_i · w for the first rows; returns w · w."""
    size, total = len(w), 0.0
    out[:rows] = 0.0
    for start in range(0, size, BLOCK):
        part = w[start : min(size, start + BLOCK)]
        length = len(part)
        square = 0.0
        for j in range(length):
            square += part[j] * part[j]
        total += square
        i = 0
        while i + 4 <= rows:
            a = W[i, start : start + length]
            b = W[i + 1, start : start + length]
            c = W[i + 2, start : start + length]
            d = W[i + 3, start : start + length]
            p = q = r = s = 0.0
            for j in range(length):
                value = part[j]
                p += a[j] * value
                q += b[j] * value
                r += c[j] * value
                s += d[j] * value
            out[i] += p
            out[i + 1] += q
            out[i + 2] += r
            out[i + 3] += s
            i += 4
        while i < rows:
            a = W[i, start : start + length]
            p = 0.0
            for j in range(length):
                p += a[j] * part[j]
            out[i] += p
            i += 1
    return total


@njit(cache=True, fastmath=_SUMS_IN_ANY_ORDER)
def _subtract(W: Array, rows: int, w: Array, coefficients: Array) -> float:
    """w ← w - Σ coefficients_i W_i over the first rows; returns w · w afterwards."""
    size, total = len(w), 0.0
    for start in range((size - 1) // BLOCK * BLOCK, -1, -BLOCK):
        part = w[start : min(size, start + BLOCK)]
        length = len(part)
        i = 0
        while i + 4 <= rows:
            a = W[i, start : start + length]
            b = W[i + 1, start : start + length]
            c = W[i + 2, start : start + length]
            d = W[i + 3, start : start + length]
            p, q, r, s = coefficients[i], coefficients[i + 1], coefficients[i + 2], coefficients[i + 3]
            for j in range(length):
                part[j] -= p * a[j] + q * b[j] + r * c[j] + s * d[j]
            i += 4
        while i < rows:
            a = W[i, start : start + length]
            p = coefficients[i]
            for j in range(length):
                part[j] -= p * a[j]
            i += 1
        square = 0.0
        for j in range(length):
            square += part[j] * part[j]
        total += square
    return total


@njit(cache=True)
def orthonormalise(W: Array, rows: int, w: Array, coefficients: Array, correction: Array) -> float:
    """Make w orthonormal to the first rows of W; returns its norm before scaling, 0 where nothing is left.

    ``coefficients`` receives the inner products that were subtracted, ``correction`` is work space.
    """
    before = _inner_products(W, rows, w, coefficients)
    after = _subtract(W, rows, w, coefficients)
    if after < CANCELLED**2 * before:
        _inner_products(W, rows, w, correction)
        after = _subtract(W, rows, w, correction)
        for i in range(rows):
            coefficients[i] += correction[i]
    norm = sqrt(after)
    if norm > 0.0:
        scale = 1.0 / norm
        for j in range(len(w)):
            w[j] *= scale
    return norm
