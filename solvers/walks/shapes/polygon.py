"""Polygons with holes. The elements are the edges: those of the outline in order, then those of each hole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.compiled import compiled
from pdemill.solvers.walks.distance_grid import (
    FAR,
    DistanceGrid,
    cell_of2,
    half_diagonal,
    make_distance_grid,
    square_distance,
)
from pdemill.solvers.walks.geometry import Geometry, implements, reach2, touch2
from pdemill.solvers.walks.philox import FAST


class PolygonShape(NamedTuple):
    edges: Array
    """[n, 5]: x and y of the first corner, x and y of the edge, 1 / length²; the domain lies to the left."""
    grid: DistanceGrid


class Edges(NamedTuple):
    table: Array


class Polygon(Geometry):
    """The inside of ``outline`` [n, 2] and outside of ``holes`` [m, 2], each listed in either direction.

    Edge i runs from corner i to corner i + 1. ``names`` gives the side of every edge of the outline (default
    ``edge0``, ``edge1``, ...); the rim of hole j is the side ``hole{j}``. The grid of distances has ``resolution``
    cells along the longer side: about 1 ms for 64, which suits few walks; 256 makes walks 1.2 times faster.
    That the outline does not cross itself and the holes are inside is for the caller to see to.
    """

    dimension = 2

    def __init__(
        self,
        outline: ArrayLike,
        holes: Sequence[ArrayLike] = (),
        names: Sequence[str] | None = None,
        resolution: int = 256,
    ) -> None:
        loops = [_turned(np.array(loop, np.float64), inner=i > 0) for i, loop in enumerate((outline, *holes))]
        given = tuple(names) if names is not None else tuple(f"edge{i}" for i in range(len(loops[0][0])))
        if len(given) != len(loops[0][0]):
            raise SolverError(f"needs {len(loops[0][0])} names, one per edge of the outline, not {len(given)}")
        rims = [(f"hole{j}",) * len(hole) for j, (hole, _) in enumerate(loops[1:])]
        of_edge = [*(given[i] for i in loops[0][1]), *(name for rim in rims for name in rim)]
        self.sides = tuple(dict.fromkeys((*given, *of_edge)))
        numbers = {side: i for i, side in enumerate(self.sides)}
        self._side = np.array([numbers[side] for side in of_edge], np.intp)
        corners = np.concatenate([corners for corners, _ in loops])
        step = np.concatenate([np.roll(corners, -1, axis=0) - corners for corners, _ in loops])
        self._length = np.hypot(*step.T)
        edges = np.column_stack([corners, step, 1.0 / self._length**2])
        self._normals = _normals(step / self._length[:, None], [len(corners) for corners, _ in loops])
        self.volume = 0.5 * float((corners[:, 0] * step[:, 1] - corners[:, 1] * step[:, 0]).sum())
        self.lower = corners.min(axis=0)
        self.extent = corners.max(axis=0) - self.lower
        grid = make_distance_grid(Edges(edges), len(edges), self.lower, self.extent, resolution)
        self.shape = PolygonShape(edges, grid)
        self.largest_epsilon = (FAR - 1.0) * half_diagonal(grid)

    @property
    def diameter(self) -> float:
        return float(np.linalg.norm(self.extent))

    def measure(self, side: str) -> float:
        return float(self._length[self._side == self.side_number(side)].sum())

    def distance(self, points: ArrayLike) -> Array:
        x = self.checked(points)
        found = np.empty(len(x))
        _signed(Edges(self.shape.edges), self._normals, x, found)
        return found

    def boundary(self, count: int) -> tuple[Array, NDArray[np.intp]]:
        """Equispaced along all loops, one after the other."""
        ends = np.cumsum(self._length)
        s = np.arange(count) * (ends[-1] / count)
        edge = np.minimum(np.searchsorted(ends, s, side="right"), len(ends) - 1)
        along = (s - ends[edge] + self._length[edge]) / self._length[edge]
        table = self.shape.edges[edge]
        return table[:, :2] + along[:, None] * table[:, 2:4], self._side[edge]

    def side_of(self, element: ArrayLike) -> NDArray[np.intp]:
        number = np.asarray(element)
        return np.where(number < 0, -1, self._side[number])


def _turned(corners: Array, inner: bool) -> tuple[Array, NDArray[np.intp]]:
    """The loop with the domain to its left, and the number that each of its edges had."""
    n = len(corners)
    if corners.ndim != 2 or n < 3 or corners.shape[1] != 2 or not np.isfinite(corners).all():
        raise SolverError("a polygon needs three or more corners with two finite coordinates each")
    step = np.roll(corners, -1, axis=0) - corners
    if not np.hypot(*step.T).all():
        raise SolverError("a polygon has two equal corners in a row: leave one of them out")
    area = float((corners[:, 0] * step[:, 1] - corners[:, 1] * step[:, 0]).sum())
    if (area > 0.0) != inner:
        return corners, np.arange(n)
    return corners[::-1].copy(), (n - 2 - np.arange(n)) % n


def _normals(along: Array, lengths: list[int]) -> Array:
    """Normals into the domain, [n, 6]: at the first corner (the mean of two edges'), along the edge, at the second."""
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
    loops = np.split(normal, np.cumsum(lengths)[:-1])
    before = np.concatenate([np.roll(loop, 1, axis=0) for loop in loops])
    after = np.concatenate([np.roll(loop, -1, axis=0) for loop in loops])
    return np.concatenate([before + normal, normal, normal + after], axis=1)


@compiled(fastmath=FAST, forceinline=True)
def nearest_on_edge(edges: Any, i: Any, x: Any, y: Any) -> Any:
    """(squared distance, t): the nearest point of edge i is its first corner plus t times the edge, 0 <= t <= 1."""
    a, b = x - edges[i, 0], y - edges[i, 1]
    t = min(1.0, max(0.0, (a * edges[i, 2] + b * edges[i, 3]) * edges[i, 4]))
    a, b = a - t * edges[i, 2], b - t * edges[i, 3]
    return a * a + b * b, t


@implements(square_distance, Edges)
def _square_distance(elements: Any, i: Any, x: Any, y: Any, z: Any) -> Any:
    return nearest_on_edge(elements.table, i, x, y)[0]


@compiled(nogil=True)
def _signed(elements: Any, normals: Any, points: Any, out: Any) -> None:
    """Signed distances of points [n, 2] to the edges.

    The sign comes from the normal at the nearest point; at a corner, the mean of both edges' normals (Baerentzen and
    Aanaes 2005, "Signed distance computation using the angle weighted pseudonormal").
    """
    edges = elements.table
    for p in range(len(points)):
        x, y = points[p, 0], points[p, 1]
        best, edge, at = math.inf, 0, 0.0
        for i in range(len(edges)):
            square, t = nearest_on_edge(edges, i, x, y)
            if square < best:
                best, edge, at = square, i, t
        a, b = x - edges[edge, 0] - at * edges[edge, 2], y - edges[edge, 1] - at * edges[edge, 3]
        column = 0 if at <= 0.0 else 4 if at >= 1.0 else 2
        inside = a * normals[edge, column] + b * normals[edge, column + 1]
        out[p] = math.copysign(math.sqrt(best), inside)


@implements(reach2, PolygonShape)
def _reach2(polygon: Any, x: Any, y: Any) -> Any:
    cell, square = cell_of2(polygon.grid, x, y)
    bound = polygon.grid.bound[cell]
    if bound > 0.0:
        return bound - math.sqrt(square), -1
    best, edge = math.inf, -1
    for n in range(polygon.grid.span[cell, 0], polygon.grid.span[cell, 1]):
        i = polygon.grid.listed[n]
        distance, _ = nearest_on_edge(polygon.edges, i, x, y)
        if distance < best:
            best, edge = distance, i
    return math.sqrt(best), edge


@implements(touch2, PolygonShape)
def _touch2(polygon: Any, hint: Any, x: Any, y: Any) -> Any:
    edge = hint
    if edge < 0:
        best = math.inf
        for i in range(len(polygon.edges)):
            distance, _ = nearest_on_edge(polygon.edges, i, x, y)
            if distance < best:
                best, edge = distance, i
    _, t = nearest_on_edge(polygon.edges, edge, x, y)
    return (
        polygon.edges[edge, 0] + t * polygon.edges[edge, 2],
        polygon.edges[edge, 1] + t * polygon.edges[edge, 3],
        edge,
    )
