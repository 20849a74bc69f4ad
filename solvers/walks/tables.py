"""Smooth functions from their values on a tensor grid: a quintic spline, and fine tables for compiled code.

Walks average a table over smooth densities of points, and what counts is the mean of its interpolant over a cell, not
its value at a node. Linear interpolation loses h²/12 times the second derivative there, always to the same side: 6 % of
u for a coefficient with 10 periods on 257 nodes. ``sharpen`` changes the nodal values so that the means are right to
O(h⁶). Relative bias of u in one dimension, k = exp(a sin 2π m x), table of n nodes, plain and sharpened:

    a    m     n = 257              n = 513              n = 1025
    0.3  10    6e-2 -> 7e-6         1e-2 -> 1e-7         4e-3 -> 8e-9
    1.0  10    6e-1 -> 3e-4         2e-1 -> 5e-6         6e-2 -> 2e-7
    0.3  20    5e-1 -> 1e-3         2e-1 -> 2e-5         6e-2 -> 2e-7
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import BSpline, NdBSpline, make_interp_spline

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.compiled import compiled

DEGREE = 5
GHOSTS = 2
"""Nodes beyond each end of an axis that ``sharpen`` reads and drops."""
SHARPEN = (1 / 90, -1 / 12 - 4 / 90, 1 + 2 / 12 + 6 / 90, -1 / 12 - 4 / 90, 1 / 90)
"""1 - δ²/12 + δ⁴/90: the inverse of the damping sinc²(κh/2) of linear interpolation, to O(h⁶)."""


class Spline:
    """The quintic tensor-product spline through values on a tensor grid; O(h⁶), its Laplacian O(h⁴).

    axes: one increasing array of at least 6 places per dimension; values: shape (len(axis) for each axis).
    """

    def __init__(self, axes: Sequence[ArrayLike], values: ArrayLike) -> None:
        places = [np.asarray(axis, float) for axis in axes]
        coefficients = np.asarray(values, float)
        if coefficients.shape != tuple(len(axis) for axis in places):
            raise SolverError(
                f"values of shape {coefficients.shape} do not fit axes of {[len(a) for a in places]} places"
            )
        if min(coefficients.shape) <= DEGREE or not np.isfinite(coefficients).all():
            raise SolverError("a quintic spline needs finite values at six or more places along every axis")
        self._knots: list[Array] = []
        for number, axis in enumerate(places):
            along = make_interp_spline(axis, np.moveaxis(coefficients, number, 0), k=DEGREE)
            coefficients = np.moveaxis(along.c, 0, number)
            self._knots.append(along.t)
        self.dimension = len(places)
        self._coefficients = coefficients
        self._spline = NdBSpline(tuple(self._knots), coefficients, DEGREE)

    def __call__(self, points: ArrayLike, orders: Sequence[int] | None = None) -> Array:
        """Values, or derivatives of the given order along each axis, at points [..., d]; shape [...]."""
        return np.asarray(self._spline(np.asarray(points, float), nu=orders))

    def gradient(self, points: ArrayLike) -> Array:
        """Shape [..., d]."""
        return np.stack([self(points, orders) for orders in np.eye(self.dimension, dtype=int).tolist()], axis=-1)

    def laplacian(self, points: ArrayLike) -> Array:
        """Shape [...]."""
        return np.asarray(sum(self(points, orders) for orders in (2 * np.eye(self.dimension, dtype=int)).tolist()))

    def on(self, axes: Sequence[Array], orders: Sequence[int] | None = None) -> Array:
        """The same on another tensor grid, axis after axis: much faster than point by point."""
        values = self._coefficients
        for number, (axis, knots) in enumerate(zip(axes, self._knots, strict=True)):
            along = BSpline(knots, np.moveaxis(values, number, 0), DEGREE)
            values = np.moveaxis(along(axis, nu=orders[number] if orders else 0), 0, number)
        return np.asarray(values)


class Raster(NamedTuple):
    """A uniform tensor grid over a box, for compiled code: node i has place lower + i · spacing along each axis."""

    lower: Array
    spacing: Array
    inverse: Array
    """1 / spacing."""
    counts: NDArray[np.int64]


def make_raster(lower: ArrayLike, upper: ArrayLike, nodes: int) -> Raster:
    """``nodes`` nodes along every axis of the box from ``lower`` to ``upper`` [d]."""
    low, high = np.asarray(lower, float), np.asarray(upper, float)
    spacing = (high - low) / (nodes - 1)
    return Raster(low, spacing, 1 / spacing, np.full(len(low), nodes, dtype=np.int64))


def axes_of(grid: Raster, ghosts: int = 0) -> list[Array]:
    """The places of the nodes along each axis, with ``ghosts`` more beyond each end."""
    steps = [np.arange(-ghosts, count + ghosts) for count in grid.counts]
    return [low + step * h for low, step, h in zip(grid.lower, steps, grid.spacing, strict=True)]


def sharpen(values: Array) -> Array:
    """Nodal values whose linear interpolant has the means of the smooth function; drops ``GHOSTS`` at all ends."""
    for axis in range(values.ndim):
        count = values.shape[axis] - 2 * GHOSTS
        moved = np.moveaxis(values, axis, 0)
        values = np.moveaxis(np.sum([c * moved[i : i + count] for i, c in enumerate(SHARPEN)], axis=0), 0, axis)
    return values


@compiled(nogil=True)
def cell(grid: Any, axis: int, x: float) -> Any:
    """(number of the cell, place in it from 0 to 1) along one axis; the nearest cell for a place outside."""
    t = (x - grid.lower[axis]) * grid.inverse[axis]
    i = min(max(int(t), 0), grid.counts[axis] - 2)
    return i, min(max(t - i, 0.0), 1.0)


@compiled(nogil=True)
def cubic(grid: Any, axis: int, x: float) -> Any:
    """(first of four nodes, their weights) of cubic Lagrange interpolation along one axis; error 0.024 (κh)⁴."""
    t = (x - grid.lower[axis]) * grid.inverse[axis]
    i = min(max(int(t) - 1, 0), grid.counts[axis] - 4)
    a = t - i
    b, c, d = a - 1.0, a - 2.0, a - 3.0
    return i, (-b * c * d / 6.0, 0.5 * a * c * d, -0.5 * a * b * d, a * b * c / 6.0)
