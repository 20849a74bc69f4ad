"""Advection on box grids: -div(b u) - sum_i d_i(s u^2 / 2), explicit in every step.

Fluxes go through faces, from the values that limited linear reconstructions have there on both sides, MUSCL (van Leer
1979, "Towards the ultimate conservative difference scheme V", J. Comput. Phys. 32). With the differences p and q to
both neighbours the slope is 2 p q / (p + q) where their signs agree, else 0 (van Leer 1974, the same II, J. Comput.
Phys. 14), times 1 - ((p - q) / (p + q))^8: without this its derivative jumps where it vanishes, and errors in time have
no order. The flux of b u is that of the upwind side, the one of s u^2 / 2 Engquist's and Osher's (1981, "One-sided
difference approximations for nonlinear conservation laws", Math. Comp. 36), Godunov's with smooth derivatives. Second
order where u is smooth, first at its extrema; explicit Euler steps of at most twice ``longest`` make no new extremum
where b has no divergence on the grid.
"""

from __future__ import annotations

from math import inf, prod

import numpy as np

from pdemill.points import Array
from pdemill.solvers.compiled import compiled
from pdemill.solvers.instance import Instance
from pdemill.solvers.operators.box import BoxGrid
from pdemill.spec.domain import BOX_SIDES
from pdemill.spec.terms import NOWHERE


class Advection:
    """The terms of one unknown of one sample. On a side the value outside is u_s = alpha u_P + beta of the grid; what
    leaves takes the value inside, whatever the condition. Values on sides may depend on t, velocities may not."""

    def __init__(self, instance: Instance, grid: BoxGrid) -> None:
        terms, self.grid, self._instance = instance.terms, grid, instance
        self.strength = 0.0 if terms.self_advection is None else float(terms.self_advection(NOWHERE))
        self._axes = []
        self._out, self._inflow = np.zeros(grid.shape), 0.0
        for axis in range(grid.dimension):
            speed = np.zeros(_padded(grid.shape, axis))
            if terms.advection:
                self._fill(speed, terms.advection[axis](grid.face_points[axis]), axis)
            self._axes.append((speed, *self._sides(instance, axis)))

    def _fill(self, speed: Array, values: Array | float, axis: int) -> None:
        """Velocities at the faces of an axis, each under the number of the padded cell before it."""
        outer, n, inner = _split(self.grid.shape, axis)
        faces = np.broadcast_to(values, self.grid.face_points[axis].shape).reshape(outer, n + 1, inner)
        speed[:, : n + 1] = faces
        if self.grid.periodic[axis]:
            speed[:, n] = speed[:, 0]
        leaving = np.maximum(speed[:, 1:-1], 0.0) - np.minimum(speed[:, :-2], 0.0)
        self._out += (2.0 / self.grid.spacing[axis] * leaving).reshape(self.grid.shape)

    def _sides(self, instance: Instance, axis: int) -> tuple[Array, Array]:
        """alpha and beta [2, outer, inner] of the low and the high side."""
        outer, _, inner = _split(self.grid.shape, axis)
        alpha, beta = np.ones((2, outer, inner)), np.zeros((2, outer, inner))
        if self.grid.periodic[axis]:
            return alpha, beta
        k = instance.terms.diffusion[axis if len(instance.terms.diffusion) > 1 else 0](self.grid.points)
        k = np.moveaxis(np.broadcast_to(k, self.grid.shape), axis, 0)
        for high, side in enumerate(BOX_SIDES[axis]):
            across = k[-high]
            if not across.any():  # nothing diffuses: the side has a given value, or none
                across = np.ones_like(across)
            a, b = self.grid.face_value(instance, side, across, self.grid.spacing[axis])
            alpha[high] = np.broadcast_to(a, across.shape).reshape(outer, inner)
            beta[high] = np.broadcast_to(b, across.shape).reshape(outer, inner)
        return alpha, beta

    def longest(self, u: Array) -> float:
        """Half the longest explicit Euler step that makes no new extremum of u, so that the run with doubled steps
        makes none either; where u is squared, as long as |u| stays below its largest value now, on sides too."""
        rate = float(self._out.max())
        if self.strength:
            given = max(float(np.abs(beta).max()) for _, _, beta in self._axes)
            largest = max(float(np.abs(u).max()), given)
            rate += 2.0 * abs(self.strength) * largest * sum(1.0 / h for h in self.grid.spacing)
        return 0.5 / rate if rate > 0.0 else inf

    def __call__(self, u: Array, t: float) -> Array:
        """The terms for the unknowns u [n] at the time t."""
        out, grid = np.zeros_like(u), self.grid
        now = self._instance.at_time(t)
        for axis, (speed, alpha, beta) in enumerate(self._axes):
            if now is not self._instance:
                alpha, beta = self._sides(now, axis)
            lines = _split(grid.shape, axis)
            work = np.empty((3, *speed.shape))
            _advect(
                out.reshape(lines), u.reshape(lines), speed, self.strength, alpha, beta, grid.periodic[axis],
                1.0 / grid.spacing[axis], work,
            )  # fmt: skip
        return out


def _split(shape: tuple[int, ...], axis: int) -> tuple[int, int, int]:
    """Cells before, along and after an axis."""
    return prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])


def _padded(shape: tuple[int, ...], axis: int) -> tuple[int, int, int]:
    outer, n, inner = _split(shape, axis)
    return outer, n + 2, inner


@compiled(error_model="numpy")
def _advect(out, u, speed, strength, alpha, beta, joined, scale, work):  # type: ignore[no-untyped-def]
    """Add the differences of the fluxes along the middle axis. Cells are padded by one at both ends, and loops run over
    whole flat arrays: what stands across the ends of two lines is never used."""
    outer, n, inner = u.shape
    wide, half, flux = work[0], work[1], work[2]
    for o in range(outer):
        for i in range(n):
            for j in range(inner):
                wide[o, i + 1, j] = u[o, i, j]
        for j in range(inner):
            if joined:
                wide[o, 0, j], wide[o, n + 1, j] = u[o, n - 1, j], u[o, 0, j]
            else:  # so far outside that the mean with the cell is the value on the side
                wide[o, 0, j] = (2.0 * alpha[0, o, j] - 1.0) * u[o, 0, j] + 2.0 * beta[0, o, j]
                wide[o, n + 1, j] = (2.0 * alpha[1, o, j] - 1.0) * u[o, n - 1, j] + 2.0 * beta[1, o, j]
    _halves(wide.reshape(-1), half.reshape(-1), inner)
    for o in range(outer):
        for j in range(inner):
            if joined:
                half[o, 0, j], half[o, n + 1, j] = half[o, n, j], half[o, 1, j]
            else:
                half[o, 0, j] = 0.5 * (wide[o, 1, j] - wide[o, 0, j])
                half[o, n + 1, j] = 0.5 * (wide[o, n + 1, j] - wide[o, n, j])
    _carried(wide.reshape(-1), half.reshape(-1), speed.reshape(-1), flux.reshape(-1), inner)
    if strength != 0.0:
        _squared(wide.reshape(-1), half.reshape(-1), 0.5 * strength, flux.reshape(-1), inner)
    for o in range(outer):
        for i in range(n):
            for j in range(inner):
                out[o, i, j] -= scale * (flux[o, i + 1, j] - flux[o, i, j])


@compiled(error_model="numpy")
def _halves(u, half, step):  # type: ignore[no-untyped-def]
    """Half the limited slopes."""
    half[:step] = 0.0
    half[u.size - step :] = 0.0
    for k in range(step, u.size - step):
        p, q = u[k] - u[k - step], u[k + step] - u[k]
        mean = p * (q / (p + q))
        apart = (p - q) / (p + q)
        square = apart * apart
        rounded = mean * (1.0 - square * square * square * square)
        half[k] = rounded if p * q > 0.0 else 0.0


@compiled(error_model="numpy")
def _carried(u, half, speed, flux, step):  # type: ignore[no-untyped-def]
    """b u at the face after every cell, from where it comes."""
    flux[u.size - step :] = 0.0
    for k in range(u.size - step):
        left, right = u[k] + half[k], u[k + step] - half[k + step]
        flux[k] = max(speed[k], 0.0) * left + min(speed[k], 0.0) * right


@compiled(error_model="numpy")
def _squared(u, half, factor, flux, step):  # type: ignore[no-untyped-def]
    """Engquist's and Osher's flux of u^2: the squares of what runs into the face, which -u does where factor < 0."""
    sign = 1.0 if factor > 0.0 else -1.0
    for k in range(u.size - step):
        left, right = max(sign * (u[k] + half[k]), 0.0), min(sign * (u[k + step] - half[k + step]), 0.0)
        flux[k] += factor * (left * left + right * right)
