"""The inside of a closed triangle mesh. The elements are the triangles; they are one side, ``boundary``."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pdemill.points import Array
from pdemill.solvers.walks.distance_grid import DistanceGrid, cell_of3, half_diagonal, make_distance_grid
from pdemill.solvers.walks.geometry import Geometry, implements, reach3, touch3
from pdemill.solvers.walks.shapes.lattice import lattice
from pdemill.solvers.walks.shapes.triangles import (
    Triangles,
    nearest_on_triangle,
    pseudonormals,
    signed_distances,
    triangle_table,
)
from pdemill.surface import Surface, checked

FAR = 3.0
"""Cells this many half diagonals away have no list: in space, lists are longer and each entry costs more."""
COARSE = 16
"""Cells along the longest axis of the grid that answers exact distances."""


class MeshShape(NamedTuple):
    table: Array
    """[n, 12], as ``Triangles.table``."""
    grid: DistanceGrid


class Mesh(Geometry):
    """The inside of a surface, which has to be closed and oriented outwards (``surface.checked`` refuses others).

    The grid of distances has ``resolution`` cells along the longest axis; for 20,000 triangles, 96 takes about three
    seconds and 40 MB, and 48 one second, but walks are half as fast.
    """

    dimension = 3
    sides = ("boundary",)

    def __init__(self, surface: Surface, resolution: int = 96) -> None:
        vertices, cells = checked(surface)
        corners = vertices[cells]
        table = triangle_table(corners)
        normal = np.cross(table[:, 3:6], table[:, 6:9])
        self._area = 0.5 * np.linalg.norm(normal, axis=1)
        self.volume = float((corners[:, 0] * normal).sum()) / 6.0
        self.lower = vertices.min(axis=0)
        self.extent = vertices.max(axis=0) - self.lower
        self._normals = pseudonormals(vertices, cells)
        grid = make_distance_grid(Triangles(table), len(table), self.lower, self.extent, resolution, FAR)
        self._coarse = make_distance_grid(Triangles(table), len(table), self.lower, self.extent, COARSE, np.inf)
        self.shape = MeshShape(table, grid)
        self.largest_epsilon = (FAR - 1.0) * half_diagonal(grid)

    @property
    def diameter(self) -> float:
        return float(np.linalg.norm(self.extent))

    def measure(self, side: str) -> float:
        self.side_number(side)
        return float(self._area.sum())

    def distance(self, points: ArrayLike) -> Array:
        x = self.checked(points)
        found = np.empty(len(x))
        signed_distances(Triangles(self.shape.table), self._normals, self._coarse, x, found)
        return found

    def boundary(self, count: int) -> tuple[Array, NDArray[np.intp]]:
        """Triangles at equal steps of the area that is summed up in their order, and a lattice folded into each."""
        ends = np.cumsum(self._area)
        i = np.searchsorted(ends, (np.arange(count) + 0.5) * (ends[-1] / count))
        v, w = lattice(count, 2).T
        beyond = v + w > 1.0
        v, w = np.where(beyond, 1.0 - v, v)[:, None], np.where(beyond, 1.0 - w, w)[:, None]
        table = self.shape.table[i]
        return table[:, :3] + v * table[:, 3:6] + w * table[:, 6:9], np.zeros(count, np.intp)

    def side_of(self, element: ArrayLike) -> NDArray[np.intp]:
        return np.where(np.asarray(element) < 0, -1, 0)


@implements(reach3, MeshShape)
def _reach3(mesh: Any, x: Any, y: Any, z: Any) -> Any:
    cell, square = cell_of3(mesh.grid, x, y, z)
    bound = mesh.grid.bound[cell]
    if bound > 0.0:
        return bound - math.sqrt(square), -1
    best, triangle, off = math.inf, -1, math.sqrt(square)
    for n in range(mesh.grid.span[cell, 0], mesh.grid.span[cell, 1]):
        least = mesh.grid.away[n] - off
        if least > 0.0 and least * least >= best:
            break
        i = mesh.grid.listed[n]
        distance, _, _ = nearest_on_triangle(mesh.table, i, x, y, z)
        if distance < best:
            best, triangle = distance, i
    return math.sqrt(best), triangle


@implements(touch3, MeshShape)
def _touch3(mesh: Any, hint: Any, x: Any, y: Any, z: Any) -> Any:
    table, i = mesh.table, hint
    if i < 0:
        best = math.inf
        for n in range(len(table)):
            distance, _, _ = nearest_on_triangle(table, n, x, y, z)
            if distance < best:
                best, i = distance, n
    _, v, w = nearest_on_triangle(table, i, x, y, z)
    x = table[i, 0] + v * table[i, 3] + w * table[i, 6]
    y = table[i, 1] + v * table[i, 4] + w * table[i, 7]
    z = table[i, 2] + v * table[i, 5] + w * table[i, 8]
    return x, y, z, i
