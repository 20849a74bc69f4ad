"""Overloads for two and three dimensions, for kernels that are written once for both.

A point p is a tuple of 2 or 3 numbers; numba chooses the implementation by its length.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba.extending import overload

from pdemill.solvers.walks import green
from pdemill.solvers.walks.geometry import reach2, reach3, touch2, touch3
from pdemill.solvers.walks.philox import sin_cos, uniform
from pdemill.solvers.walks.tables import cell, cubic


def load(points: Any, i: int, like: Any) -> Any:
    """Row i of an array [n, d] as a point; ``like``: any point."""
    raise NotImplementedError


def save(points: Any, i: int, j: int, p: Any) -> Any:
    """Write a point to an array [n, m, d]."""
    raise NotImplementedError


def ahead(p: Any, r: float, c0: Any, c1: Any) -> Any:
    """The point at distance r from p in the direction of two random words (the plane needs one)."""
    raise NotImplementedError


def reach(shape: Any, p: Any) -> Any:
    """``geometry.reach2`` or ``reach3``: (radius, hint)."""
    raise NotImplementedError


def touch(shape: Any, hint: Any, p: Any) -> Any:
    """``geometry.touch2`` or ``touch3``: (point, element)."""
    raise NotImplementedError


def flight(p: Any, z: float, a: float, b: float) -> Any:
    """``green.flight_2d`` or ``flight_3d``."""
    raise NotImplementedError


def left(p: Any, z: float, x: float) -> Any:
    """``green.left_2d`` or ``left_3d``."""
    raise NotImplementedError


def blend(grid: Any, values: Any, p: Any) -> Any:
    """Linear interpolation of both channels of a table [n, n(, n), 2]."""
    raise NotImplementedError


def smooth(grid: Any, values: Any, p: Any) -> Any:
    """Cubic interpolation of a table [n, n(, n)]."""
    raise NotImplementedError


def scatter(grid: Any, p: Any, a: float, b: float, c: float) -> Any:
    """The flat number of one node of p's cell: the mean over uniform a, b, c is linear interpolation."""
    raise NotImplementedError


def _in_plane_and_space(operation: Any, point: int, plane: Callable[..., Any], space: Callable[..., Any]) -> None:
    @overload(operation, strict=False)
    def _choose(*arguments: Any) -> Callable[..., Any]:
        return plane if len(arguments[point]) == 2 else space


_in_plane_and_space(
    load,
    2,
    lambda points, i, like: (points[i, 0], points[i, 1]),
    lambda points, i, like: (points[i, 0], points[i, 1], points[i, 2]),
)


def _save2(points: Any, i: int, j: int, p: Any) -> None:
    points[i, j, 0], points[i, j, 1] = p


def _save3(points: Any, i: int, j: int, p: Any) -> None:
    points[i, j, 0], points[i, j, 1], points[i, j, 2] = p


def _ahead2(p: Any, r: float, c0: Any, c1: Any) -> Any:
    s, c = sin_cos(c0)
    return p[0] + r * c, p[1] + r * s


def _ahead3(p: Any, r: float, c0: Any, c1: Any) -> Any:
    s, c = sin_cos(c0)
    height = 2.0 * uniform(c1) - 1.0
    ring = r * math.sqrt(1.0 - height * height)
    return p[0] + ring * c, p[1] + ring * s, p[2] + r * height


def _touch2(shape: Any, hint: Any, p: Any) -> Any:
    x, y, element = touch2(shape, hint, p[0], p[1])
    return (x, y), element


def _touch3(shape: Any, hint: Any, p: Any) -> Any:
    x, y, z, element = touch3(shape, hint, p[0], p[1], p[2])
    return (x, y, z), element


def _blend2(grid: Any, values: Any, p: Any) -> Any:
    (i, a), (j, b) = cell(grid, 0, p[0]), cell(grid, 1, p[1])
    w00, w01, w10, w11 = (1 - a) * (1 - b), (1 - a) * b, a * (1 - b), a * b
    v, w = values[i], values[i + 1]
    first = w00 * v[j, 0] + w01 * v[j + 1, 0] + w10 * w[j, 0] + w11 * w[j + 1, 0]
    second = w00 * v[j, 1] + w01 * v[j + 1, 1] + w10 * w[j, 1] + w11 * w[j + 1, 1]
    return first, second


def _blend3(grid: Any, values: Any, p: Any) -> Any:
    i, t = cell(grid, 0, p[0])
    (j, a), (k, b) = cell(grid, 1, p[1]), cell(grid, 2, p[2])
    first, second = 0.0, 0.0
    for m in range(2):
        s = t if m else 1 - t
        w00, w01, w10, w11 = s * (1 - a) * (1 - b), s * (1 - a) * b, s * a * (1 - b), s * a * b
        v, w = values[i + m, j], values[i + m, j + 1]
        first += w00 * v[k, 0] + w01 * v[k + 1, 0] + w10 * w[k, 0] + w11 * w[k + 1, 0]
        second += w00 * v[k, 1] + w01 * v[k + 1, 1] + w10 * w[k, 1] + w11 * w[k + 1, 1]
    return first, second


def _smooth2(grid: Any, values: Any, p: Any) -> Any:
    (i, u), (j, v) = cubic(grid, 0, p[0]), cubic(grid, 1, p[1])
    total = 0.0
    for m in range(4):
        for n in range(4):
            total += u[m] * v[n] * values[i + m, j + n]
    return total


def _smooth3(grid: Any, values: Any, p: Any) -> Any:
    (i, u), (j, v), (k, w) = cubic(grid, 0, p[0]), cubic(grid, 1, p[1]), cubic(grid, 2, p[2])
    total = 0.0
    for m in range(4):
        for n in range(4):
            for o in range(4):
                total += u[m] * v[n] * w[o] * values[i + m, j + n, k + o]
    return total


def _scatter2(grid: Any, p: Any, a: float, b: float, c: float) -> Any:
    (i, s), (j, t) = cell(grid, 0, p[0]), cell(grid, 1, p[1])
    return (i + (a < s)) * grid.counts[1] + j + (b < t)


def _scatter3(grid: Any, p: Any, a: float, b: float, c: float) -> Any:
    (i, s), (j, t), (k, u) = cell(grid, 0, p[0]), cell(grid, 1, p[1]), cell(grid, 2, p[2])
    return ((i + (a < s)) * grid.counts[1] + j + (b < t)) * grid.counts[2] + k + (c < u)


_in_plane_and_space(save, 3, _save2, _save3)
_in_plane_and_space(ahead, 0, _ahead2, _ahead3)
_in_plane_and_space(
    reach, 1, lambda shape, p: reach2(shape, p[0], p[1]), lambda shape, p: reach3(shape, p[0], p[1], p[2])
)
_in_plane_and_space(touch, 2, _touch2, _touch3)
_in_plane_and_space(flight, 0, lambda p, z, a, b: green.flight_2d(z, a, b), lambda p, z, a, b: green.flight_3d(z, a, b))
_in_plane_and_space(left, 0, lambda p, z, x: green.left_2d(z, x), lambda p, z, x: green.left_3d(z, x))
_in_plane_and_space(blend, 2, _blend2, _blend3)
_in_plane_and_space(smooth, 2, _smooth2, _smooth3)
_in_plane_and_space(scatter, 1, _scatter2, _scatter3)
