"""How far places are from the boundary of a mesh: from its edges in the plane, from its triangles in space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

type Array = NDArray[np.float64]

TOGETHER = 64
"""Places, about, for which the facets that may be nearest are looked for together."""


def signed_distance(points: Array, facets: NDArray[np.integer], places: Array, within: NDArray[np.bool_]) -> Array:
    """How far places [m, d] are from the facets [f, k] of a mesh, whose first d nodes are corners; negative where not
    ``within``."""
    facets = facets[:, : points.shape[1]]
    corners = points[facets]
    centres = corners.mean(axis=1)
    radii = np.sqrt(((corners - centres[:, None]) ** 2).sum(axis=2).max(axis=1))
    found = np.empty(len(places))
    for some in _blocks(places):
        own = places[some]
        middle = (own.min(axis=0) + own.max(axis=0)) / 2
        reach = np.sqrt(((own - middle) ** 2).sum(axis=1).max())
        far = np.sqrt(((centres - middle) ** 2).sum(axis=1))
        near = far - radii <= far.min() + 2.0 * reach  # every centre is a place of its facet
        if points.shape[1] == 2:
            squares = _from_edges(own, corners[near, 0], corners[near, 1])
        else:
            squares = _from_triangles(own, points, facets[near])
        found[some] = np.sqrt(squares)
    return np.where(within, found, -found)


def _blocks(places: Array) -> Iterator[NDArray[np.intp]]:
    """Numbers of places that lie in one box of a grid."""
    if not len(places):
        return
    count = max(1, round((len(places) / TOGETHER) ** (1.0 / places.shape[1])))
    lower = places.min(axis=0)
    size = (places.max(axis=0) - lower) / count
    steps = np.floor((places - lower) / np.where(size > 0.0, size, 1.0)).astype(np.intp)
    key = np.ravel_multi_index(tuple(np.minimum(steps, count - 1).T), (count,) * places.shape[1])
    order = np.argsort(key, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(key[order])) + 1)


def _from_edges(places: Array, begin: Array, end: Array) -> Array:
    """The least squared distance of each place from edges [e, d]."""
    along = end - begin
    off = [places[:, axis, None] - begin[:, axis] for axis in range(places.shape[1])]
    share = np.clip(_dot(off, along) / (along**2).sum(axis=1), 0.0, 1.0)
    for axis, part in enumerate(off):
        part -= share * along[:, axis]
    return np.asarray(np.square(off).sum(axis=0).min(axis=1))


def _from_triangles(places: Array, points: Array, facets: NDArray[np.integer]) -> Array:
    """The least squared distance of each place from triangles: from their planes where it is above or below them, from
    their edges elsewhere."""
    edges = np.unique(np.sort(facets[:, [[0, 1], [1, 2], [0, 2]]].reshape(-1, 2), axis=1), axis=0)
    found = _from_edges(places, points[edges[:, 0]], points[edges[:, 1]])
    a, b, c = points[facets.T]
    normal = np.cross(b - a, c - a)
    area = (normal**2).sum(axis=1)
    off = [places[:, axis, None] - a[:, axis] for axis in range(3)]
    second = _dot(off, np.cross(normal, b - a) / area[:, None])
    first = _dot(off, np.cross(c - a, normal) / area[:, None])
    above = (first >= 0.0) & (second >= 0.0) & (first + second <= 1.0)
    heights = np.where(above, _dot(off, normal / np.sqrt(area)[:, None]), np.inf)
    return np.asarray(np.minimum(found, (heights * heights).min(axis=1)))


def _dot(parts: Sequence[Array], vectors: Array) -> Array:
    """Inner products [m, n] of m by n vectors, given by component, with n vectors."""
    total = parts[0] * vectors[:, 0]
    for part, component in zip(parts[1:], vectors.T[1:], strict=True):
        total += part * component
    return total
