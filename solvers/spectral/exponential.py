"""Exponential integrators for u_t = L u + N(u), L diagonal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.compiled import compiled

type Complex = NDArray[np.complex128]
CIRCLE = 32
"""Points of the circle over which coefficients are averaged."""


class Exponential(ABC):
    """One scheme: its coefficients, and its step with them, [S, modes] each, S = 1 where all samples share them."""

    order: ClassVar[int]
    evaluations: ClassVar[int]
    """Evaluations of N per step."""

    @abstractmethod
    def coefficients(self, linear: Array | Complex, step: float) -> tuple[Array | Complex, ...]:
        """What a step needs, [modes] each."""

    @abstractmethod
    def step(self, u: Complex, parts: tuple[Any, ...], tendency: Callable[[Complex, Complex], None], work: Any) -> None:
        """Advance u [samples, modes] in place; ``tendency(u, out)`` is N, ``work`` at least six arrays like u."""


class ETDRK4(Exponential):
    """Fourth order: Cox and Matthews 2002, "Exponential time differencing for stiff systems", eqs. (26)-(29);
    the coefficients by contour integrals: Kassam and Trefethen 2005, "Fourth-order time-stepping for stiff PDEs",
    eq. (2.5)."""

    order = 4
    evaluations = 4

    def coefficients(self, linear: Array | Complex, step: float) -> tuple[Array | Complex, ...]:
        z, mean = _circles(linear * step)
        e = np.exp(z)
        half = step * mean((np.exp(0.5 * z) - 1.0) / z)
        cubes = z**3
        first = step * mean((-4.0 - z + e * (4.0 - 3.0 * z + z * z)) / cubes)
        middle = step * mean((2.0 + z + e * (z - 2.0)) / cubes)
        last = step * mean((-4.0 - 3.0 * z - z * z + e * (4.0 - z)) / cubes)
        return np.exp(linear * step), np.exp(0.5 * linear * step), half, first, 2.0 * middle, last

    def step(self, u: Complex, parts: tuple[Any, ...], tendency: Callable[[Complex, Complex], None], work: Any) -> None:
        whole, half, q, first, middle, last = parts
        n0, na, nb, nc, a, b = work[:6]
        tendency(u, n0)
        _stage(a, half, u, q, 1.0, n0, 0.0, n0)
        tendency(a, na)
        _stage(b, half, u, q, 1.0, na, 0.0, na)
        tendency(b, nb)
        _stage(b, half, a, q, 2.0, nb, -1.0, n0)
        tendency(b, nc)
        _finish4(u, whole, first, middle, last, n0, na, nb, nc)


class ETDRK2(Exponential):
    """Second order: Cox and Matthews 2002, eq. (22)."""

    order = 2
    evaluations = 2

    def coefficients(self, linear: Array | Complex, step: float) -> tuple[Array | Complex, ...]:
        z, mean = _circles(linear * step)
        e = np.exp(z)
        return np.exp(linear * step), step * mean((e - 1.0) / z), step * mean((e - 1.0 - z) / (z * z))

    def step(self, u: Complex, parts: tuple[Any, ...], tendency: Callable[[Complex, Complex], None], work: Any) -> None:
        whole, first, last = parts
        n0, na, a = work[:3]
        tendency(u, n0)
        _stage(a, whole, u, first, 1.0, n0, 0.0, n0)
        tendency(a, na)
        _add(u, a, last, na, n0)


def _circles(z: Array | Complex) -> tuple[Complex, Callable[[Complex], Array | Complex]]:
    """Points on circles of radius 1 around z, [..., CIRCLE], and the mean over them: real for real z, from the upper
    half of the circles."""
    real = not np.iscomplexobj(z)
    turns = (np.arange(1, CIRCLE + 1) - 0.5) / CIRCLE
    around = np.asarray(z)[..., None] + np.exp(1j * np.pi * turns * (1.0 if real else 2.0))

    def mean(values: Complex) -> Array | Complex:
        found = values.mean(axis=-1)
        return np.ascontiguousarray(found.real) if real else np.asarray(found, np.complex128)

    return np.asarray(around, np.complex128), mean


@compiled()
def _stage(out, e, u, q, c1, n1, c2, n2):  # type: ignore[no-untyped-def]
    """out = e u + q (c1 n1 + c2 n2); e and q may be shared by all samples."""
    own = e.shape[0] - 1
    for b in range(u.shape[0]):
        s = min(b, own)
        for m in range(u.shape[1]):
            out[b, m] = e[s, m] * u[b, m] + q[s, m] * (c1 * n1[b, m] + c2 * n2[b, m])


@compiled()
def _finish4(u, e, f1, f2, f3, n0, na, nb, nc):  # type: ignore[no-untyped-def]
    """u = e u + f1 n0 + f2 (na + nb) + f3 nc."""
    own = e.shape[0] - 1
    for b in range(u.shape[0]):
        s = min(b, own)
        for m in range(u.shape[1]):
            u[b, m] = e[s, m] * u[b, m] + f1[s, m] * n0[b, m] + f2[s, m] * (na[b, m] + nb[b, m]) + f3[s, m] * nc[b, m]


@compiled()
def _add(u, a, f, n1, n0):  # type: ignore[no-untyped-def]
    """u = a + f (n1 - n0)."""
    own = f.shape[0] - 1
    for b in range(u.shape[0]):
        s = min(b, own)
        for m in range(u.shape[1]):
            u[b, m] = a[b, m] + f[s, m] * (n1[b, m] - n0[b, m])
