"""Steps in time of PDEBench's and LPSDA's generators on a periodic line, written anew from their formulas.

Sources: pdebench/PDEBench (data_gen_NLE: AdvectionEq, BurgersEq, ReactionDiffusionEq, utils.py),
brandstetter-johannes/LPSDA (generate/generate_data.py). The unit box has n cells; in float32 as there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from pdemill.points import Array
from pdemill.solvers.compiled import compiled

type Single = NDArray[np.float32]
FRAME = 0.01
"""Between stored times, at which a step ends."""


def _limited(u: Single) -> Single:
    """Slopes over cells by van Leer's limiter."""
    before, after = u - np.roll(u, 1), np.roll(u, -1) - u
    least = np.minimum(2.0 * np.minimum(np.abs(before), np.abs(after)), np.abs(0.5 * (before + after)))
    return np.asarray(np.sign(before + after) * np.where(before * after > 0.0, least, 0.0), np.float32)


def advection(u: Array, speed: float, end: float) -> Array:
    """u_t + speed u_x = 0: upwind fluxes of limited lines, the midpoint rule, 0.4 cells a step."""
    return _marched(u, end, 0.4 / abs(speed), lambda left, right: speed * (left if speed > 0.0 else right), 0.0)


def burgers(u: Array, viscosity: float, end: float) -> Array:
    """u_t + (u^2 / 2)_x = viscosity u_xx: Roe's flux without an entropy fix, explicit diffusion, a quarter of what
    either allows a step."""

    def flux(left: Single, right: Single) -> Single:
        waves = 0.5 * np.abs(left + right) * (right - left)
        return np.asarray(0.5 * (0.5 * left**2 + 0.5 * right**2 - waves), np.float32)

    return _marched(u, end, 0.25, flux, viscosity)


def _marched(u: Array, end: float, courant: float, flux: Callable[[Single, Single], Single], viscosity: float) -> Array:
    """``courant``: cells that the fastest value may go in a step; that of advection has its speed in it."""
    state, n = u.astype(np.float32), u.size
    linear = viscosity == 0.0

    def rate(w: Single) -> Single:
        slopes = _limited(w)
        through = flux(w + 0.5 * slopes, np.roll(w - 0.5 * slopes, -1))
        if viscosity:
            through = through - np.float32(viscosity * n) * (np.roll(w, -1) - w)
        return np.asarray((np.roll(through, 1) - through) * n, np.float32)

    for _ in range(round(end / FRAME)):
        left = FRAME
        while left > 1e-8:
            fastest = 1.0 if linear else float(np.abs(state).max()) + 1e-8
            step = min(left, courant / n / fastest)
            if viscosity:
                step = min(step, courant * 0.5 / n**2 / viscosity)
            middle = state + np.float32(0.5 * step) * rate(state)
            state = state + np.float32(step) * rate(middle)
            left -= step
    return state.astype(np.float64)


@compiled()
def _reacted(u: NDArray[np.floating], steps: int, decay: NDArray[np.floating], number: NDArray[np.floating]) -> None:
    """``decay``: exp(-rho step) of half a step and of one; ``number``: nu step / dx^2 of both; one each of its type."""
    one, n = decay[0] / decay[0], len(u)
    middle = np.empty_like(u)
    for _ in range(steps):
        for i in range(n):
            bend = u[i - 1] - u[i] - (u[i] - u[(i + 1) % n])
            middle[i] = one / (one + decay[0] * (one - u[i]) / u[i]) + number[0] * bend
        for i in range(n):
            bend = middle[i - 1] - middle[i] - (middle[i] - middle[(i + 1) % n])
            u[i] = one / (one + decay[1] * (one - u[i]) / u[i]) + number[1] * bend


def fisher(u: Array, viscosity: float, rate: float, end: float, kind: type[np.floating] = np.float32) -> Array:
    """u_t = viscosity u_xx + rate u (1 - u): the reaction exact in every cell, then explicit diffusion of the state
    after half a step, a quarter of what that allows a step."""
    state = u.astype(kind)
    step = 0.25 * 0.5 / u.size**2 / viscosity
    steps = round(end / step)
    parts = np.array([0.5, 1.0]) * end / steps
    _reacted(state, steps, np.exp(-rate * parts).astype(kind), (viscosity * u.size**2 * parts).astype(kind))
    return state.astype(np.float64)


def radau_kdv(field: Array, length: float, end: float, tolerance: float = 1e-9) -> Array:
    """LPSDA's script for u_t = -u u_x - u_xxx: derivatives by transforms without the 2/3 rule, SciPy's Radau."""
    k = 2.0 * np.pi / length * np.arange(field.size // 2 + 1)
    k[-1] = 0.0

    def rate(_: float, u: Array) -> Array:
        spectrum = scipy.fft.rfft(u)
        first, third = scipy.fft.irfft(np.stack([1j * k, -1j * k**3]) * spectrum, n=u.size)
        return np.asarray(-u * first - third)

    found = solve_ivp(rate, (0.0, end), field, method="Radau", rtol=tolerance, atol=tolerance, t_eval=[end])
    return np.asarray(found.y[:, -1])
