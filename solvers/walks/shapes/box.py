"""Boxes of any dimension. Element 2 i is the low face of axis i, 2 i + 1 its high face; each is a side."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.walks.geometry import (
    MOST_DIMENSIONS,
    Geometry,
    implements,
    reach,
    reach2,
    reach3,
    touch,
    touch2,
    touch3,
)
from pdemill.solvers.walks.shapes.lattice import lattice, shares
from pdemill.spec.domain import box_sides


class BoxShape(NamedTuple):
    lower: Array
    upper: Array


class Box(Geometry):
    """The box lower < x < lower + extent; the dimension is the length of ``lower``."""

    convex = True

    def __init__(self, lower: ArrayLike = (0.0, 0.0), extent: ArrayLike = (1.0, 1.0)) -> None:
        self.lower, self.extent = np.array(lower, np.float64), np.array(extent, np.float64)
        self.dimension = len(self.lower)
        if not 2 <= self.dimension == len(self.extent) <= MOST_DIMENSIONS or not self.extent.min() > 0.0:
            raise SolverError(f"a box needs 2 to {MOST_DIMENSIONS} dimensions and positive lengths, one per dimension")
        self.sides = tuple(name for pair in box_sides(self.dimension) for name in pair)
        self.shape = BoxShape(self.lower, self.lower + self.extent)
        self.volume = float(np.prod(self.extent))

    @property
    def diameter(self) -> float:
        return float(np.linalg.norm(self.extent))

    def measure(self, side: str) -> float:
        return float(np.prod(np.delete(self.extent, self.side_number(side) // 2)))

    def distance(self, points: ArrayLike) -> Array:
        x = self.checked(points)
        room = np.minimum(x - self.lower, self.shape.upper - x)
        outside = np.linalg.norm(np.minimum(room, 0.0), axis=1)
        return np.asarray(np.where(outside > 0.0, -outside, room.min(axis=1)))

    def boundary(self, count: int) -> tuple[Array, NDArray[np.intp]]:
        """In the plane equispaced along the rim, anticlockwise from the lower corner; else a lattice on each face."""
        if self.dimension == 2:
            return self._rim(count)
        faces = shares(np.array([self.measure(side) for side in self.sides]), count)
        points = self.lower + self.extent * np.concatenate([self._face(i, n) for i, n in enumerate(faces)])
        return points, np.repeat(np.arange(len(self.sides)), faces)

    def _rim(self, count: int) -> tuple[Array, NDArray[np.intp]]:
        (a, b), (x, y) = self.extent, self.lower
        s = np.arange(count) * (2.0 * (a + b) / count)
        side = np.searchsorted([a, a + b, 2.0 * a + b], s, side="right")
        px = np.choose(side, [x + s, np.full(count, x + a), x + a - (s - a - b), np.full(count, x)])
        py = np.choose(side, [np.full(count, y), y + s - a, np.full(count, y + b), y + b - (s - 2.0 * a - b)])
        return np.stack([px, py], axis=1), np.array([2, 1, 3, 0])[side]

    def _face(self, face: int, count: int) -> Array:
        return np.insert(lattice(count, self.dimension - 1), face // 2, float(face % 2), axis=1)


@implements(reach2, BoxShape)
def _reach2(box: Any, x: Any, y: Any) -> Any:
    low = min(x - box.lower[0], y - box.lower[1])
    high = min(box.upper[0] - x, box.upper[1] - y)
    return min(low, high), 0


@implements(touch2, BoxShape)
def _touch2(box: Any, hint: Any, x: Any, y: Any) -> Any:
    p = (x, y)
    best, face = math.inf, 0
    for i in range(2):
        if p[i] - box.lower[i] < best:
            best, face = p[i] - box.lower[i], 2 * i
        if box.upper[i] - p[i] < best:
            best, face = box.upper[i] - p[i], 2 * i + 1
    wall = box.upper[face // 2] if face % 2 else box.lower[face // 2]
    return (wall, y, face) if face < 2 else (x, wall, face)


@implements(reach3, BoxShape)
def _reach3(box: Any, x: Any, y: Any, z: Any) -> Any:
    low = min(min(x - box.lower[0], y - box.lower[1]), z - box.lower[2])
    high = min(min(box.upper[0] - x, box.upper[1] - y), box.upper[2] - z)
    return min(low, high), 0


@implements(touch3, BoxShape)
def _touch3(box: Any, hint: Any, x: Any, y: Any, z: Any) -> Any:
    p = (x, y, z)
    best, face = math.inf, 0
    for i in range(3):
        if p[i] - box.lower[i] < best:
            best, face = p[i] - box.lower[i], 2 * i
        if box.upper[i] - p[i] < best:
            best, face = box.upper[i] - p[i], 2 * i + 1
    axis = face // 2
    wall = box.upper[axis] if face % 2 else box.lower[axis]
    return wall if axis == 0 else x, wall if axis == 1 else y, wall if axis == 2 else z, face


@implements(reach, BoxShape)
def _reach(box: Any, x: Any) -> Any:
    radius = math.inf
    for i in range(len(x)):
        radius = min(radius, min(x[i] - box.lower[i], box.upper[i] - x[i]))
    return radius, 0


@implements(touch, BoxShape)
def _touch(box: Any, hint: Any, x: Any) -> Any:
    best, face = math.inf, 0
    for i in range(len(x)):
        if x[i] - box.lower[i] < best:
            best, face = x[i] - box.lower[i], 2 * i
        if box.upper[i] - x[i] < best:
            best, face = box.upper[i] - x[i], 2 * i + 1
    x[face // 2] = box.upper[face // 2] if face % 2 else box.lower[face // 2]
    return face
