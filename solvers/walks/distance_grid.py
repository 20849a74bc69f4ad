"""A grid over the elements of a boundary that answers "how far?" from one cell, for edges and triangles alike.

A cell far from the boundary holds the distance of its centre, c: then |x - c| less is a safe radius at x. A cell near
it lists the elements that can be nearest to a point of the cell: those whose distance from the centre is at most the
least one plus the cell's diagonal, nearest first, so that a search can stop before the end of the list. The lists are
found by halving the grid again and again, and testing for each part only the elements listed for the whole.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.compiled import compiled
from pdemill.solvers.walks.philox import FAST

FAR = 8.0
"""Cells whose centre is this many half diagonals from the boundary are far."""

WHOLE = 16.0
"""Parts of the grid this many half diagonals away are not divided further: their cells get safe bounds."""


class DistanceGrid(NamedTuple):
    """Cells are numbered row by row, the last axis fastest; in the plane the third axis is one cell of no thickness."""

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
    away: NDArray[np.float32]
    """Distances of the listed elements from the centre of the cell, rounded down."""


def square_distance(elements: Any, i: Any, x: Any, y: Any, z: Any) -> Any:
    """Compiled operation of a NamedTuple of elements: the squared distance of a point to element i."""
    raise NotImplementedError


def half_diagonal(grid: DistanceGrid) -> float:
    """From the centre of a cell to its corner."""
    return float(0.5 * grid.h * math.sqrt(2 if grid.counts[2] == 1 else 3))


def make_distance_grid(
    elements: Any, number: int, lower: Array, extent: Array, resolution: int, far: float = FAR
) -> DistanceGrid:
    """A grid over a box of 2 or 3 axes, ``resolution`` cells along the longest; far = inf lists for every cell."""
    h = 1.0001 * float(extent.max()) / resolution
    counts = np.ones(3, np.int64)
    counts[: len(extent)] = np.maximum(2 if len(extent) == 3 else 1, np.ceil(1.0001 * extent / h - 1e-9))
    origin = np.zeros(3)
    origin[: len(lower)] = lower + 0.5 * extent - 0.5 * h * counts[: len(extent)]
    bound, span = np.full(counts.prod(), -1.0, np.float32), np.zeros((counts.prod(), 2), np.int32)
    listed, away = _fill(elements, number, origin, h, counts, len(extent) == 2, far, bound, span)
    return DistanceGrid(origin, h, counts, bound, span, listed, away)


@compiled(nogil=True, fastmath=FAST)
def _fill(
    elements: Any, number: int, origin: Any, h: float, counts: Any, flat: bool, far: float, bound: Any, span: Any
) -> Any:
    """Fill ``bound`` and ``span``; the lists. Parts wait on a stack, each with the list of the whole it belongs to."""
    depth = 2
    for axis in range(3):
        depth += math.ceil(math.log2(counts[axis]))
    parts = np.empty((2 * depth, 8), np.int64)
    lists, squares = np.empty(number * (depth + 1), np.int32), np.empty(number)
    for n in range(number):
        lists[n] = n
    listed, top = np.empty(16 * len(bound) + number, np.int32), 0
    away = np.empty(len(listed), np.float32)
    for axis in range(3):
        parts[0, axis], parts[0, 3 + axis] = 0, counts[axis]
    parts[0, 6], parts[0, 7] = 0, number
    waiting, leaf = 1, 0.5 * h * math.sqrt(2 if flat else 3)
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
        distance, single = math.sqrt(least), wx * wy * wz == 1
        # Where the centres of the cells are, as seen from the centre of the part.
        spread = 0.5 * h * math.sqrt((wx - 1) ** 2 + (wy - 1) ** 2 + (wz - 1) ** 2)
        all_far = distance - spread >= far * leaf
        if all_far and (single or distance >= WHOLE * radius):
            _settle(bound, counts, h, i0, j0, k0, i1, j1, k1, distance)
            continue
        limit, kept = ((distance + 2.0 * (spread if all_far else radius)) * (1.0 + 1e-9)) ** 2, end
        for n in range(begin, end):
            if squares[n - begin] <= limit:
                lists[kept], squares[kept - end] = lists[n], squares[n - begin]
                kept += 1
        if single:
            if top + kept - end > len(listed):
                listed, away = _longer(listed, kept - end), _longer(away, kept - end)
            _sort(lists[end:kept], squares)
            cell = (i0 * counts[1] + j0) * counts[2] + k0
            span[cell, 0], span[cell, 1] = top, top + kept - end
            for n in range(kept - end):
                listed[top], away[top] = lists[end + n], math.sqrt(squares[n]) * (1.0 - 2e-7)
                top += 1
            continue
        axis = 0 if wx >= max(wy, wz) else 1 if wy >= wz else 2
        for column in range(6):
            parts[waiting + 1, column] = parts[waiting, column]
        middle = (parts[waiting, axis] + parts[waiting, 3 + axis]) // 2
        parts[waiting, 3 + axis] = parts[waiting + 1, axis] = middle
        for half in range(2):
            parts[waiting + half, 6], parts[waiting + half, 7] = end, kept
        waiting += 2
    return listed[:top].copy(), away[:top].copy()


@compiled(nogil=True)
def _settle(
    bound: Any, counts: Any, h: float, i0: int, j0: int, k0: int, i1: int, j1: int, k1: int, distance: float
) -> None:
    """Give the cells of a part, whose centre is at ``distance``, what is left of that at their own centres."""
    for i in range(i0, i1):
        for j in range(j0, j1):
            for k in range(k0, k1):
                a, b, c = 2 * i + 1 - i0 - i1, 2 * j + 1 - j0 - j1, 2 * k + 1 - k0 - k1
                off = 0.5 * h * math.sqrt(a * a + b * b + c * c)
                bound[(i * counts[1] + j) * counts[2] + k] = (distance - off) * (1.0 - 2e-7)


@compiled(nogil=True)
def _longer(array: Any, least: int) -> Any:
    """A copy with room for as many again, and ``least`` more."""
    longer = np.empty(2 * len(array) + least, array.dtype)
    for n in range(len(array)):
        longer[n] = array[n]
    return longer


@compiled(nogil=True)
def _sort(numbers: Any, keys: Any) -> None:
    """Put numbers [n] and the first n keys in order of the keys (Shell's sort with the gaps of Ciura 2001)."""
    for gap in (1750, 701, 301, 132, 57, 23, 10, 4, 1):
        for n in range(gap, len(numbers)):
            number, key, m = numbers[n], keys[n], n
            while m >= gap and keys[m - gap] > key:
                numbers[m], keys[m] = numbers[m - gap], keys[m - gap]
                m -= gap
            numbers[m], keys[m] = number, key


@compiled(fastmath=FAST, forceinline=True)
def cell_of2(grid: Any, x: Any, y: Any) -> Any:
    """(cell, square of the distance to its centre); points outside count to the nearest cell (compiled code only)."""
    i = min(grid.counts[0] - 1, max(0, int((x - grid.origin[0]) / grid.h)))
    j = min(grid.counts[1] - 1, max(0, int((y - grid.origin[1]) / grid.h)))
    a, b = x - grid.origin[0] - (i + 0.5) * grid.h, y - grid.origin[1] - (j + 0.5) * grid.h
    return i * grid.counts[1] + j, a * a + b * b


@compiled(fastmath=FAST, forceinline=True)
def cell_of3(grid: Any, x: Any, y: Any, z: Any) -> Any:
    """``cell_of2`` in space."""
    i = min(grid.counts[0] - 1, max(0, int((x - grid.origin[0]) / grid.h)))
    j = min(grid.counts[1] - 1, max(0, int((y - grid.origin[1]) / grid.h)))
    k = min(grid.counts[2] - 1, max(0, int((z - grid.origin[2]) / grid.h)))
    a, b = x - grid.origin[0] - (i + 0.5) * grid.h, y - grid.origin[1] - (j + 0.5) * grid.h
    c = z - grid.origin[2] - (k + 0.5) * grid.h
    return (i * grid.counts[1] + j) * grid.counts[2] + k, a * a + b * b + c * c
