"""From couplings and right-hand sides to the layout, and back to the unknowns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from solvers.multigrid import layout as of
from solvers.multigrid.compiled import Buffer, Doubles, Level, Singles, U, entry, kernel
from solvers.multigrid.rows import clear
from solvers.multigrid.smoother import deep, row


@kernel
def put(to: Buffer, at: int, step: int, source: Doubles, begin: int, stride: int, count: int, factor: float) -> None:
    """Numbers ``stride`` apart to places ``step`` apart."""
    for k in range(U(0), U(count)):
        to[U(at) + k * U(step)] = factor * source[U(begin) + k * U(stride)]


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
    at = row(t, z, y)
    for lane in range(lanes):
        source, factor = faces[slots[lane], z, y], scales[lane]
        for s in range(2):
            place = at + ((s + z + y) & 1) * t[of.SIZE] + lane
            count = (t[of.NX] + 1 - s) >> 1
            put(v, fine[field] + place, lanes, source, s, 2, count, factor)
            put(w, t[field] + place, lanes, source, s, 2, count, factor)


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
    at = row(t, z, y)
    for lane in range(lanes):
        source, factor = faces[slots[lane], z, y], scales[lane]
        for s in range(2):
            field, count = of.TI if s else of.TO, (t[of.NX] + 2 - s) >> 1
            put(v, fine[field] + at + lane, lanes, source, s, 2, count, factor)
            put(w, t[field] + at + lane, lanes, source, s, 2, count, factor)


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
    at = row(t, z, y)
    for lane in range(lanes):
        source, factor = b[slots[lane], z, y], weights[lane]
        for s in range(2):
            place = at + ((s + z + y) & 1) * t[of.SIZE] + lane
            count = (t[of.NX] + 1 - s) >> 1
            put(v, fine[of.F] + place, lanes, source, s, 2, count, factor)
            put(w, t[of.F] + place, lanes, source, s, 2, count, factor)


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
    at = row(t, z, y)
    for lane in range(lanes):
        source, factor = c[slots[lane], z, y], scales[lane]
        for s in range(2):
            place = at + ((s + z + y) & 1) * t[of.SIZE] + lane
            count = (t[of.NX] + 1 - s) >> 1
            put(v, fine[of.C] + place, lanes, source, s, 2, count, factor)
            put(w, t[of.C] + place, lanes, source, s, 2, count, factor)
            put(w, t[of.D] + place, lanes, source, s, 2, count, factor)


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
    for z in range(t[of.NZ]):
        for y in range(t[of.NY]):
            at = fine[of.U] + row(t, z, y)
            for lane in range(lanes):
                for s in range(2):
                    place = at + ((s + z + y) & 1) * t[of.SIZE] + lane
                    to, count = x[slots[lane], z, y], (t[of.NX] + 1 - s) >> 1
                    put(to, s, 2, v, place, lanes, count, scales[lane])
