"""From matrices and right-hand sides to the layout, and back to the unknowns.

Half rows are filled one after the other, each for all lanes, so that the lines of the cache that lanes share are
written while they are there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdemill.solvers.multigrid import layout as of
from pdemill.solvers.multigrid.compiled import Addresses, Doubles, Level, Singles, U, entry, kernel, number_at
from pdemill.solvers.multigrid.row_kernels import clear
from pdemill.solvers.multigrid.smoother import row


@kernel
def put(
    w: Singles, v: Doubles, single: int, double: int, lanes: int, source: Addresses, begin: int, stride: int,
    many: int, factors: Doubles,
) -> None:  # fmt: skip
    """Numbers of each lane that are ``stride`` apart, times its factor, to the places of a half row."""
    for lane in range(U(0), U(lanes)):
        at, f = source[lane] + U(8 * begin), factors[lane]
        for k in range(U(0), U(many)):
            v[U(double) + lane + k * U(lanes)] = f * number_at(at + U(8 * stride) * k)
    for k in range(U(0), U(many * lanes)):
        w[U(single) + k] = v[U(double) + k]


@kernel
def put_row(
    w: Singles, v: Doubles, t: Level, single: int, double: int, z: int, y: int, lanes: int, source: Addresses,
    begin: int, factors: Doubles,
) -> None:  # fmt: skip
    """A row of numbers, one per cell, to an array of two colours."""
    for s in range(2):
        at, many = ((s + z + y) & 1) * t[of.SIZE] + row(t, z, y), (t[of.NX] + 1 - s) >> 1
        put(w, v, single + at, double + at, lanes, source, begin + s, 2, many, factors)


@kernel
def put_couplings(
    w: Singles, v: Doubles, even: tuple[int, int], odd: tuple[int, int], lanes: int, source: Addresses,
    indptr: NDArray[np.int32], places: NDArray[np.int8], cell: int, nx: int, part: int, factors: Doubles,
) -> None:  # fmt: skip
    """The couplings of a row of cells to those after them along z, y or x (``part`` 1, 2, 3), to the places of even
    and odd cells. The last cell along x has none; what is put there is overwritten."""
    end, step = cell + nx - 1, (nx - 1) // 2 * lanes
    begin, stride = indptr[cell + 1] + places[cell + 1, part], indptr[cell + 2] - indptr[cell + 1]
    last, (single, double) = indptr[end] + max(places[end, part], 0), even if nx & 1 else odd
    put(w, v, even[0], even[1], lanes, source, indptr[cell] + places[cell, part], 1, 1, factors)
    put(w, v, even[0] + lanes, even[1] + lanes, lanes, source, begin + stride, 2 * stride, (nx - 2) // 2, factors)
    put(w, v, odd[0], odd[1], lanes, source, begin, 2 * stride, (nx - 1) // 2, factors)
    put(w, v, single + step, double + step, lanes, source, last, 1, 1, factors)


@kernel
def put_faces(
    w: Singles, v: Doubles, t: Level, single: int, double: int, z: int, y: int, lanes: int, source: Addresses,
    indptr: NDArray[np.int32], places: NDArray[np.int8], cell: int, part: int, factors: Doubles,
) -> None:  # fmt: skip
    """The couplings of a row of cells to those after them along z or y, which stand in row (z, y)."""
    at, s = row(t, z, y), (z + y) & 1
    even, odd = at + s * t[of.SIZE], at + (1 - s) * t[of.SIZE]
    places_even, places_odd = (single + even, double + even), (single + odd, double + odd)
    put_couplings(w, v, places_even, places_odd, lanes, source, indptr, places, cell, t[of.NX], part, factors)


@entry
def load(
    w: Singles,
    v: Doubles,
    t: Level,
    fine: Level,
    reaction: bool,
    sources: Addresses,
    indptr: NDArray[np.int32],
    places: NDArray[np.int8],
    scales: Doubles,
    weights: Doubles,
    lanes: int,
) -> None:
    """Fill the finest level; x = 0, and so the residual is the right-hand side. ``sources``, shape (6, lanes): where
    each lane has its matrix, right-hand side, reaction and sides across z, y, x; ``scales`` and ``weights``, powers
    of two, multiply matrices and right-hand sides."""
    nz, ny, nx = t[of.NZ], t[of.NY], t[of.NX]
    a, b, c, Sz, Sy, Sx = sources[0], sources[1], sources[2], sources[3], sources[4], sources[5]
    minus = -scales
    clear(v, U(fine[of.U]), U(2 * t[of.SIZE]))
    clear(w, U(t[of.D]), U(2 * t[of.SIZE]))
    for z in range(nz):
        for y in range(ny):
            cell = (z * ny + y) * nx
            put_row(w, v, t, t[of.F], fine[of.F], z, y, lanes, b, cell, weights)
            if reaction:
                put_row(w, v, t, t[of.C], fine[of.C], z, y, lanes, c, cell, scales)
                put_row(w, v, t, t[of.D], fine[of.C], z, y, lanes, c, cell, scales)
            if z == 0:
                put_row(w, v, t, t[of.TZ], fine[of.TZ], 0, y, lanes, Sz, y * nx, scales)
            if z + 1 == nz:
                put_row(w, v, t, t[of.TZ], fine[of.TZ], nz, y, lanes, Sz, (ny + y) * nx, scales)
            else:
                put_faces(w, v, t, t[of.TZ], fine[of.TZ], z + 1, y, lanes, a, indptr, places, cell, 1, minus)
            if ny > 1:
                if y == 0:
                    put_row(w, v, t, t[of.TY], fine[of.TY], z, 0, lanes, Sy, z * nx, scales)
                if y + 1 == ny:
                    put_row(w, v, t, t[of.TY], fine[of.TY], z, ny, lanes, Sy, (nz + z) * nx, scales)
                else:
                    put_faces(w, v, t, t[of.TY], fine[of.TY], z, y + 1, lanes, a, indptr, places, cell, 2, minus)
            at = row(t, z, y)
            inner, outer = (t[of.TI] + at, fine[of.TI] + at), (t[of.TO] + at, fine[of.TO] + at)
            after = outer[0] + lanes, outer[1] + lanes
            put_couplings(w, v, inner, after, lanes, a, indptr, places, cell, nx, 3, minus)
            put(w, v, outer[0], outer[1], lanes, Sx, z * ny + y, 1, 1, scales)
            (single, double), last = inner if nx & 1 else after, (nx - 1) // 2 * lanes
            put(w, v, single + last, double + last, lanes, Sx, (nz + z) * ny + y, 1, 1, scales)


@entry
def load_sides(w: Singles, v: Doubles, t: Level, fine: Level, sources: Addresses, weights: Doubles, lanes: int) -> None:
    """Other right-hand sides for the matrices that are loaded, as ``load`` takes them; x = 0."""
    clear(v, U(fine[of.U]), U(2 * t[of.SIZE]))
    for z in range(t[of.NZ]):
        for y in range(t[of.NY]):
            cell = (z * t[of.NY] + y) * t[of.NX]
            put_row(w, v, t, t[of.F], fine[of.F], z, y, lanes, sources, cell, weights)


@kernel
def take(v: Doubles, at: int, step: int, a: Doubles, begin: int, many: int, f: float) -> None:
    """Places ``step`` apart, times f, to every second number of a."""
    for k in range(U(0), U(many)):
        a[U(begin) + U(2) * k] = f * v[U(at) + k * U(step)]


@entry
def unload(v: Doubles, t: Level, fine: Level, x: Doubles, scales: Doubles, lanes: int) -> None:
    """The unknowns of all lanes, shape (lanes, cells)."""
    flat = x.reshape(-1)
    for z in range(t[of.NZ]):
        for y in range(t[of.NY]):
            at = fine[of.U] + row(t, z, y)
            for lane in range(lanes):
                begin = t[of.NX] * (y + t[of.NY] * (z + t[of.NZ] * lane))
                for s in range(2):
                    place = at + ((s + z + y) & 1) * t[of.SIZE] + lane
                    take(v, place, lanes, flat, begin + s, (t[of.NX] + 1 - s) >> 1, scales[lane])
