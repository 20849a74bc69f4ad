"""Meshes of tetrahedra that stand on a mesh of triangles: every triangle is a column of prisms, each cut into three."""

from __future__ import annotations

import numpy as np

from pdemill.points import Array
from pdemill.solvers.weak.mesh import Ints, SimplexMesh, turned

ALIKE = 1e-9
"""Difference of coordinates, in sizes of the mesh, up to which they are the same."""


def columns(flat: SimplexMesh, height: float, layers: int, side_names: tuple[str, ...]) -> SimplexMesh:
    """``layers`` of equal height; ``side_names``: those of the flat mesh, among them, and ``back`` and ``front``, the
    ends at z = 0 and z = height. Prisms are cut along diagonals that go up from left to right, or from bottom to top,
    so that cells fit each other, and opposite sides of a box do so too."""
    count, rank = len(flat.points), _ranks(flat.points)
    heights = np.linspace(0.0, height, layers + 1)
    points = np.column_stack([np.tile(flat.points, (layers + 1, 1)), np.repeat(heights, count)])
    cells, facets = _sorted(flat.cells, rank), _sorted(flat.facets, rank)
    number = np.array([side_names.index(name) for name in flat.side_names], dtype=np.int32)
    walls = _cut(facets, count, layers)
    sides = np.tile(number[flat.sides], len(walls) // len(facets))
    ends = np.concatenate([cells, cells + np.int32(layers * count)])
    of_ends = np.repeat(np.array([side_names.index("back"), side_names.index("front")], np.int32), len(cells))
    found = turned(points, _cut(cells, count, layers))
    regions = None if flat.regions is None else np.tile(flat.regions, len(found) // len(cells))
    return SimplexMesh(
        points, found, np.concatenate([walls, ends]), np.concatenate([sides, of_ends]).astype(np.int32), side_names,
        regions,
    )  # fmt: skip


def _ranks(points: Array) -> Ints:
    """The place of every point from left to right, and from bottom to top where that is the same."""
    size = ALIKE * float(np.ptp(points, axis=0).max())
    x, y = np.round(points / size).T
    rank = np.empty(len(points), np.int32)
    rank[np.lexsort((y, x))] = np.arange(len(points), dtype=np.int32)
    return rank


def _sorted(simplices: Ints, rank: Ints) -> Ints:
    return np.take_along_axis(simplices, np.argsort(rank[simplices], axis=1), axis=1).astype(np.int32)


def _cut(simplices: Ints, count: int, layers: int) -> Ints:
    """The simplices of all prisms over simplices with k sorted corners, k of one dimension more in each: up corner by
    corner, from the last one to the first."""
    parts = []
    for layer in range(layers):
        low, high = simplices + np.int32(layer * count), simplices + np.int32((layer + 1) * count)
        parts += [np.concatenate([low[:, : k + 1], high[:, k:]], axis=1) for k in range(simplices.shape[1])]
    return np.concatenate(parts).astype(np.int32)
