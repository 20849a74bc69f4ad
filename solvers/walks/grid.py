"""A grid over the elements of a boundary that answers "how far?" from one cell, for edges and triangles alike.

A cell far from the boundary holds the distance of its centre, c: then |x - c| less is a safe radius at x. A cell near
it lists the elements that can be nearest to a point of the cell: those whose distance from the centre is at most the
least one plus the cell's diagonal. The lists are found by halving the grid again and again, and testing for each part
only the elements listed for the whole.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pdemill.points import Array
from solvers.walks.philox import FAST

FAR = 8.0
"""Cells whose centre is this many half diagonals from the boundary are far."""


class Grid(NamedTuple):
    """Cells are numbered row by row, the last axis fastest; in the plane the third axis has one cell of no thickness."""

    origin: Array
    """Lower corner, [3]."""
    h: float
    """Side of a cell."""
    counts: NDArray[np.int64]
    """Cells along each axis, [3]."""
    bound: NDArray[np.float32]
    """Distance from the centre of a far cell to the boundary, rounded down, or -1 for a near cell, [cells]."""
    span: NDArray[np.int32]
    """Where the list of a near cell begins and ends, [cells, 2]."""
    listed: NDArray[np.int32]
    """The lists, one after the other."""


def square_distance(elements: Any, i: Any, x: Any, y: Any, z: Any) -> Any:
    """Compiled operation of a NamedTuple of elements: the squared distance of a point to element i."""
    raise NotImplementedError


def half_diagonal(grid: Grid) -> float:
    """From the centre of a cell to its corner."""
    return float(0.5 * grid.h * math.sqrt(2 if grid.counts[2] == 1 else 3))


def make_grid(elements: Any, number: int, lower: Array, extent: Array, resolution: int, far: float = FAR) -> Grid:
    """A grid over a box of 2 or 3 axes, ``resolution`` cells along the longest; far = inf lists for every cell."""
    h = 1.0001 * float(extent.max()) / resolution
    counts = np.ones(3, np.int64)
    counts[: len(extent)] = np.maximum(2 if len(extent) == 3 else 1, np.ceil(1.0001 * extent / h - 1e-9))
    origin = np.zeros(3)
    origin[: len(lower)] = lower + 0.5 * extent - 0.5 * h * counts[: len(extent)]
    bound, span = np.full(counts.prod(), -1.0, np.float32), np.zeros((counts.prod(), 2), np.int32)
    listed = _fill(elements, number, origin, h, counts, len(extent) == 2, far, bound, span)
    return Grid(origin, h, counts, bound, span, listed)


@njit(cache=True, nogil=True, fastmath=FAST)
def _fill(
    elements: Any, number: int, origin: Any, h: float, counts: Any, flat: bool, far: float, bound: Any, span: Any
) -> Any:
    """Fill ``bound`` and ``span``; the lists. Parts wait on a stack, each with the list of the whole it belongs to."""
    depth = 2
    for axis in range(3):
        depth += math.ceil(math.log2(counts[axis]))
    parts = np.empty((2 * depth, 8), np.int64)
    lists, squares = np.empty(number * (depth + 1), np.int32), np.empty(number)
    lists[:number] = np.arange(number)
    listed, top = np.empty(16 * len(bound) + number, np.int32), 0
    parts[0, :3], parts[0, 3:6], parts[0, 6:] = 0, counts, (0, number)
    waiting = 1
    while waiting > 0:
        waiting -= 1
        i0, j0, k0, i1, j1, k1, begin, end = parts[waiting]
        wx, wy, wz = i1 - i0, j1 - j0, k1 - k0
        x, y = origin[0] + 0.5 * h * (i0 + i1), origin[1] + 0.5 * h * (j0 + j1)
        z = 0.0 if flat else origin[2] + 0.5 * h * (k0 + k1)
        radius = 0.5 * h * math.sqrt(wx * wx + wy * wy + (0 if flat else wz * wz))
        least = math.inf
        for n in range(begin, end):
            squares[n - begin] = square_distance(elements, lists[n], x, y, z)
            least = min(least, squares[n - begin])
        distance = math.sqrt(least)
        single = wx * wy * wz == 1
        if single and distance >= far * radius:
            bound[(i0 * counts[1] + j0) * counts[2] + k0] = np.float32(distance * (1.0 - 2e-7))
            continue
        limit, kept = ((distance + 2.0 * radius) * (1.0 + 1e-9)) ** 2, end
        for n in range(begin, end):
            if squares[n - begin] <= limit:
                lists[kept] = lists[n]
                kept += 1
        if single:
            if top + kept - end > len(listed):
                longer = np.empty(2 * len(listed) + kept - end, np.int32)
                longer[:top] = listed[:top]
                listed = longer
            listed[top : top + kept - end] = lists[end:kept]
            cell = (i0 * counts[1] + j0) * counts[2] + k0
            span[cell, 0], span[cell, 1] = top, top + kept - end
            top += kept - end
            continue
        for half in range(2):
            parts[waiting, :6], parts[waiting, 6:] = (i0, j0, k0, i1, j1, k1), (end, kept)
            axis = 0 if wx >= max(wy, wz) else 1 if wy >= wz else 2
            middle = (parts[waiting, axis] + parts[waiting, 3 + axis]) // 2
            parts[waiting, axis if half else 3 + axis] = middle
            waiting += 1
    return listed[:top].copy()


@njit(fastmath=FAST)
def cell_of2(grid: Any, x: Any, y: Any) -> Any:
    """(cell, square of the distance to its centre); points outside count to the nearest cell (compiled code only)."""
    i = min(grid.counts[0] - 1, max(0, int((x - grid.origin[0]) / grid.h)))
    j = min(grid.counts[1] - 1, max(0, int((y - grid.origin[1]) / grid.h)))
    a, b = x - grid.origin[0] - (i + 0.5) * grid.h, y - grid.origin[1] - (j + 0.5) * grid.h
    return i * grid.counts[1] + j, a * a + b * b


@njit(fastmath=FAST)
def cell_of3(grid: Any, x: Any, y: Any, z: Any) -> Any:
    """``cell_of2`` in space."""
    i = min(grid.counts[0] - 1, max(0, int((x - grid.origin[0]) / grid.h)))
    j = min(grid.counts[1] - 1, max(0, int((y - grid.origin[1]) / grid.h)))
    k = min(grid.counts[2] - 1, max(0, int((z - grid.origin[2]) / grid.h)))
    a, b = x - grid.origin[0] - (i + 0.5) * grid.h, y - grid.origin[1] - (j + 0.5) * grid.h
    c = z - grid.origin[2] - (k + 0.5) * grid.h
    return (i * grid.counts[1] + j) * grid.counts[2] + k, a * a + b * b + c * c
