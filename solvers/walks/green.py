"""Screened Green's functions of balls, compiled: values, masses and ways to sample them.

G is the Green's function of -Δ + σ with zero data on the sphere of radius R, source at the centre. With s = √σ, z = sR
and ρ = sr,

    2D:  G(r) = (K₀(ρ) - I₀(ρ) K₀(z) / I₀(z)) / 2π        E[no absorption] = 1 / I₀(z)
    3D:  G(r) = sinh(s(R - r)) / (4π r sinh z)             E[no absorption] = z / sinh z

and without screening ln(R/r) / 2π and (1/r - 1/R) / 4π. A walker that is absorbed at the rate σ ends at a point with
density σ G, or leaves through a uniform point of the sphere. Source: Sawhney, Seyb, Jarosz and Crane 2022, appendix B.
Bessel functions are right to 1e-13 of their value, K₀ / I₀ to 2e-11; nothing overflows, whatever z is.

In the whole plane or space a walker is absorbed at a distance that is drawn in closed form. Did it leave the ball on
its way? The ratio of the Green's functions with and without the sphere answers that, so that one draw decides between
absorption (where) and exit, without rejection.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from scipy.special import i0 as _i0
from scipy.special import i0e as _i0e
from scipy.special import k0 as _k0
from scipy.special import k0e as _k0e

from pdemill.points import Array
from pdemill.solvers.compiled import compiled

WIDE = 3.0
"""From this z on, a source is sampled from the density of the plane or space, not from that of the unscreened ball."""


FAR = 300.0
"""From here on K₀ / I₀ is π exp(-2x) for what it is needed for; it would become 0."""


def _fit(function: Callable[[Array], Array], degree: int) -> tuple[float, ...]:
    """Coefficients, highest first, of a polynomial that follows the function over [-1, 1]."""
    return tuple(Chebyshev.interpolate(function, degree).convert(kind=Polynomial).coef[::-1].tolist())


def _far(function: Callable[[Array], Array], start: float, degree: int) -> tuple[float, ...]:
    """A fit over x >= start, in t = 2 start / x - 1."""
    return _fit(lambda t: function(2 * start / (1 + t)), degree)


I_SPLIT, K_SPLIT = 8.0, 2.0
I_FAR = _far(lambda x: np.sqrt(x) * _i0e(x), I_SPLIT, 18)
K_FAR = _far(lambda x: np.sqrt(x) * _k0e(x), K_SPLIT, 22)
RATIO_FAR = _far(lambda x: _k0e(x) / _i0e(x), K_SPLIT, 28)
RATIO_NEAR = _fit(lambda t: _k0(np.sqrt(2 + 2 * t)) / _i0(np.sqrt(2 + 2 * t)) + np.log(np.sqrt(2 + 2 * t) / 2), 15)
I_NEAR = tuple(1 / math.factorial(n) ** 2 for n in reversed(range(26)))
K_NEAR = tuple(sum(1 / m for m in range(1, n + 1)) / math.factorial(n) ** 2 for n in reversed(range(14)))


@compiled(nogil=True)
def _horner(coefficients: Any, x: float) -> Any:
    value = 0.0
    for c in coefficients:
        value = value * x + c
    return value


@compiled(nogil=True)
def i0e(x: float) -> Any:
    """exp(-x) I₀(x) for x >= 0: the power series below 8, a fit in 1/x above."""
    if x <= I_SPLIT:
        return math.exp(-x) * _horner(I_NEAR, 0.25 * x * x)
    return _horner(I_FAR, 2 * I_SPLIT / x - 1) / math.sqrt(x)


@compiled(nogil=True)
def k0e(x: float) -> Any:
    """exp(x) K₀(x) for x > 0: the power series below 2 (Abramowitz and Stegun 9.6.13), a fit in 1/x above."""
    if x <= K_SPLIT:
        t = 0.25 * x * x
        return math.exp(x) * (_horner(K_NEAR, t) - (math.log(0.5 * x) + np.euler_gamma) * _horner(I_NEAR, t))
    return _horner(K_FAR, 2 * K_SPLIT / x - 1) / math.sqrt(x)


@compiled(nogil=True)
def ratio(x: float) -> Any:
    """K₀(x) / I₀(x) for x > 0: -ln(x/2) and a fit in x² below 2, exp(-2x) and a fit in 1/x above."""
    if x <= K_SPLIT:
        return _horner(RATIO_NEAR, 0.5 * x * x - 1.0) - math.log(0.5 * x)
    return math.exp(-2.0 * x) * _horner(RATIO_FAR, 2 * K_SPLIT / x - 1)


@compiled(nogil=True)
def throughput_2d(z: float) -> Any:
    """1 / I₀(z): the share of walkers that reach the circle."""
    return math.exp(-z) / i0e(z)


@compiled(nogil=True)
def throughput_3d(z: float) -> Any:
    """z / sinh z: the share of walkers that reach the sphere."""
    return -2.0 * z * math.exp(-z) / math.expm1(-2.0 * z) if z > 0.0 else 1.0


@compiled(nogil=True)
def screened_2d(radius: float, root: float, r: float) -> Any:
    """G(r) with screening root², over G(r) without: in (0, 1]."""
    z, x = root * radius, root * r
    if z < 1e-6 or x > FAR:
        return 1.0 if z < 1e-6 else 0.0
    if r > (1.0 - 1e-9) * radius:
        return throughput_2d(z)
    return math.exp(x) * i0e(x) * (ratio(x) - ratio(z)) / math.log(radius / r)


@compiled(nogil=True)
def screened_3d(radius: float, root: float, r: float) -> Any:
    """G(r) with screening root², over G(r) without: in (0, 1]."""
    z, gap = root * radius, root * (radius - r)
    if gap <= 0.0:
        return throughput_3d(z)
    return z / gap * math.exp(gap - z) * math.expm1(-2.0 * gap) / math.expm1(-2.0 * z)


@compiled(nogil=True)
def flight_2d(z: float, a: float, b: float) -> Any:
    """s times the distance at which a walker in the whole plane is absorbed, or any number >= z if that is >= z.

    a, b: uniform numbers in (0, 1). Its time is exponential, its displacement after it normal in both coordinates: the
    density is x K₀(x). Small balls need no logarithm, as -ln a > 1 - a.
    """
    if 4.0 * (1.0 - a) * (1.0 - b) >= z * z:
        return z
    return 2.0 * math.sqrt(math.log(a) * math.log(b))


@compiled(nogil=True)
def flight_3d(z: float, a: float, b: float) -> Any:
    """The same in space: the density is x exp(-x)."""
    return z if 1.0 - a * b >= z else -math.log(a * b)


@compiled(nogil=True)
def left_2d(z: float, x: float) -> Any:
    """The probability that a walker absorbed at x < z in the whole plane had left the circle z before."""
    return ratio(z) / ratio(x) if x < FAR else math.exp(2.0 * (x - z))


@compiled(nogil=True)
def left_3d(z: float, x: float) -> Any:
    """The same in space, for the sphere z."""
    return 1.0 - math.expm1(2.0 * (x - z)) / math.expm1(-2.0 * z)


@compiled(nogil=True)
def source_2d(radius: float, root: float, a: float, b: float) -> Any:
    """(distance, weight) with E[weight · mean of φ over that circle] = ∫ G φ over the disc; weights are bounded.

    Without screening the weight is radius²/4.
    """
    if root * radius < WIDE:
        r = radius * math.sqrt(a * b)
        return r, 0.25 * radius * radius * (screened_2d(radius, root, r) if root > 0.0 else 1.0)
    x, z = flight_2d(root * radius, a, b), root * radius
    return (x / root, (1.0 - left_2d(z, x)) / (root * root)) if x < z else (radius, 0.0)


@compiled(nogil=True)
def source_3d(radius: float, root: float, a: float, b: float) -> Any:
    """The same for spheres in a ball; without screening the weight is radius²/6."""
    if root * radius < WIDE:
        r = radius * math.sqrt(a) * b ** (1.0 / 3.0)
        return r, radius * radius / 6.0 * (screened_3d(radius, root, r) if root > 0.0 else 1.0)
    x, z = flight_3d(root * radius, a, b), root * radius
    return (x / root, (1.0 - left_3d(z, x)) / (root * root)) if x < z else (radius, 0.0)
