"""The operators of the coarser levels, and the weights of the transfer.

A coupling T is a conductance. Two coarse cells are joined by what lies between their centres: half the resistance of
the face inside the one, the face between them, half that of the face inside the other, in series; the fine faces that
make up a coarse face are parallel. With r = 1 / (2 T) of an inner face (0 where there is none)

    g = T / (1 + T (r + r')),    coarse T = sum of g over the fine faces,

and the cell on this side of the face lies r g of the way from its coarse centre to the other: its weight w. With
weights along several axes W_a = q_a / (1 + sum q), q = w / (1 - w), which never makes one negative. Couplings along an
axis that is not halved, and reactions, are summed.

Source: Alcouffe, Brandt, Dendy, Painter 1981, "The multi-grid method for the diffusion equation with strongly
discontinuous coefficients", SIAM J. Sci. Stat. Comput. 2; Dendy 1982, "Black box multigrid", J. Comput. Phys. 48.
There the coarse operators are Galerkin products with wider stencils; these keep those of the fine grid.
"""

from __future__ import annotations

import numpy as np

from pdemill.solvers.multigrid import layout as of
from pdemill.solvers.multigrid.compiled import Level, Offsets, Singles, U, entry, kernel
from pdemill.solvers.multigrid.row_kernels import HALF as ONE_HALF
from pdemill.solvers.multigrid.row_kernels import ONE, ZERO, add, clear, copy, split
from pdemill.solvers.multigrid.smoother import couplings, deep, length, row, scratch, second, wrap_red
from pdemill.solvers.multigrid.transfer import NOTHING, WHOLE, children, half_row

LEAST = np.float32(1e-6)
DUMP, INNER = 2, 3
"""Scratch rows: what nobody reads, faces inside coarse cells."""


@kernel
def half_resistance(T: np.float32) -> np.float32:
    """1 / (2 T), or 0 where there is no face."""
    return ONE_HALF / T if T > ZERO else ZERO


@kernel
def in_series(w: Singles, out: int, weight: int, face: int, near: int, far: int, many: int) -> None:
    """out += g and weight = r g, with r of the faces ``near``."""
    for k in range(U(0), many):
        T, this = w[face + k], half_resistance(w[near + k])
        g = T / (ONE + T * (this + half_resistance(w[far + k])))
        w[out + k] += g
        w[weight + k] = this * g


@kernel
def odds(weight: np.float32) -> np.float32:
    """q = w / (1 - w), finite."""
    return weight / max(ONE - weight, LEAST)


@kernel
def normalise2(w: Singles, a: int, b: int, many: int) -> None:
    """The weights along two axes side by side."""
    for k in range(U(0), many):
        p, q = odds(w[a + k]), odds(w[b + k])
        total = ONE / (ONE + (p + q))
        w[a + k] = p * total
        w[b + k] = q * total


@kernel
def normalise3(w: Singles, a: int, b: int, c: int, many: int) -> None:
    """As ``normalise2`` along three axes."""
    for k in range(U(0), many):
        p, q, r = odds(w[a + k]), odds(w[b + k]), odds(w[c + k])
        total = ONE / (ONE + (p + q + r))
        w[a + k] = p * total
        w[b + k] = q * total
        w[c + k] = r * total


@kernel
def invert_diagonal(w: Singles, d: int, T: Offsets, three: bool, many: int) -> None:
    """d = 1 / (sum T + d), 0 in a cell that is joined to nothing."""
    for k in range(U(0), many):
        total = w[d + k] + ((w[T[0] + k] + w[T[1] + k]) + (w[T[2] + k] + w[T[3] + k]))
        if three:
            total += w[T[4] + k] + w[T[5] + k]
        w[d + k] = ONE / total if total > ZERO else ZERO


@kernel
def finish_level(w: Singles, t: Level, lanes: int) -> None:
    """Turn D from the reaction into 1 / diagonal."""
    for z in range(t[of.NZ]):
        for y in range(t[of.NY]):
            for c in range(2):
                T = couplings(t, c, z, y, lanes)
                d = U(t[of.D] + c * t[of.SIZE] + row(t, z, y))
                invert_diagonal(w, d, T, deep(t), length(t, c, z, y, lanes))


@kernel
def put(w: Singles, t: Level, tc: Level, field: int, s: int, Z: int, Y: int) -> int:
    """Where fine half rows s are summed up for a coarse row of an array of two colours."""
    return scratch(t, WHOLE) if t[of.CX] else half_row(tc, field, s, Z, Y)


@kernel
def open_sum(w: Singles, t: Level, tc: Level, field: int, Z: int, Y: int, lanes: int) -> None:
    """Begin the sum of a coarse row."""
    for s in range(2):
        clear(w, U(put(w, t, tc, field, s, Z, Y)), U((t[of.HALF] if t[of.CX] else tc[of.HALF]) * lanes))


@kernel
def close_sum(w: Singles, t: Level, tc: Level, field: int, Z: int, Y: int, lanes: int) -> None:
    """Bring a whole coarse row to its half rows."""
    if t[of.CX]:
        whole, many = scratch(t, WHOLE), U(tc[of.HALF] * lanes)
        split(w, U(whole), U(half_row(tc, field, 0, Z, Y)), U(half_row(tc, field, 1, Z, Y)), U(lanes), many)


@kernel
def across(w: Singles, t: Level, tc: Level, axis: int, f: int, Y: int, z: int, y: int, lanes: int) -> None:
    """Add the faces of a fine row to coarse faces across z (axis 0) or y (1); f: number of the coarse face.

    ``z``, ``y``: the fine row after the face.
    """
    field, weights, halved = (t[of.TZ], t[of.WZ], t[of.CZ]) if axis == 0 else (t[of.TY], t[of.WY], t[of.CY])
    cells, periodic = (t[of.NZ], t[of.PZ]) if axis == 0 else (t[of.NY], t[of.PY])
    step = row(t, 1, 0) - row(t, 0, 0) if axis == 0 else row(t, 0, 1) - row(t, 0, 0)
    place = z if axis == 0 else y
    nothing, dump, many = scratch(t, NOTHING), scratch(t, DUMP), U(t[of.HALF] * lanes)
    for s in range(2):
        c = (s + z + y) & 1
        own, other = c * t[of.SIZE] + row(t, z, y), (1 - c) * t[of.SIZE] + row(t, z, y)
        out = put(w, t, tc, tc[of.TZ], s, f, Y) if axis == 0 else put(w, t, tc, tc[of.TY], s, Y, f)
        if not halved:
            add(w, U(out), U(field + own), many)
            continue
        before = after = nothing
        if place > 0 and place % 2 == 0:
            before = field + other - step
        elif place == 0 and periodic:
            before = field + other + (cells - 1) * step
        if place + 1 < cells:
            after = field + other + step
        elif place == cells and periodic:
            after = field + other - (cells - 1) * step
        if c == 0:
            weight = weights + own if place < cells else dump
            in_series(w, U(out), U(weight), U(field + own), U(after), U(before), many)
        else:
            weight = weights + other - step if place > 0 and place % 2 == 0 else dump
            in_series(w, U(out), U(weight), U(field + own), U(before), U(after), many)


@kernel
def coarsen_z(w: Singles, t: Level, tc: Level, lanes: int) -> None:
    """Couplings along z of the coarse level."""
    joined = t[of.PZ] and not tc[of.PZ]
    for f in range(0 if not joined else tc[of.NZ] + 1, tc[of.NZ] + 1):
        z = min(2 * f, t[of.NZ]) if t[of.CZ] else f
        for Y in range(tc[of.NY]):
            open_sum(w, t, tc, tc[of.TZ], f, Y, lanes)
            y0, y1 = children(Y, t[of.NY], t[of.CY])
            for y in range(y0, y1):
                across(w, t, tc, 0, f, Y, z, y, lanes)
            close_sum(w, t, tc, tc[of.TZ], f, Y, lanes)


@kernel
def coarsen_y(w: Singles, t: Level, tc: Level, lanes: int) -> None:
    """Couplings along y of the coarse level."""
    joined = t[of.PY] and not tc[of.PY]
    for f in range(0 if not joined else tc[of.NY] + 1, tc[of.NY] + 1):
        y = min(2 * f, t[of.NY]) if t[of.CY] else f
        for Z in range(tc[of.NZ]):
            open_sum(w, t, tc, tc[of.TY], Z, f, lanes)
            z0, z1 = children(Z, t[of.NZ], t[of.CZ])
            for z in range(z0, z1):
                across(w, t, tc, 1, f, Z, z, y, lanes)
            close_sum(w, t, tc, tc[of.TY], Z, f, lanes)


@kernel
def inner_faces(w: Singles, t: Level, z: int, y: int, lanes: int) -> int:
    """A copy of the faces inside the coarse cells of a row; a last single cell has none, its outer face closes it."""
    at, inner, last = row(t, z, y), scratch(t, INNER), (t[of.HALF] - 1) * lanes
    copy(w, U(inner), U(t[of.TI] + at), U(t[of.HALF] * lanes))
    if t[of.NX] % 2:
        copy(w, U(t[of.TO] + at + last + lanes), U(t[of.TI] + at + last), U(lanes))
        clear(w, U(inner + last), U(lanes))
    if t[of.PX]:
        copy(w, U(inner - lanes), U(inner + last), U(lanes))
        copy(w, U(inner + last + lanes), U(inner), U(lanes))
    return inner


@kernel
def coarsen_x(w: Singles, t: Level, tc: Level, lanes: int) -> None:
    """Couplings along x of the coarse level."""
    for Z in range(tc[of.NZ]):
        for Y in range(tc[of.NY]):
            at = row(tc, Z, Y)
            z0, z1 = children(Z, t[of.NZ], t[of.CZ])
            y0, y1 = children(Y, t[of.NY], t[of.CY])
            whole, many = scratch(t, WHOLE), (t[of.HALF] + 1) * lanes
            if not t[of.CX]:
                clear(w, U(tc[of.TI] + at), U(many))
                clear(w, U(tc[of.TO] + at), U(many))
                for z in range(z0, z1):
                    for y in range(y0, y1):
                        add(w, U(tc[of.TI] + at), U(t[of.TI] + row(t, z, y)), U(t[of.HALF] * lanes))
                        add(w, U(tc[of.TO] + at), U(t[of.TO] + row(t, z, y)), U(many))
                continue
            if t[of.PX] and not tc[of.PX]:
                continue
            clear(w, U(whole), U(many + 2 * lanes))
            for z in range(z0, z1):
                for y in range(y0, y1):
                    inner, s = inner_faces(w, t, z, y, lanes), second(0, z, y)
                    face, weight = t[of.TO] + row(t, z, y), t[of.WX] + row(t, z, y) - s * lanes
                    near, far = inner - s * lanes, inner - (1 - s) * lanes
                    in_series(w, U(whole), U(weight), U(face), U(near), U(far), U(many))
            split(w, U(whole), U(tc[of.TO] + at), U(tc[of.TI] + at), U(lanes), U((tc[of.HALF] + 1) * lanes))
            clear(w, U(whole), U(many + 2 * lanes))


@kernel
def sum_reactions(w: Singles, t: Level, tc: Level, lanes: int) -> None:
    """The reactions of the coarse level."""
    for Z in range(tc[of.NZ]):
        for Y in range(tc[of.NY]):
            open_sum(w, t, tc, tc[of.D], Z, Y, lanes)
            z0, z1 = children(Z, t[of.NZ], t[of.CZ])
            y0, y1 = children(Y, t[of.NY], t[of.CY])
            for z in range(z0, z1):
                for y in range(y0, y1):
                    for s in range(2):
                        c = (s + z + y) & 1
                        out = put(w, t, tc, tc[of.D], s, Z, Y)
                        add(w, U(out), U(t[of.D] + c * t[of.SIZE] + row(t, z, y)), length(t, c, z, y, lanes))
            close_sum(w, t, tc, tc[of.D], Z, Y, lanes)


@kernel
def normalise_weights(w: Singles, t: Level, lanes: int) -> None:
    """Put the weights of a level side by side."""
    many = U(t[of.HALF] * lanes)
    for z in range(t[of.NZ]):
        for y in range(t[of.NY]):
            at = row(t, z, y)
            if deep(t):
                normalise3(w, U(t[of.WZ] + at), U(t[of.WY] + at), U(t[of.WX] + at), many)
            else:
                normalise2(w, U(t[of.WZ] + at), U(t[of.WX] + at), many)
        wrap_red(w, t, t[of.WX], z, lanes)


@entry
def set_up(w: Singles, levels: Level, lanes: int) -> None:
    """All levels from the finest one, whose D holds the reaction."""
    for number in range(len(levels) - 1):
        t, tc = levels[number], levels[number + 1]
        coarsen_z(w, t, tc, lanes)
        if deep(t):
            coarsen_y(w, t, tc, lanes)
        coarsen_x(w, t, tc, lanes)
        normalise_weights(w, t, lanes)
        sum_reactions(w, t, tc, lanes)
        finish_level(w, t, lanes)
    finish_level(w, levels[len(levels) - 1], lanes)
