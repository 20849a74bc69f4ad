"""From couplings and right-hand sides to the layout, and back to the unknowns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from solvers.multigrid import layout as of
from solvers.multigrid.compiled import Doubles, Level, Singles, U, entry, kernel
from solvers.multigrid.rows import clear
from solvers.multigrid.smoother import deep, row


@kernel
def put(
    v: Doubles, w: Singles, double: int, single: int, step: int, a: Doubles, begin: int, many: int, f: float
) -> None:
    """Every second number of a, times f, to places ``step`` apart of both buffers."""
    for k in range(U(0), U(many)):
        value = f * a[U(begin) + U(2) * k]
        v[U(double) + k * U(step)] = value
        w[U(single) + k * U(step)] = value


@kernel
def take(v: Doubles, at: int, step: int, a: Doubles, begin: int, many: int, f: float) -> None:
    """The inverse of ``put``."""
    for k in range(U(0), U(many)):
        a[U(begin) + U(2) * k] = f * v[U(at) + k * U(step)]


@kernel
def first_of(a: Doubles, slot: int, z: int, y: int) -> int:
    """Where a row of an array of four axes begins."""
    begin: int = a.shape[3] * (y + a.shape[2] * (z + a.shape[1] * slot))
    return begin


@kernel
def put_row(
    w: Singles,
    v: Doubles,
    t: Level,
    fine: Level,
    z: int,
    y: int,
    faces: Doubles,
    slots: NDArray[np.intp],
    scales: Doubles,
    lanes: int,
    field: int,
) -> None:
    """A row of faces across z or y of all lanes, into an array of two colours."""
    at, flat = row(t, z, y), faces.reshape(-1)
    for lane in range(lanes):
        begin, factor = first_of(faces, slots[lane], z, y), scales[lane]
        for s in range(2):
            place = at + ((s + z + y) & 1) * t[of.SIZE] + lane
            count = (t[of.NX] + 1 - s) >> 1
            put(v, w, fine[field] + place, t[field] + place, lanes, flat, begin + s, count, factor)


@kernel
def put_sides(
    w: Singles,
    v: Doubles,
    t: Level,
    fine: Level,
    z: int,
    y: int,
    faces: Doubles,
    slots: NDArray[np.intp],
    scales: Doubles,
    lanes: int,
) -> None:
    """A row of faces across x of all lanes."""
    at, flat = row(t, z, y), faces.reshape(-1)
    for lane in range(lanes):
        begin, factor = first_of(faces, slots[lane], z, y), scales[lane]
        for s in range(2):
            field, count = of.TI if s else of.TO, (t[of.NX] + 2 - s) >> 1
            put(v, w, fine[field] + at + lane, t[field] + at + lane, lanes, flat, begin + s, count, factor)


@kernel
def put_load(
    w: Singles,
    v: Doubles,
    t: Level,
    fine: Level,
    z: int,
    y: int,
    b: Doubles,
    slots: NDArray[np.intp],
    weights: Doubles,
    lanes: int,
) -> None:
    """A row of right-hand sides of all lanes; the residual of x = 0 is the same."""
    at, flat = row(t, z, y), b.reshape(-1)
    for lane in range(lanes):
        begin, factor = first_of(b, slots[lane], z, y), weights[lane]
        for s in range(2):
            place = at + ((s + z + y) & 1) * t[of.SIZE] + lane
            count = (t[of.NX] + 1 - s) >> 1
            put(v, w, fine[of.F] + place, t[of.F] + place, lanes, flat, begin + s, count, factor)


@kernel
def put_reaction(
    w: Singles,
    v: Doubles,
    t: Level,
    fine: Level,
    z: int,
    y: int,
    c: Doubles,
    slots: NDArray[np.intp],
    scales: Doubles,
    lanes: int,
) -> None:
    """A row of reactions of all lanes."""
    at, flat = row(t, z, y), c.reshape(-1)
    for lane in range(lanes):
        begin, factor = first_of(c, slots[lane], z, y), scales[lane]
        for s in range(2):
            place = at + ((s + z + y) & 1) * t[of.SIZE] + lane
            count = (t[of.NX] + 1 - s) >> 1
            put(v, w, fine[of.C] + place, t[of.C] + place, lanes, flat, begin + s, count, factor)
            put(v, w, fine[of.C] + place, t[of.D] + place, lanes, flat, begin + s, count, factor)


@entry
def load(
    w: Singles,
    v: Doubles,
    t: Level,
    fine: Level,
    reaction: bool,
    Tz: Doubles,
    Ty: Doubles,
    Tx: Doubles,
    c: Doubles,
    b: Doubles,
    slots: NDArray[np.intp],
    scales: Doubles,
    weights: Doubles,
    lanes: int,
) -> None:
    """Fill the finest level; x = 0. Lane l takes what stands at ``slots[l]``; ``scales`` and ``weights``, powers of
    two, multiply matrices and right-hand sides."""
    clear(v, U(fine[of.U]), U(2 * t[of.SIZE]))
    clear(w, U(t[of.D]), U(2 * t[of.SIZE]))
    for y in range(t[of.NY]):
        put_row(w, v, t, fine, t[of.NZ], y, Tz, slots, scales, lanes, of.TZ)
    for z in range(t[of.NZ]):
        if deep(t):
            for y in range(t[of.NY] + 1):
                put_row(w, v, t, fine, z, y, Ty, slots, scales, lanes, of.TY)
        for y in range(t[of.NY]):
            put_row(w, v, t, fine, z, y, Tz, slots, scales, lanes, of.TZ)
            put_sides(w, v, t, fine, z, y, Tx, slots, scales, lanes)
            put_load(w, v, t, fine, z, y, b, slots, weights, lanes)
            if reaction:
                put_reaction(w, v, t, fine, z, y, c, slots, scales, lanes)


@entry
def unload(v: Doubles, t: Level, fine: Level, x: Doubles, slots: NDArray[np.intp], scales: Doubles, lanes: int) -> None:
    """The unknowns of all lanes."""
    flat = x.reshape(-1)
    for z in range(t[of.NZ]):
        for y in range(t[of.NY]):
            at = fine[of.U] + row(t, z, y)
            for lane in range(lanes):
                begin = first_of(x, slots[lane], z, y)
                for s in range(2):
                    place = at + ((s + z + y) & 1) * t[of.SIZE] + lane
                    take(v, place, lanes, flat, begin + s, (t[of.NX] + 1 - s) >> 1, scales[lane])
