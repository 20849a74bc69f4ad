"""Screened Green's functions of balls, compiled: values, masses and ways to sample them.

G is the Green's function of -Δ + σ with zero data on the sphere of radius R, source at the centre. With s = √σ, z = sR
and ρ = sr,

    2D:  G(r) = (K₀(ρ) - I₀(ρ) K₀(z) / I₀(z)) / 2π        E[no absorption] = 1 / I₀(z)
    3D:  G(r) = sinh(s(R - r)) / (4π r sinh z)             E[no absorption] = z / sinh z

and without screening ln(R/r) / 2π and (1/r - 1/R) / 4π. A walker that is absorbed at the rate σ ends at a point with
density σ G, or leaves through a uniform point of the sphere. Source: Sawhney, Seyb, Jarosz and Crane 2022, appendix B.
Bessel functions are right to 1e-13 of their value; nothing overflows, whatever z is.

In the whole plane or space a walker is absorbed at a distance that is drawn in closed form. Did it leave the ball on
its way? The ratio of the Green's functions with and without the sphere answers that, so that one draw decides between
absorption (where) and exit, without rejection.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.polynomial import Chebyshev, Polynomial
from scipy.special import i0e as _i0e
from scipy.special import k0e as _k0e

from pdemill.points import Array

WIDE = 3.0
"""From this z on, a source is sampled from the density of the plane or space, not from that of the unscreened ball."""


def _fit(function: Callable[[Array], Array], upper: float, degree: int) -> tuple[float, ...]:
    """Coefficients, highest first, of a polynomial in [-1, 1] that follows √x · function(x) in 1/x over (0, upper]."""

    def scaled(t: Array) -> Array:
        x = 2 / (upper * (1 + t))
        return np.asarray(np.sqrt(x) * function(x))

    return tuple(Chebyshev.interpolate(scaled, degree).convert(kind=Polynomial).coef[::-1].tolist())


I_SPLIT, K_SPLIT = 8.0, 2.0
I_FAR = _fit(_i0e, 1 / I_SPLIT, 18)
K_FAR = _fit(_k0e, 1 / K_SPLIT, 22)
I_NEAR = tuple(1 / math.factorial(n) ** 2 for n in reversed(range(26)))
K_NEAR = tuple(sum(1 / m for m in range(1, n + 1)) / math.factorial(n) ** 2 for n in reversed(range(14)))


@njit(cache=True, nogil=True)
def _horner(coefficients: Any, x: float) -> Any:
    value = 0.0
    for c in coefficients:
        value = value * x + c
    return value


@njit(cache=True, nogil=True)
def i0e(x: float) -> Any:
    """exp(-x) I₀(x) for x >= 0: the power series below 8, a fit in 1/x above."""
    if x <= I_SPLIT:
        return math.exp(-x) * _horner(I_NEAR, 0.25 * x * x)
    return _horner(I_FAR, 2 * I_SPLIT / x - 1) / math.sqrt(x)


@njit(cache=True, nogil=True)
def k0e(x: float) -> Any:
    """exp(x) K₀(x) for x > 0: the power series below 2 (Abramowitz and Stegun 9.6.13), a fit in 1/x above."""
    if x <= K_SPLIT:
        t = 0.25 * x * x
        return math.exp(x) * (_horner(K_NEAR, t) - (math.log(0.5 * x) + np.euler_gamma) * _horner(I_NEAR, t))
    return _horner(K_FAR, 2 * K_SPLIT / x - 1) / math.sqrt(x)


@njit(cache=True, nogil=True)
def throughput_2d(z: float) -> Any:
    """1 / I₀(z): the share of walkers that reach the circle."""
    return math.exp(-z) / i0e(z)


@njit(cache=True, nogil=True)
def throughput_3d(z: float) -> Any:
    """z / sinh z: the share of walkers that reach the sphere."""
    return -2.0 * z * math.exp(-z) / math.expm1(-2.0 * z) if z > 0.0 else 1.0


@njit(cache=True, nogil=True)
def screened_2d(radius: float, root: float, r: float) -> Any:
    """G(r) with screening root², over G(r) without: in (0, 1]."""
    z, x = root * radius, root * r
    if z < 1e-6:
        return 1.0
    outer = k0e(z) / i0e(z) * math.exp(2.0 * (x - z))
    return math.exp(-x) * (k0e(x) - i0e(x) * outer) / math.log(radius / r)


@njit(cache=True, nogil=True)
def screened_3d(radius: float, root: float, r: float) -> Any:
    """G(r) with screening root², over G(r) without: in (0, 1]."""
    z, gap = root * radius, root * (radius - r)
    if gap <= 0.0:
        return throughput_3d(z)
    return z / gap * math.exp(gap - z) * math.expm1(-2.0 * gap) / math.expm1(-2.0 * z)


@njit(cache=True, nogil=True)
def _left_2d(z: float, x: float) -> Any:
    """The probability that a walker absorbed at x in the whole plane had left the circle z before."""
    return i0e(x) * k0e(z) / (k0e(x) * i0e(z)) * math.exp(2.0 * (x - z))


@njit(cache=True, nogil=True)
def _left_3d(z: float, x: float) -> Any:
    """The same in space, for the sphere z."""
    return 1.0 - math.expm1(2.0 * (x - z)) / math.expm1(-2.0 * z)


@njit(cache=True, nogil=True)
def absorbed_2d(radius: float, root: float, a: float, b: float, c: float) -> Any:
    """The distance at which a walker from the centre is absorbed at the rate root² > 0, or ``radius`` if it gets out.

    The density of the distance is 2π r root² G(r). a, b, c: independent uniform numbers in (0, 1). In the plane the
    walker is absorbed after an exponential time, normally distributed in both coordinates.
    """
    x, z = 2.0 * math.sqrt(math.log(a) * math.log(b)), root * radius
    return x / root if x < z and c > _left_2d(z, x) else radius


@njit(cache=True, nogil=True)
def absorbed_3d(radius: float, root: float, a: float, b: float, c: float) -> Any:
    """The same in space: density 4π r² root² G(r); in the whole space the distance has a gamma distribution."""
    x, z = -math.log(a * b), root * radius
    return x / root if x < z and c > _left_3d(z, x) else radius


@njit(cache=True, nogil=True)
def source_2d(radius: float, root: float, a: float, b: float) -> Any:
    """(distance, weight) with E[weight · mean of φ over that circle] = ∫ G φ over the disc; weights are bounded.

    Without screening the weight is radius²/4.
    """
    if root * radius < WIDE:
        r = radius * math.sqrt(a * b)
        return r, 0.25 * radius * radius * (screened_2d(radius, root, r) if root > 0.0 else 1.0)
    x, z = 2.0 * math.sqrt(math.log(a) * math.log(b)), root * radius
    return (x / root, (1.0 - _left_2d(z, x)) / (root * root)) if x < z else (radius, 0.0)


@njit(cache=True, nogil=True)
def source_3d(radius: float, root: float, a: float, b: float) -> Any:
    """The same for spheres in a ball; without screening the weight is radius²/6."""
    if root * radius < WIDE:
        r = radius * math.sqrt(a) * b ** (1.0 / 3.0)
        return r, radius * radius / 6.0 * (screened_3d(radius, root, r) if root > 0.0 else 1.0)
    x, z = -math.log(a * b), root * radius
    return (x / root, (1.0 - _left_3d(z, x)) / (root * root)) if x < z else (radius, 0.0)
