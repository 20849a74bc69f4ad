"""Meshes of triangles and tetrahedra: corners, edges, nodes of P1 and P2 elements, and uniform refinement."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.spec.domain import BOX_SIDES

type Ints = NDArray[np.int32]

EDGES = {2: ((1, 2), (0, 2), (0, 1)), 3: ((2, 3), (1, 3), (1, 2), (0, 3), (0, 2), (0, 1))}
"""The edges of a cell in the order in which Basix numbers them."""
REGIONS = "cell_regions"
"""The array of a store that tells the inclusion that each cell is in."""
SHOWN = {2: (2, 0, 1), 3: (5, 2, 4, 3, 1, 0)}
"""The places of edges 01, 12, 02 and 01, 12, 02, 03, 13, 23 among them: the order in which cells are stored, VTK's."""


@dataclass(frozen=True, eq=False)
class SimplexMesh:
    """``points`` [n, d]; ``cells`` [c, d + 1]; ``facets`` [f, d] on the boundary, with ``sides`` [f] counting into
    ``side_names``; ``regions`` [c]: 0, or 1 + the number of the inclusion that a cell is in."""

    points: Array
    cells: Ints
    facets: Ints
    sides: Ints
    side_names: tuple[str, ...]
    regions: Ints | None = None

    @property
    def dimension(self) -> int:
        return int(self.points.shape[1])

    @cached_property
    def _edges(self) -> tuple[Ints, Ints]:
        """All edges [e, 2], and the numbers of each cell's [c, 3 or 6]."""
        ends = np.sort(np.stack([self.cells[:, list(pair)] for pair in EDGES[self.dimension]], axis=1), axis=2)
        keys = ends[..., 0].astype(np.int64) * len(self.points) + ends[..., 1]
        found, inverse = np.unique(keys, return_inverse=True)
        edges = np.stack(np.divmod(found, len(self.points)), axis=1).astype(np.int32)
        return edges, inverse.reshape(keys.shape).astype(np.int32)

    @property
    def edges(self) -> Ints:
        return self._edges[0]

    @property
    def cell_edges(self) -> Ints:
        """The numbers of the edges of each cell [c, 3 or 6]."""
        return self._edges[1]

    def edge_between(self, one: Ints, other: Ints) -> Ints:
        """The numbers of the edges between pairs of points."""
        keys = self.edges[:, 0].astype(np.int64) * len(self.points) + self.edges[:, 1]
        wanted = np.minimum(one, other).astype(np.int64) * len(self.points) + np.maximum(one, other)
        return np.searchsorted(keys, wanted).astype(np.int32)

    def nodes(self, order: int) -> Array:
        """The nodes of elements of an order [n, d]: points, then the middles of edges."""
        return self.points if order == 1 else np.concatenate([self.points, self.points[self.edges].mean(axis=1)])

    def cell_nodes(self, order: int) -> Ints:
        """The nodes of each cell, as Basix numbers them."""
        if order == 1:
            return self.cells
        return np.concatenate([self.cells, np.int32(len(self.points)) + self._edges[1]], axis=1)

    def node_regions(self, order: int) -> Ints | None:
        """The inclusion that each node is in, rims included."""
        if self.regions is None:
            return None
        found, nodes = np.zeros(len(self.nodes(order)), np.int32), self.cell_nodes(order)
        np.maximum.at(found, nodes, self.regions[:, None])
        return found

    def shown_cells(self, order: int) -> Ints:
        """The nodes of each cell as they are stored."""
        if order == 1:
            return self.cells
        middles = np.int32(len(self.points)) + self._edges[1][:, list(SHOWN[self.dimension])]
        return np.ascontiguousarray(np.concatenate([self.cells, middles], axis=1))

    def side_nodes(self, side: int, order: int) -> NDArray[np.intp]:
        """The nodes on a side."""
        facets = self.facets[self.sides == side]
        found = [facets.ravel()]
        if order == 2:
            pairs = [(a, b) for a in range(self.dimension) for b in range(a)]
            found += [len(self.points) + self.edge_between(facets[:, a], facets[:, b]) for a, b in pairs]
        return np.unique(np.concatenate(found)).astype(np.intp)

    @cached_property
    def facet_places(self) -> tuple[Ints, Ints]:
        """For each facet on the boundary its cell, and its number there: that of the corner that is not on it."""
        d = self.dimension
        numbers = np.arange(d + 1)
        ends = np.sort(np.stack([self.cells[:, numbers != k] for k in numbers], axis=1), axis=2)
        own = np.sort(self.facets, axis=1)
        size = np.int64(len(self.points))
        weights = size ** np.arange(d - 1, -1, -1, dtype=np.int64)
        keys, wanted = (ends.astype(np.int64) @ weights).ravel(), own.astype(np.int64) @ weights
        order = np.argsort(keys, kind="stable")
        found = order[np.searchsorted(keys[order], wanted)]
        cells, local = np.divmod(found, d + 1)
        return cells.astype(np.int32), local.astype(np.int32)

    @cached_property
    def volumes(self) -> Array:
        """Area or volume of each cell."""
        return np.abs(self.signed_volumes)

    def refined(self) -> SimplexMesh:
        """Every triangle cut into four, every tetrahedron into eight; the points of this mesh come first, then the
        middles of its edges: the nodes of P2."""
        points, middles = self.nodes(2), len(self.points) + self._edges[1]
        corner, middle = self.cells.T, dict(zip(EDGES[self.dimension], middles.T, strict=True))
        if self.dimension == 2:
            a, b, c = corner
            ab, bc, ac = middle[0, 1], middle[1, 2], middle[0, 2]
            parts: list[tuple[Ints, ...]] = [(a, ab, ac), (ab, b, bc), (ac, bc, c), (ab, bc, ac)]
        else:
            a, b, c, d = corner
            ab, ac, ad, bc, bd, cd = (middle[pair] for pair in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)))
            parts = [(a, ab, ac, ad), (ab, b, bc, bd), (ac, bc, c, cd), (ad, bd, cd, d)]
            parts += [(ab, ac, ad, bd), (ab, ac, bc, bd), (ac, ad, bd, cd), (ac, bc, bd, cd)]
        cells = np.concatenate([np.stack(part, axis=1) for part in parts]).astype(np.int32)
        facets = self._refined_facets()
        sides = np.tile(self.sides, len(facets) // len(self.facets))
        regions = None if self.regions is None else np.tile(self.regions, len(parts))
        return SimplexMesh(points, cells, facets, sides, self.side_names, regions)

    def with_points(self, points: Array) -> SimplexMesh:
        """The same mesh with its points elsewhere, which shares all that does not depend on where they are."""
        _ = self._edges, self.facet_places
        other = copy(self)
        for name in ("volumes", "signed_volumes"):
            other.__dict__.pop(name, None)
        other.__dict__["points"] = points
        return other

    @cached_property
    def signed_volumes(self) -> Array:
        """Area or volume of each cell, negative where it is turned over."""
        corners = self.points[self.cells]
        return np.asarray(np.linalg.det(corners[:, 1:] - corners[:, :1]) / (2.0 if self.dimension == 2 else 6.0))

    def _refined_facets(self) -> Ints:
        size, f = len(self.points), self.facets.T

        def middle(i: int, j: int) -> Ints:
            return size + self.edge_between(f[i], f[j])

        if self.dimension == 2:
            parts: list[tuple[Ints, ...]] = [(f[0], middle(0, 1)), (middle(0, 1), f[1])]
        else:
            ab, bc, ac = middle(0, 1), middle(1, 2), middle(0, 2)
            parts = [(f[0], ab, ac), (ab, f[1], bc), (ac, bc, f[2]), (ab, bc, ac)]
        return np.concatenate([np.stack(part, axis=1) for part in parts]).astype(np.int32)

    def arrays(self, order: int) -> Mapping[str, tuple[tuple[str, ...], NDArray[Any]]]:
        """What a store keeps of it."""
        found: dict[str, tuple[tuple[str, ...], NDArray[Any]]] = {
            "points": (("node", "axis"), np.ascontiguousarray(self.nodes(order))),
            "cells": (("cell", "corner"), self.shown_cells(order)),
            "facets": (("facet", "end"), self.facets),
            "facet_sides": (("facet",), self.sides),
        }
        return found if self.regions is None else {**found, REGIONS: (("cell",), self.regions)}


def box_mesh(shape: tuple[int, ...], lengths: tuple[float, ...]) -> SimplexMesh:
    """A box of equal cells, each cut into 2 triangles or 6 tetrahedra along its diagonal (Kuhn's partition)."""
    d = len(shape)
    axes = [np.linspace(0.0, length, n + 1) for n, length in zip(shape, lengths, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, d)
    numbers = np.arange(len(points), dtype=np.int32).reshape([n + 1 for n in shape])

    def corner(shift: tuple[int, ...]) -> Ints:
        return np.asarray(numbers[tuple(slice(s, s + n) for s, n in zip(shift, shape, strict=True))])

    cells = []
    for way in permutations(range(d)):
        place, path = [0] * d, [corner((0,) * d)]
        for axis in way:
            place[axis] = 1
            path.append(corner(tuple(place)))
        cells.append(np.stack([part.ravel() for part in path], axis=1))
    facets, sides, names = [], [], tuple(name for pair in BOX_SIDES[:d] for name in pair)
    for axis, high in product(range(d), (False, True)):
        parts = list(_faces(corner, d, axis, int(high)))
        facets += parts
        sides += [np.full(len(part), 2 * axis + high, np.int32) for part in parts]
    found = turned(points, np.concatenate(cells))
    return SimplexMesh(points, found, np.concatenate(facets), np.concatenate(sides), names)


def _faces(corner: Any, d: int, axis: int, high: int) -> Any:
    """The facets on one side of the box, by Kuhn's partition of the other axes."""
    others = [other for other in range(d) if other != axis]
    for way in permutations(others):
        place = [0] * d
        place[axis] = high
        path = [corner(tuple(place))]
        for other in way:
            place[other] = 1
            path.append(corner(tuple(place)))
        yield np.stack([np.take(part, -high, axis=axis).ravel() for part in path], axis=1)


def turned(points: Array, cells: Ints) -> Ints:
    """The cells with a positive orientation."""
    spans = points[cells[:, 1:]] - points[cells[:, :1]]
    wrong = np.linalg.det(spans) < 0.0
    cells = cells.copy()
    cells[wrong, -2:] = cells[wrong, -2:][:, ::-1]
    return cells
