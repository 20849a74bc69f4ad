"""Exponential integrators for u_t = L u + N(u), L diagonal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.compiled import compiled
from pdemill.solvers.spectral.lanes import LANES, load, splat, store
from pdemill.solvers.spectral.tendency import tendency
from pdemill.solvers.spectral.transforms import times

type Complex = NDArray[np.complex128]
type Coefficients = tuple[Array | Complex, ...]
CIRCLE = 32
"""Points of the circle over which coefficients are averaged."""


class Exponential(ABC):
    """One scheme: its coefficients, and its steps with them."""

    order: ClassVar[int]
    evaluations: ClassVar[int]
    """Evaluations of N per step."""
    march: ClassVar[Any]
    """``march(states, steps, parts, plan, quadratic, work, space)``: compiled; advances states [samples, planes] in
    place. ``parts``: the coefficients, [S, planes] each, S = 1 where all samples share them, of real ones no imaginary
    parts; ``work``: [7, planes]."""

    @abstractmethod
    def step(self, u: Complex, parts: Coefficients, rates: Callable[[Complex], Complex]) -> Complex:
        """The states [samples, numbers] after a step, in numpy; ``parts``: the coefficients, [S, numbers] each;
        ``rates``: N."""

    @abstractmethod
    def coefficients(self, linear: Array | Complex, step: float) -> tuple[Array | Complex, ...]:
        """What a step needs, [modes] each."""


@compiled(forceinline=True)
def _times(c, m, v, xr, xi):  # type: ignore[no-untyped-def]
    """Vector number m of c times a number; c has v vectors of real parts, and as many of imaginary ones or none."""
    cr = load(c, m)
    if c.size == v * LANES:
        return cr * xr, cr * xi
    ci = load(c, v + m)
    return cr * xr - ci * xi, cr * xi + ci * xr


@compiled()
def _stage(out, e, u, q, c1, n1, c2, n2):  # type: ignore[no-untyped-def]
    """out = e u + q (c1 n1 + c2 n2)."""
    v = u.size // (2 * LANES)
    a, b = splat(c1), splat(c2)
    for m in range(v):
        ur, ui = _times(e, m, v, load(u, m), load(u, v + m))
        nr, ni = a * load(n1, m) + b * load(n2, m), a * load(n1, v + m) + b * load(n2, v + m)
        nr, ni = _times(q, m, v, nr, ni)
        store(out, m, ur + nr)
        store(out, v + m, ui + ni)


@compiled()
def _finish4(u, e, f1, f2, f3, n0, na, nb, nc):  # type: ignore[no-untyped-def]
    """u = e u + f1 n0 + f2 (na + nb) + f3 nc."""
    v = u.size // (2 * LANES)
    for m in range(v):
        xr, xi = _times(e, m, v, load(u, m), load(u, v + m))
        nr, ni = _times(f1, m, v, load(n0, m), load(n0, v + m))
        xr, xi = xr + nr, xi + ni
        nr, ni = _times(f2, m, v, load(na, m) + load(nb, m), load(na, v + m) + load(nb, v + m))
        xr, xi = xr + nr, xi + ni
        nr, ni = _times(f3, m, v, load(nc, m), load(nc, v + m))
        store(u, m, xr + nr)
        store(u, v + m, xi + ni)


@compiled()
def _etdrk4(states, steps, parts, plan, quadratic, work, space):  # type: ignore[no-untyped-def]
    n0, na, nb, nc, a, b = work[0], work[1], work[2], work[3], work[4], work[5]
    for i in range(states.shape[0]):
        u = states[i]
        s = min(i, parts[0].shape[0] - 1)
        whole, half, q, first, middle, last = (
            parts[0][s], parts[1][s], parts[2][s], parts[3][s], parts[4][s], parts[5][s]
        )  # fmt: skip
        for _ in range(steps):
            tendency(u, n0, plan, quadratic, i, space)
            _stage(a, half, u, q, 1.0, n0, 0.0, n0)
            tendency(a, na, plan, quadratic, i, space)
            _stage(b, half, u, q, 1.0, na, 0.0, na)
            tendency(b, nb, plan, quadratic, i, space)
            _stage(b, half, a, q, 2.0, nb, -1.0, n0)
            tendency(b, nc, plan, quadratic, i, space)
            _finish4(u, whole, first, middle, last, n0, na, nb, nc)


@compiled()
def _etdrk2(states, steps, parts, plan, quadratic, work, space):  # type: ignore[no-untyped-def]
    n0, na, a = work[0], work[1], work[2]
    for i in range(states.shape[0]):
        u = states[i]
        s = min(i, parts[0].shape[0] - 1)
        whole, first, last = parts[0][s], parts[1][s], parts[2][s]
        for _ in range(steps):
            tendency(u, n0, plan, quadratic, i, space)
            _stage(a, whole, u, first, 1.0, n0, 0.0, n0)
            tendency(a, na, plan, quadratic, i, space)
            _add(u, a, last, na, n0)


@compiled()
def _add(u, a, f, n1, n0):  # type: ignore[no-untyped-def]
    """u = a + f (n1 - n0)."""
    v = u.size // (2 * LANES)
    for m in range(v):
        nr, ni = _times(f, m, v, load(n1, m) - load(n0, m), load(n1, v + m) - load(n0, v + m))
        store(u, m, load(a, m) + nr)
        store(u, v + m, load(a, v + m) + ni)


class ETDRK4(Exponential):
    """Fourth order: Cox and Matthews 2002, "Exponential time differencing for stiff systems", eqs. (26)-(29);
    the coefficients by contour integrals: Kassam and Trefethen 2005, "Fourth-order time-stepping for stiff PDEs",
    eq. (2.5)."""

    order = 4
    evaluations = 4
    march = staticmethod(_etdrk4)

    def coefficients(self, linear: Array | Complex, step: float) -> tuple[Array | Complex, ...]:
        z, mean = _circles(linear * step)
        e = np.exp(z)
        half = step * mean((np.exp(0.5 * z) - 1.0) / z)
        cubes = z**3
        first = step * mean((-4.0 - z + e * (4.0 - 3.0 * z + z * z)) / cubes)
        middle = step * mean((2.0 + z + e * (z - 2.0)) / cubes)
        last = step * mean((-4.0 - 3.0 * z - z * z + e * (4.0 - z)) / cubes)
        return np.exp(linear * step), np.exp(0.5 * linear * step), half, first, 2.0 * middle, last

    def step(self, u: Complex, parts: Coefficients, rates: Callable[[Complex], Complex]) -> Complex:
        whole, half, q, first, middle, last = parts
        known, n0 = times(half, u), rates(u)
        a = known + times(q, n0)
        na = rates(a)
        nb = rates(known + times(q, na))
        nc = rates(times(half, a) + times(q, 2.0 * nb - n0))
        return times(whole, u) + times(first, n0) + times(middle, na + nb) + times(last, nc)


class ETDRK2(Exponential):
    """Second order: Cox and Matthews 2002, eq. (22)."""

    order = 2
    evaluations = 2
    march = staticmethod(_etdrk2)

    def coefficients(self, linear: Array | Complex, step: float) -> tuple[Array | Complex, ...]:
        z, mean = _circles(linear * step)
        e = np.exp(z)
        return np.exp(linear * step), step * mean((e - 1.0) / z), step * mean((e - 1.0 - z) / (z * z))

    def step(self, u: Complex, parts: Coefficients, rates: Callable[[Complex], Complex]) -> Complex:
        whole, first, last = parts
        n0 = rates(u)
        a = times(whole, u) + times(first, n0)
        return a + times(last, rates(a) - n0)


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
