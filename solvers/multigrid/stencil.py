"""Reads an assembled matrix of a box grid: couplings, conductances of the sides, reaction.

Off the diagonal the matrix holds -T; the sum of a row is what ties its cell to the outside: the conductances of the
Dirichlet and Robin sides and the reaction c. Coarse levels treat the two differently, so they are split: a cell at a
side takes c from the nearest cell inside, and what is left belongs to the side. A cell at several sides shares it out
as the cells beside it along these sides do. The sum of both is exact; only the preconditioner depends on the split.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdemill.solvers.multigrid.compiled import Doubles, U, entry, kernel
from pdemill.solvers.multigrid.layout import padded
from pdemill.solvers.operators.system import Pattern

ROUNDING = 4e-15
"""A row sum below so many diagonal entries is rounding: an entry is a sum of at most seven numbers."""


@dataclass(frozen=True)
class Stencil:
    """A pattern as the kernels see it: cells along z, y, x, periodic axes, and where in each row the diagonal and the
    neighbours after it along z, y, x stand (-1: none), shape (cells, 4)."""

    shape: tuple[int, int, int]
    periodic: tuple[bool, bool, bool]
    places: NDArray[np.int8]

    @classmethod
    def of(cls, pattern: Pattern) -> Stencil:
        shape = padded(pattern.shape)
        number = np.arange(pattern.size).reshape(shape)
        wanted = [number]
        for axis in range(3):
            after = np.roll(number, -1, axis)
            wanted.append(after if shape[axis] > 1 else np.full(shape, -1))
        places = np.full((pattern.size, 4), -1, dtype=np.int8)
        counts = np.diff(pattern.indptr)
        for nth in range(int(counts.max())):
            rows = np.flatnonzero(counts > nth)
            columns = pattern.indices[pattern.indptr[rows] + nth]
            for part, cells in enumerate(wanted):
                hit = rows[columns == cells.reshape(-1)[rows]]
                places[hit, part] = nth
        last = [places[number.take(-1, axis).reshape(-1), axis + 1] for axis in range(3)]
        periodic = tuple(bool(n > 1 and (entries >= 0).any()) for n, entries in zip(shape, last, strict=True))
        return cls(shape, (periodic[0], periodic[1], periodic[2]), places)


@kernel
def read_cell(
    values: Doubles,
    begin: int,
    end: int,
    places: NDArray[np.int8],
    row: int,
    singular: bool,
    c: Doubles,
) -> float:
    """One row of the matrix: c gets its sum (0 where that is rounding). Returns the diagonal entry."""
    total = 0.0
    for at in range(begin, end):
        total += values[at]
    diagonal: float = values[begin + places[row, 0]]
    c[row] = 0.0 if singular or abs(total) <= ROUNDING * diagonal else total
    return diagonal


@kernel
def read_inner(
    values: Doubles, begin: int, count: int, centre: int, singular: bool, c: Doubles, cell: int, many: int
) -> float:
    """Cells of a row along x whose rows of the matrix are all alike, ``count`` entries each; the first is ``cell``.
    Returns the largest diagonal entry."""
    largest = 0.0
    for k in range(U(0), U(many)):
        at = U(begin) + k * U(count)
        total = values[at] + values[at + U(1)] + values[at + U(2)] + values[at + U(3)]
        if count > 4:
            total += values[at + U(4)]
        if count > 5:
            total += values[at + U(5)]
        if count > 6:
            total += values[at + U(6)]
        diagonal = values[at + U(centre)]
        largest = max(largest, diagonal)
        c[U(cell) + k] = 0.0 if singular or abs(total) <= ROUNDING * diagonal else total
    return largest


@kernel
def add_sample(values: Doubles, begin: int, count: int, after: int, many: int, sums: Doubles, axis: int) -> None:
    """Add every fourth coupling along an axis of cells whose rows of the matrix are all alike, and count them."""
    total = 0.0
    for k in range(U(0), U(many), U(4)):
        total -= values[U(begin + after) + k * U(count)]
    sums[axis] += total
    sums[3 + axis] += (many + 3) // 4


@kernel
def wrap_sides(
    values: Doubles,
    indptr: NDArray[np.int32],
    places: NDArray[np.int8],
    c: Doubles,
    axis: int,
    side: Doubles,
) -> None:
    """Both sides across a periodic axis: the couplings of the last cells to the first ones."""
    nz, ny, nx = c.shape
    for p in range(side.shape[1]):
        for q in range(side.shape[2]):
            i, j, k = (nz - 1, p, q) if axis == 0 else (p, ny - 1, q) if axis == 1 else (p, q, nx - 1)
            cell = (i * ny + j) * nx + k
            side[0, p, q] = side[1, p, q] = -values[indptr[cell] + places[cell, axis + 1]]


@entry
def survey(
    values: Doubles,
    indptr: NDArray[np.int32],
    places: NDArray[np.int8],
    periodic: tuple[bool, bool, bool],
    singular: bool,
    c: Doubles,
    Sz: Doubles,
    Sy: Doubles,
    Sx: Doubles,
    sums: Doubles,
) -> tuple[float, bool]:
    """Split the row sums into the conductances of the sides and the reaction, which stays in c, shape (nz, ny, nx).

    ``Sz``, ``Sy``, ``Sx``: couplings across the sides before and after along an axis, shapes (2, ny, nx), (2, nz, nx),
    (2, nz, ny); ``sums``: couplings along z, y, x of every fourth cell of a row, and how many these are. Returns the
    largest diagonal entry, and whether there is a reaction.
    """
    nz, ny, nx = c.shape
    flat, largest = c.reshape(-1), 0.0
    sums[:] = 0.0
    for i in range(nz):
        for j in range(ny):
            row = (i * ny + j) * nx
            for k in (0, nx - 1):
                begin, end = indptr[row + k], indptr[row + k + 1]
                largest = max(largest, read_cell(values, begin, end, places, row + k, singular, flat))
            begin, count = indptr[row + 1], indptr[row + 2] - indptr[row + 1]
            found = read_inner(values, begin, count, places[row + 1, 0], singular, flat, row + 1, nx - 2)
            largest = max(largest, found)
            for axis in range(3):
                if places[row + 1, axis + 1] >= 0:
                    add_sample(values, begin, count, places[row + 1, axis + 1], nx - 2, sums, axis)
    Sz[:], Sy[:], Sx[:] = 0.0, 0.0, 0.0
    if periodic[0]:
        wrap_sides(values, indptr, places, c, 0, Sz)
    if periodic[1]:
        wrap_sides(values, indptr, places, c, 1, Sy)
    if periodic[2]:
        wrap_sides(values, indptr, places, c, 2, Sx)
    split_edges(c, periodic, Sz, Sy, Sx)
    split_sides(c, periodic, Sz, Sy, Sx)
    reactive = 0
    for cell in range(len(flat)):
        reactive |= flat[cell] != 0.0
    return largest, reactive > 0


@kernel
def inside(place: int, cells: int, periodic: bool) -> int:
    """The nearest cell that is not at a side."""
    return place if periodic or cells == 1 else min(max(place, 1), cells - 2)


@kernel
def conductance(c: Doubles, periodic: tuple[bool, bool, bool], i: int, j: int, k: int, axis: int) -> float:
    """The conductance to a side across an axis of the cells beside this one along that side."""
    nz, ny, nx = c.shape
    a, b, d = inside(i, nz, periodic[0]), inside(j, ny, periodic[1]), inside(k, nx, periodic[2])
    beside: float = c[i, b, d] if axis == 0 else c[a, j, d] if axis == 1 else c[a, b, k]
    beside -= c[a, b, d]
    return max(beside, 0.0)


@kernel
def share_among_sides(
    c: Doubles, periodic: tuple[bool, bool, bool], i: int, j: int, k: int, Sz: Doubles, Sy: Doubles, Sx: Doubles
) -> None:
    """Give the sides of a cell at several of them their shares of the conductance."""
    nz, ny, nx = c.shape
    a, b, d = inside(i, nz, periodic[0]), inside(j, ny, periodic[1]), inside(k, nx, periodic[2])
    z = conductance(c, periodic, i, j, k, 0) if a != i else 0.0
    y = conductance(c, periodic, i, j, k, 1) if b != j else 0.0
    x = conductance(c, periodic, i, j, k, 2) if d != k else 0.0
    tied = c[i, j, k] - c[a, b, d]
    if not (z + y + x > 0.0 and tied > 0.0):
        return
    if z > 0.0:
        Sz[0 if i == 0 else 1, j, k] = tied * (z / (z + y + x))
    if y > 0.0:
        Sy[0 if j == 0 else 1, i, k] = tied * (y / (z + y + x))
    if x > 0.0:
        Sx[0 if k == 0 else 1, i, j] = tied * (x / (z + y + x))


@kernel
def keep_reaction(
    c: Doubles, periodic: tuple[bool, bool, bool], i: int, j: int, k: int, Sz: Doubles, Sy: Doubles, Sx: Doubles
) -> None:
    """Leave a cell at several sides the reaction of the nearest cell inside, if its sides got the rest."""
    nz, ny, nx = c.shape
    a, b, d = inside(i, nz, periodic[0]), inside(j, ny, periodic[1]), inside(k, nx, periodic[2])
    given = a != i and Sz[0 if i == 0 else 1, j, k] > 0.0
    given |= b != j and Sy[0 if j == 0 else 1, i, k] > 0.0
    given |= d != k and Sx[0 if k == 0 else 1, i, j] > 0.0
    if given:
        c[i, j, k] = c[a, b, d]


@kernel
def split_edges(c: Doubles, periodic: tuple[bool, bool, bool], Sz: Doubles, Sy: Doubles, Sx: Doubles) -> None:
    """Split c of the cells at several sides."""
    nz, ny, nx = c.shape
    for taking in range(2):
        for i in range(nz):
            z = inside(i, nz, periodic[0]) != i
            for j in range(ny):
                y = inside(j, ny, periodic[1]) != j
                if not (z or y):
                    continue
                for k in range(0, nx, 1 if z and y else nx - 1):
                    if not (z and y) and inside(k, nx, periodic[2]) == k:
                        continue
                    if taking:
                        keep_reaction(c, periodic, i, j, k, Sz, Sy, Sx)
                    else:
                        share_among_sides(c, periodic, i, j, k, Sz, Sy, Sx)


@kernel
def within(cells: int, periodic: bool) -> tuple[int, int]:
    """The first cell that is not at a side, and the end of these."""
    return 0 if periodic or cells < 3 else 1, cells if periodic or cells == 1 else cells - 1


@kernel
def split_side_cell(
    c: Doubles, side: Doubles, n: int, p: int, q: int, cell: tuple[int, int, int], near: tuple[int, int, int]
) -> None:
    """Give the one side of a cell the row sum in excess of the nearest cell inside."""
    tied = c[cell] - c[near]
    if tied > 0.0:
        side[n, p, q] = tied
        c[cell] = c[near]


@kernel
def split_sides(c: Doubles, periodic: tuple[bool, bool, bool], Sz: Doubles, Sy: Doubles, Sx: Doubles) -> None:
    """Split c of the cells at one side."""
    nz, ny, nx = c.shape
    z0, z1 = within(nz, periodic[0])
    y0, y1 = within(ny, periodic[1])
    x0, x1 = within(nx, periodic[2])
    for n in range(2):
        i, j, k = n * (nz - 1), n * (ny - 1), n * (nx - 1)
        a, b, d = inside(i, nz, periodic[0]), inside(j, ny, periodic[1]), inside(k, nx, periodic[2])
        if a != i:
            for y in range(y0, y1):
                for x in range(x0, x1):
                    split_side_cell(c, Sz, n, y, x, (i, y, x), (a, y, x))
        if b != j:
            for z in range(z0, z1):
                for x in range(x0, x1):
                    split_side_cell(c, Sy, n, z, x, (z, j, x), (z, b, x))
        if d != k:
            for z in range(z0, z1):
                for y in range(y0, y1):
                    split_side_cell(c, Sx, n, z, y, (z, y, k), (z, y, d))
