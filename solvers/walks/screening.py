"""Balls under -Δ + λ in any dimension d: what passes them, and what is left of their Green's function.

With z = √λ R, x = √λ r, ν = d/2 - 1 and F(z) = ₀F₁(; d/2; z²/4) = Γ(ν+1) (z/2)^-ν I_ν(z), the share of walkers that
reach the sphere is 1 / F(z). With k(x) = 2 (x/2)^ν K_ν(x) / Γ(ν), the Green's function with zero data on the sphere is
that of the whole space without screening, times

    k(x) - (r/R)^(d-2) k(z) F(x) / F(z)                        (without screening: 1 - (r/R)^(d-2)),        d >= 3.

Gradients at the centre see the first harmonic of the same functions, and that is the same formula in dimension d + 2.
"""

from __future__ import annotations

import math
from typing import Any

from pdemill.solvers.compiled import compiled
from pdemill.solvers.walks.green import k0e

MOST = 600.0
"""√λ R beyond which nothing passes: 1 / F is below 1e-200 in all dimensions up to 22."""


@compiled(nogil=True)
def hypergeometric(dimension: int, z: float) -> Any:
    """₀F₁(; d/2; z²/4) for 0 <= z <= MOST by its series, whose terms are positive."""
    q, c = 0.25 * z * z, 0.5 * dimension
    term, total, n = 1.0, 1.0, 1.0
    while term > 1e-17 * total:
        term *= q / (n * (c + n - 1.0))
        total += term
        n += 1.0
    return total


@compiled(nogil=True)
def throughput(dimension: int, z: float) -> Any:
    """The share of walkers that reach the sphere: 1 / I₀(z) for d = 2, z / sinh z for d = 3."""
    return 1.0 / hypergeometric(dimension, z) if z < MOST else 0.0


@compiled(nogil=True)
def decay(dimension: int, x: float) -> Any:
    """k(x) = 2 (x/2)^ν K_ν(x) / Γ(ν) for d >= 3 by the upward recurrence of K, which is stable; 1 at x = 0."""
    if x <= 0.0 or x >= MOST:
        return 1.0 if x <= 0.0 else 0.0
    q = 0.25 * x * x
    if dimension % 2:
        order, before, now = 0.5, 0.0, math.exp(-x)
        if dimension > 3:
            order, before, now = 1.5, now, (1.0 + x) * now
    else:
        # K₁ from the Wronskian I₀ K₁ + I₁ K₀ = 1/x.
        zeroth = math.exp(-x) * k0e(x)
        first = (1.0 - 0.5 * x * x * hypergeometric(4, x) * zeroth) / hypergeometric(2, x)
        order, before, now = 1.0, 0.0, first
        if dimension > 4:
            order, before, now = 2.0, first, first + 2.0 * q * zeroth
    while order < 0.5 * dimension - 1.0:
        before, now = now, now + q / (order * (order - 1.0)) * before
        order += 1.0
    return now


@compiled(nogil=True)
def remaining(dimension: int, z: float, t: float) -> Any:
    """k(tz) - t^(d-2) k(z) F(tz) / F(z) for d >= 3 and t = r/R in (0, 1): the factor in the module's docstring."""
    power = t ** (dimension - 2)
    if z <= 0.0:
        return 1.0 - power
    if z >= MOST:
        return decay(dimension, t * z)
    image = power * decay(dimension, z) * hypergeometric(dimension, t * z) / hypergeometric(dimension, z)
    return max(decay(dimension, t * z) - image, 0.0)


@compiled(nogil=True)
def fill_remaining(dimension: int, z: Any, t: Any, out: Any) -> None:
    """``remaining`` for z [P] and t [P, W]."""
    for p in range(len(z)):
        for w in range(t.shape[1]):
            out[p, w] = remaining(dimension, z[p], t[p, w])
