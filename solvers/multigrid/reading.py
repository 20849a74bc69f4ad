"""What an assembled matrix of a box grid says: couplings, held sides, reaction.

Off the diagonal the matrix holds -T; the sum of a row is what ties its cell to the outside: the conductances of the
sides that hold u (Dirichlet, Robin) and the reaction c. Coarse levels treat the two differently, so they are told
apart: a cell at a side takes c from the nearest cell inside, and what is left belongs to the side. A cell at several
sides shares it out as the cells beside it along these sides do. The sum of both is exact; only the preconditioner
depends on the parting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solvers.multigrid.compiled import Doubles, U, entry, kernel
from solvers.multigrid.layout import padded
from solvers.operators.system import Pattern

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
    up: Doubles,
    here: Doubles,
) -> None:
    """One row of the matrix: ``up`` gets the couplings to the neighbours after it, ``here`` the row's sum (0 where it
    is rounding) and diagonal entry."""
    total = 0.0
    for at in range(begin, end):
        total += values[at]
    for axis in range(3):
        up[axis] = -values[begin + places[row, axis + 1]] if places[row, axis + 1] >= 0 else 0.0
    here[1] = values[begin + places[row, 0]]
    here[0] = 0.0 if singular or abs(total) <= ROUNDING * here[1] else total


@kernel
def read_inner(
    values: Doubles,
    begin: int,
    count: int,
    places: tuple[int, int, int, int],
    singular: bool,
    deep: bool,
    cell: int,
    z: int,
    y: int,
    x: int,
    many: int,
    Tz: Doubles,
    Ty: Doubles,
    Tx: Doubles,
    c: Doubles,
) -> float:
    """Cells of a row along x whose rows of the matrix are all alike, ``count`` entries each; cell, z, y, x: where the
    first of them and its faces stand. Returns the largest diagonal entry."""
    largest = 0.0
    centre, after_z, after_y, after_x = places
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
        Tx[U(x) + k] = -values[at + U(after_x)]
        Tz[U(z) + k] = -values[at + U(after_z)] if after_z >= 0 else 0.0
        if deep:
            Ty[U(y) + k] = -values[at + U(after_y)] if after_y >= 0 else 0.0
    return largest


@entry
def read(
    values: Doubles,
    indptr: NDArray[np.int32],
    places: NDArray[np.int8],
    singular: bool,
    Tz: Doubles,
    Ty: Doubles,
    Tx: Doubles,
    c: Doubles,
) -> float:
    """Couplings T of the faces across z, y, x, the outer ones included, shapes (nz + 1, ny, nx), (nz, ny + 1, nx) and
    (nz, ny, nx + 1), and all that ties a cell to the outside in c, shape (nz, ny, nx). Returns the largest diagonal
    entry."""
    nz, ny, nx = c.shape
    deep = ny > 1
    up, here = np.zeros(3), np.zeros(2)
    flat_z, flat_y, flat_x, flat_c = Tz.reshape(-1), Ty.reshape(-1), Tx.reshape(-1), c.reshape(-1)
    largest = 0.0
    for i in range(nz):
        for j in range(ny):
            row = (i * ny + j) * nx
            z, y, x = row + ny * nx, (i * (ny + 1) + j + 1) * nx, (i * ny + j) * (nx + 1) + 1
            for k in (0, nx - 1):
                read_cell(values, indptr[row + k], indptr[row + k + 1], places, row + k, singular, up, here)
                flat_c[row + k], flat_z[z + k], flat_x[x + k] = here[0], up[0], up[2]
                if deep:
                    flat_y[y + k] = up[1]
                largest = max(largest, here[1])
            begin, count = indptr[row + 1], indptr[row + 2] - indptr[row + 1]
            inner = places[row + 1, 0], places[row + 1, 1], places[row + 1, 2], places[row + 1, 3]
            found = read_inner(
                values, begin, count, inner, singular, deep, row + 1, z + 1, y + 1, x + 1, nx - 2,
                flat_z, flat_y, flat_x, flat_c,
            )  # fmt: skip
            largest = max(largest, found)
    for j in range(ny):
        for k in range(nx):
            Tz[0, j, k] = Tz[nz, j, k]
    for i in range(nz):
        for j in range(ny):
            Tx[i, j, 0] = Tx[i, j, nx]
        if deep:
            for k in range(nx):
                Ty[i, 0, k] = Ty[i, ny, k]
    return largest


@kernel
def inside(place: int, cells: int, periodic: bool) -> int:
    """The nearest cell that is not at a side."""
    return place if periodic or cells == 1 else min(max(place, 1), cells - 2)


@kernel
def held(c: Doubles, periodic: tuple[bool, bool, bool], i: int, j: int, k: int, axis: int) -> float:
    """What ties the cells beside this one along its side across an axis to that side."""
    nz, ny, nx = c.shape
    a, b, d = inside(i, nz, periodic[0]), inside(j, ny, periodic[1]), inside(k, nx, periodic[2])
    beside: float = c[i, b, d] if axis == 0 else c[a, j, d] if axis == 1 else c[a, b, k]
    beside -= c[a, b, d]
    return max(beside, 0.0)


@kernel
def part_cell(
    c: Doubles, periodic: tuple[bool, bool, bool], i: int, j: int, k: int, Tz: Doubles, Ty: Doubles, Tx: Doubles
) -> None:
    """Give a cell's sides their share of what ties it to the outside."""
    nz, ny, nx = c.shape
    a, b, d = inside(i, nz, periodic[0]), inside(j, ny, periodic[1]), inside(k, nx, periodic[2])
    z, y, x = 1.0 * (a != i), 1.0 * (b != j), 1.0 * (d != k)
    if z + y + x > 1.0:
        z = held(c, periodic, i, j, k, 0) if a != i else 0.0
        y = held(c, periodic, i, j, k, 1) if b != j else 0.0
        x = held(c, periodic, i, j, k, 2) if d != k else 0.0
    tied = c[i, j, k] - c[a, b, d]
    if not (z + y + x > 0.0 and tied > 0.0):
        return
    if z > 0.0:
        Tz[0 if i == 0 else nz, j, k] = tied * (z / (z + y + x))
    if y > 0.0:
        Ty[i, 0 if j == 0 else ny, k] = tied * (y / (z + y + x))
    if x > 0.0:
        Tx[i, j, 0 if k == 0 else nx] = tied * (x / (z + y + x))


@kernel
def take_off(
    c: Doubles, periodic: tuple[bool, bool, bool], i: int, j: int, k: int, Tz: Doubles, Ty: Doubles, Tx: Doubles
) -> None:
    """Leave a cell at a side the reaction of the nearest cell inside, if its sides got the rest."""
    nz, ny, nx = c.shape
    a, b, d = inside(i, nz, periodic[0]), inside(j, ny, periodic[1]), inside(k, nx, periodic[2])
    given = Tz[0 if i == 0 else nz, j, k] > 0.0 and a != i
    given |= b != j and Ty[i, 0 if j == 0 else ny, k] > 0.0
    given |= d != k and Tx[i, j, 0 if k == 0 else nx] > 0.0
    if given:
        c[i, j, k] = c[a, b, d]


@entry
def part(c: Doubles, periodic: tuple[bool, bool, bool], Tz: Doubles, Ty: Doubles, Tx: Doubles) -> None:
    """Part c, so far all that ties a cell to the outside, into sides and reaction."""
    nz, ny, nx = c.shape
    for taking in range(2):
        for i in range(nz):
            for j in range(ny):
                edge = inside(i, nz, periodic[0]) != i or inside(j, ny, periodic[1]) != j
                for k in range(0, nx, 1 if edge else nx - 1):
                    if taking:
                        take_off(c, periodic, i, j, k, Tz, Ty, Tx)
                    else:
                        part_cell(c, periodic, i, j, k, Tz, Ty, Tx)
