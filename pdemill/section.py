"""Plane sections of meshes of tetrahedra, for pictures."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

BESIDE = 1e-6
"""How far from the middle a section is, in units of the extent, so that it meets no node."""
PAIRS = tuple(combinations(range(4), 2))


def middle_section(
    points: NDArray[np.float64], cells: NDArray[np.int32], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Where the plane half-way up z meets a mesh: points [n, 2], triangles [m, 3] and the values at these points, by
    linear interpolation along the edges of tetrahedra [c, 4]."""
    height = points[:, 2]
    low, high = float(height.min()), float(height.max())
    level = 0.5 * (low + high) + BESIDE * (high - low)
    above = height > level
    places, found, triangles = list[NDArray[np.float64]](), list[NDArray[np.float64]](), list[tuple[int, int, int]]()
    first = 0
    for cell in cells[:, :4]:
        ends = [(cell[a], cell[b]) for a, b in PAIRS if above[cell[a]] != above[cell[b]]]
        if not ends:
            continue
        one, other = np.array(ends).T
        part = (level - height[one]) / (height[other] - height[one])
        corners = points[one, :2] + part[:, None] * (points[other, :2] - points[one, :2])
        around = corners - corners.mean(axis=0)
        order = np.argsort(np.arctan2(around[:, 1], around[:, 0]))
        triangles += [(first, first + i, first + i + 1) for i in range(1, len(ends) - 1)]
        places.append(corners[order])
        found.append((values[one] + part * (values[other] - values[one]))[order])
        first += len(ends)
    return np.concatenate(places), np.array(triangles), np.concatenate(found)
