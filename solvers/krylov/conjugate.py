"""Conjugate gradients on what a deflation space leaves, many steps in one compiled call.

Saad, Yeung, Erhel, Guyomarc'h 2000, SIAM J. Sci. Comput. 21(5), algorithm 3.5: every direction is made A-orthogonal to
U, so that the iteration does not meet the eigenvalues that U stands for. With U = none these are plain conjugate
gradients.

The vectors z_j = M⁻¹ r_j are, once scaled, the Lanczos vectors of the iteration, and its scalars their tridiagonal
matrix. While there is room in a ``Window`` both are written down, at the price of a copy.

Making each direction A-orthogonal costs as much as the rest of a step. U is nearly invariant, so little of it comes
back in a few steps: without a window, residual and direction are freed of U at every ``EVERY``-th step only.
"""

from __future__ import annotations

from enum import Enum
from math import sqrt

import numpy as np

from pdemill.points import Array
from pdemill.solvers.compiled import compiled
from pdemill.solvers.krylov.sums import BLOCK, LANES, add_one, inner_products, subtract, total
from pdemill.solvers.krylov.window import Window
from pdemill.solvers.operators.product import Handles, Product, call, check

EVERY = 6
"""Steps between projections. Measured on skr-thermal with icc, jacobi and none: 8 cost no iteration, 16 up to three
times as many."""


class Ending(Enum):
    """How a call of ``cg_steps`` ended."""

    PAUSED = 0
    """The limit is reached or the window is full."""
    REACHED = 1
    INDEFINITE = 2
    """A direction along which A, or a residual for which M, is not positive."""
    NOT_FINITE = 3


def cg_steps(
    operator: Product,
    images: Array,
    vectors: Array,
    handles: Handles,
    x: Array,
    scalars: Array,
    window: Window | None,
    goal: float,
    limit: int,
) -> tuple[int, Ending]:
    """Step until ‖r‖ <= goal, ``limit`` steps are made or the window is full; returns the steps made.

    Rows of ``images``: A Uᵀ (k rows), r, z; of ``vectors``: U (k rows), p, A p; ``handles`` are the library's vectors
    of r, z, p, A p. U A Uᵀ = I and U r = 0. ``scalars`` hold r · z, the last α and the last β between calls, all
    0 before the first step.
    """
    none, share, k = np.zeros((0, 0)), np.zeros(len(images) - 2), len(images) - 2
    V, T, mu, first = (window.V, window.T, window.mu, window.filled) if window else (none, none, none, 0)
    steps, ending, code = _steps(operator, images, vectors, handles, x, scalars, V, T, mu, first, share, goal, limit)
    check(code)
    if k:
        x += share @ vectors[:k]
    if window:
        window.filled += steps
    return steps, Ending(ending)


@compiled(error_model="numpy")
def _steps(
    operator: Product,
    images: Array,
    vectors: Array,
    handles: Handles,
    x: Array,
    scalars: Array,
    V: Array,
    T: Array,
    mu: Array,
    first: int,
    share: Array,
    goal: float,
    limit: int,
) -> tuple[int, int, int]:
    k = len(images) - 2
    sums, products = np.zeros((k + 2, LANES)), np.zeros(k + 2)
    z = images[k + 1]
    rz, alpha, beta = scalars
    if rz == 0.0:
        code = call(operator.precondition, operator.preconditioner, handles[0], handles[1])
        if code != 0:
            return 0, 3, code
        rz = _turn(images, vectors, 0.0, sums, products)
    else:
        inner_products(images, k + 1, sums, products)
    steps, ending, room = 0, 0, len(V) - first
    while steps < limit and (len(V) == 0 or steps < room):
        if not rz > 0.0:
            ending = 2 if rz <= 0.0 else 3
            break
        if len(V) > 0:
            _write(V, T, mu, first + steps, z, products, rz)
        code = call(operator.multiply, operator.matrix, handles[2], handles[3])
        if code != 0:
            return steps, 3, code
        curvature = _inner(vectors, k, k + 1, sums)
        if not curvature > 0.0:
            ending = 2 if curvature <= 0.0 else 3
            break
        if len(V) > 0:
            T[first + steps, first + steps] = curvature / rz + (beta / alpha if alpha > 0.0 else 0.0)
        alpha = rz / curvature
        steps += 1
        square = _advance(images, vectors, x, alpha, sums)
        freed = k > 0 and len(V) == 0 and steps % EVERY == 0
        if freed:
            _free_residual(images, vectors, sums, products, share)
        code = call(operator.precondition, operator.preconditioner, handles[0], handles[1])
        if code != 0:
            return steps, 3, code
        if len(V) > 0:
            after = _turn(images, vectors, rz, sums, products)
        else:
            after = _turn_alone(images, vectors, rz, sums)
            if freed:
                _free_direction(images, vectors, sums, products)
        beta, rz = after / rz, after
        if len(V) > 0 and first + steps < len(V):
            T[first + steps, first + steps - 1] = T[first + steps - 1, first + steps] = -sqrt(abs(beta)) / alpha
        if square <= goal * goal:
            ending = 1
            break
    scalars[0], scalars[1], scalars[2] = rz, alpha, beta
    return steps, ending, 0


@compiled()
def _write(V: Array, T: Array, mu: Array, row: int, z: Array, products: Array, rz: float) -> None:
    """The Lanczos vector z / √(r · z), and its share in U."""
    scale = 1.0 / sqrt(rz)
    v = V[row]
    for i in range(len(v)):
        v[i] = scale * z[i]
    for i in range(mu.shape[1]):
        mu[row, i] = scale * products[i]


@compiled()
def _turn(images: Array, vectors: Array, rz: float, sums: Array, products: Array) -> float:
    """p ← z + β p - Uᵀ (A Uᵀ)ᵀ z with β = r · z / rz, or 0 where rz is 0; returns r · z."""
    k = len(images) - 2
    inner_products(images, k + 1, sums, products)
    beta = products[k] / rz if rz != 0.0 else 0.0
    z, p = images[k + 1], vectors[k]
    for i in range(len(p)):
        p[i] = z[i] + beta * p[i]
    if k > 0:
        subtract(vectors, k, sums, products)
    after: float = products[k]
    return after


@compiled()
def _turn_alone(images: Array, vectors: Array, rz: float, sums: Array) -> float:
    """p ← z + β p with β = r · z / rz; returns r · z."""
    k = len(images) - 2
    after: float = _inner(images, k, k + 1, sums)
    beta, z, p = after / rz, images[k + 1], vectors[k]
    for i in range(len(p)):
        p[i] = z[i] + beta * p[i]
    return after


@compiled()
def _free_residual(images: Array, vectors: Array, sums: Array, products: Array, share: Array) -> None:
    """r ← r - (A Uᵀ) U r; what that adds to x is Uᵀ times what it adds to ``share``. Overwrites A p."""
    k = len(images) - 2
    vectors[k + 1] = images[k]
    inner_products(vectors, k + 1, sums, products)
    for i in range(k):
        share[i] += products[i]
    subtract(images, k, sums, products)


@compiled()
def _free_direction(images: Array, vectors: Array, sums: Array, products: Array) -> None:
    """p ← p - Uᵀ (A Uᵀ)ᵀ p. Overwrites z."""
    k = len(images) - 2
    images[k + 1] = vectors[k]
    inner_products(images, k + 1, sums, products)
    subtract(vectors, k, sums, products)


@compiled()
def _advance(images: Array, vectors: Array, x: Array, alpha: float, sums: Array) -> float:
    """x ← x + α p, r ← r - α A p; returns r · r."""
    k = len(images) - 2
    r, p, q = images[k], vectors[k], vectors[k + 1]
    sums[k] = 0.0
    for start in range(0, len(x), BLOCK):
        stop = min(len(x), start + BLOCK)
        for i in range(start, stop):
            x[i] += alpha * p[i]
            r[i] -= alpha * q[i]
        add_one(sums, images, k, k, start, stop)
    square: float = total(sums[k])
    return square


@compiled()
def _inner(W: Array, i: int, w: int, sums: Array) -> float:
    """W_i · W_w."""
    sums[i] = 0.0
    add_one(sums, W, i, w, 0, W.shape[1])
    value: float = total(sums[i])
    return value
