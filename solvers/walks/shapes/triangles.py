"""Triangles in space: nearest points, normals, and the signed distance to a closed mesh of them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.compiled import compiled
from pdemill.solvers.walks.distance_grid import cell_of3, square_distance
from pdemill.solvers.walks.geometry import implements
from pdemill.solvers.walks.philox import FAST


class Triangles(NamedTuple):
    table: Array
    """[n, 12]: the first corner a, the edges ab and ac, and ab·ab, ab·ac, ac·ac."""


def triangle_table(corners: Array) -> Array:
    """``Triangles.table`` of corners [n, 3, 3]."""
    a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    products = [(ab * ab).sum(axis=1), (ab * ac).sum(axis=1), (ac * ac).sum(axis=1)]
    return np.column_stack([a, ab, ac, *products])


@compiled(fastmath=FAST, forceinline=True)
def nearest_on_triangle(table: Any, i: Any, x: Any, y: Any, z: Any) -> Any:
    """(squared distance, v, w): the nearest point of triangle i is a + v ab + w ac (Ericson 2005, "Real-Time Collision
    Detection", section 5.1.5). v and w are exactly 0, or v is exactly 1 - w, on edges and corners."""
    px, py, pz = x - table[i, 0], y - table[i, 1], z - table[i, 2]
    ex, ey, ez, fx, fy, fz = table[i, 3], table[i, 4], table[i, 5], table[i, 6], table[i, 7], table[i, 8]
    d1, d2 = ex * px + ey * py + ez * pz, fx * px + fy * py + fz * pz
    d3, d4, d5, d6 = d1 - table[i, 9], d2 - table[i, 10], d1 - table[i, 10], d2 - table[i, 11]
    if d1 <= 0.0 and d2 <= 0.0:
        v, w = 0.0, 0.0
    elif d3 >= 0.0 and d4 <= d3:
        v, w = 1.0, 0.0
    elif d6 >= 0.0 and d5 <= d6:
        v, w = 0.0, 1.0
    else:
        va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
        if vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0:
            v, w = d1 / (d1 - d3), 0.0
        elif vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0:
            v, w = 0.0, d2 / (d2 - d6)
        elif va <= 0.0 and d4 >= d3 and d5 >= d6:
            w = (d4 - d3) / ((d4 - d3) + (d5 - d6))
            v = 1.0 - w
        else:
            scale = 1.0 / (va + vb + vc)
            v, w = vb * scale, vc * scale
    px, py, pz = px - v * ex - w * fx, py - v * ey - w * fy, pz - v * ez - w * fz
    return px * px + py * py + pz * pz, v, w


@implements(square_distance, Triangles)
def _square_distance(elements: Any, i: Any, x: Any, y: Any, z: Any) -> Any:
    return nearest_on_triangle(elements.table, i, x, y, z)[0]


def pseudonormals(vertices: Array, cells: NDArray[np.int32]) -> Array:
    """Outward normals of a closed oriented mesh, [n, 7, 3]: of the triangle, its edges ab, bc, ca, and its corners.

    Those of an edge are the sum of its triangles' normals, those of a corner the sum weighted by angles (Baerentzen
    and Aanaes 2005, "Signed distance computation using the angle weighted pseudonormal"); lengths mean nothing.
    """
    corners = vertices[cells]
    face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    face /= np.linalg.norm(face, axis=1, keepdims=True)
    at_vertex = np.zeros_like(vertices)
    for i in range(3):
        one, other = (corners[:, (i + k) % 3] - corners[:, i] for k in (1, 2))
        cosine = (one * other).sum(axis=1) / (np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1))
        np.add.at(at_vertex, cells[:, i], np.arccos(np.clip(cosine, -1.0, 1.0))[:, None] * face)
    begin, end = cells.astype(np.int64).ravel(), np.roll(cells, -1, axis=1).astype(np.int64).ravel()
    edge = np.minimum(begin, end) * len(vertices) + np.maximum(begin, end)
    _, number = np.unique(edge, return_inverse=True)
    at_edge = np.zeros((number.max() + 1, 3))
    np.add.at(at_edge, number, np.repeat(face, 3, axis=0))
    return np.concatenate([face[:, None], at_edge[number].reshape(-1, 3, 3), at_vertex[cells]], axis=1)


@compiled(nogil=True)
def signed_distances(elements: Any, normals: Any, grid: Any, points: Any, out: Any) -> None:
    """Signed distances [n] of points [n, 3], positive inside; ``grid`` lists triangles for all of its cells."""
    table, every = elements.table, len(elements.table)
    for p in range(len(points)):
        x, y, z = points[p, 0], points[p, 1], points[p, 2]
        cell, square = cell_of3(grid, x, y, z)
        within = square <= 0.7501 * grid.h * grid.h
        begin, end = (grid.span[cell, 0], grid.span[cell, 1]) if within else (0, every)
        best, triangle, v, w = math.inf, 0, 0.0, 0.0
        for n in range(begin, end):
            i = grid.listed[n] if within else n
            distance, s, t = nearest_on_triangle(table, i, x, y, z)
            if distance < best:
                best, triangle, v, w = distance, i, s, t
        feature = _feature(v, w)
        inside = 0.0
        for axis in range(3):
            foot = table[triangle, axis] + v * table[triangle, 3 + axis] + w * table[triangle, 6 + axis]
            inside += (foot - points[p, axis]) * normals[triangle, feature, axis]
        out[p] = math.copysign(math.sqrt(best), inside)


@compiled(nogil=True)
def _feature(v: float, w: float) -> Any:
    """Where on its triangle the point a + v ab + w ac lies, as a column of ``pseudonormals``."""
    if w == 0.0:
        return 4 if v == 0.0 else 5 if v == 1.0 else 1
    if v == 0.0:
        return 6 if w == 1.0 else 3
    return 2 if v == 1.0 - w else 0
