"""Which cell of a mesh of triangles or tetrahedra a place is in, and how values at nodes make values there."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

type Array = NDArray[np.float64]

EDGES = {2: ((0, 1), (1, 2), (0, 2)), 3: ((0, 1), (1, 2), (0, 2), (0, 3), (1, 3), (2, 3))}
"""The edges of cells with nodes in their middles, in the order in which a store has these."""
OUTSIDE = 1e-9
"""Barycentric coordinates so far below 0 count as 0."""
TOGETHER = 50_000
"""Places that are looked for at once."""


class Places(NamedTuple):
    """By place: the ``cell`` that it is in, -1 for none, the ``nodes`` [m, k] of that, and the ``weights`` by which
    their values make the value there; ``inside`` [m, d + 1]: barycentric coordinates."""

    cell: NDArray[np.intp]
    nodes: NDArray[np.intp]
    weights: Array
    inside: Array

    def of(self, values: NDArray[Any]) -> Array:
        """The values at the places [..., m], 0 outside, from those at the nodes [..., n]: of a function of the
        elements exactly."""
        return np.asarray((values[..., self.nodes] * self.weights).sum(axis=-1))


def locate(points: Array, cells: NDArray[Any], places: Array) -> Places:
    """Find places [m, d] in a mesh; ``cells`` [c, k]: corners first, then the middles of edges where k is 6 or 10. On a
    side of two cells the one with the lower number counts."""
    if len(places) > TOGETHER:
        parts = [locate(points, cells, places[i : i + TOGETHER]) for i in range(0, len(places), TOGETHER)]
        return Places(*map(np.concatenate, zip(*parts, strict=True)))
    d = points.shape[1]
    corners = points[cells[:, : d + 1]]
    place, cell = _near(corners, places)
    spans = (corners[:, 1:] - corners[:, :1]).swapaxes(1, 2)
    others = np.einsum("pij,pj->pi", np.linalg.inv(spans)[cell], places[place] - corners[cell, 0])
    inside = np.concatenate([1.0 - others.sum(axis=1, keepdims=True), others], axis=1)
    held = inside.min(axis=1) >= -OUTSIDE
    place, cell, inside = place[held], cell[held], inside[held]
    found, first = np.unique(place, return_index=True)  # of every place the first cell, by its number
    own = np.full(len(places), -1, dtype=np.intp)
    own[found] = cell[first]
    coordinates = np.zeros((len(places), d + 1))
    coordinates[found] = inside[first]
    return Places(own, cells[own].astype(np.intp), _basis(coordinates, cells.shape[1], d), coordinates)


def _basis(inside: Array, count: int, d: int) -> Array:
    """The weights of the nodes; all 0 where barycentric coordinates are."""
    if count == d + 1:
        return inside
    middles = np.stack([4.0 * inside[:, i] * inside[:, j] for i, j in EDGES[d]], axis=1)
    return np.concatenate([inside * (2.0 * inside - 1.0), middles], axis=1)


def _near(corners: Array, places: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of a place and a cell that may hold it, cells of a place by their numbers: those that share a box of a grid
    with about as many boxes as there are cells."""
    count, d = len(corners), places.shape[1]
    low, high = corners.min(axis=1), corners.max(axis=1)
    lower, upper = low.min(axis=0), high.max(axis=0)
    boxes = max(1, round(count ** (1.0 / d)))
    size = (upper - lower) / boxes
    slack = 1e-9 * size

    def box(at: Array) -> NDArray[np.intp]:
        return np.asarray(np.clip(np.floor((at - lower) / size), 0, boxes - 1).astype(np.intp))

    begin, end = box(low - slack), box(high + slack)
    many = end - begin + 1
    owner = np.repeat(np.arange(count), many.prod(axis=1))
    step = np.arange(len(owner)) - np.repeat(np.cumsum(many.prod(axis=1)) - many.prod(axis=1), many.prod(axis=1))
    key = np.zeros(len(owner), dtype=np.intp)
    for axis in range(d):
        step, rest = np.divmod(step, many[owner, axis])
        key = key * boxes + begin[owner, axis] + rest
    order = np.argsort(key, kind="stable")  # within a box by the numbers of cells
    key, owner = key[order], owner[order]
    wanted = np.zeros(len(places), dtype=np.intp)
    for axis in range(d):
        wanted = wanted * boxes + box(places)[:, axis]
    first, last = np.searchsorted(key, wanted), np.searchsorted(key, wanted, side="right")
    lengths = last - first
    place = np.repeat(np.arange(len(places)), lengths)
    offset = np.arange(len(place)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return place, owner[first[place] + offset]
