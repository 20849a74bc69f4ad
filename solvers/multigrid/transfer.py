"""Between a level and the next coarser one.

An axis that is halved joins cells 2j and 2j + 1; a last cell without a partner stays alone. A red cell takes the value
of the coarse cell it lies in, and with weights W those of the coarse cells beyond, one along each halved axis:

    u += (1 - sum_a W_a) e_own + sum_a W_a e_a.

Black cells take nothing: the relaxation that follows overwrites them. The residual of red cells, the only one that is
left, goes back by the transpose. The weights come from ``coarsen``.
"""

from __future__ import annotations

from pdemill.solvers.multigrid import layout as of
from pdemill.solvers.multigrid.compiled import Level, Singles, U, kernel
from pdemill.solvers.multigrid.row_kernels import ONE, clear, merge, split
from pdemill.solvers.multigrid.smoother import RED, deep, length, row, scratch, second, wrap

WHOLE, NOTHING = 0, 1
"""Scratch rows: a whole coarse row, zeros."""


@kernel
def own2(w: Singles, out: int, r: int, wz: int, wx: int, beyond: int, many: int) -> None:
    """out += (1 - sum W) r + W_x r of the cell before or after along x."""
    for k in range(U(0), many):
        w[out + k] += w[r + k] * (ONE - w[wz + k] - w[wx + k]) + w[wx + beyond + k] * w[r + beyond + k]


@kernel
def own3(w: Singles, out: int, r: int, wz: int, wy: int, wx: int, beyond: int, many: int) -> None:
    """As ``own2`` in three dimensions."""
    for k in range(U(0), many):
        w[out + k] += w[r + k] * (ONE - w[wz + k] - w[wy + k] - w[wx + k]) + w[wx + beyond + k] * w[r + beyond + k]


@kernel
def weighted(w: Singles, out: int, r: int, weight: int, many: int) -> None:
    """out += W r."""
    for k in range(U(0), many):
        w[out + k] += w[weight + k] * w[r + k]


@kernel
def correct2(w: Singles, u: int, e: int, ez: int, ex: int, wz: int, wx: int, many: int) -> None:
    """u += e + sum W (e_a - e)."""
    for k in range(U(0), many):
        own = w[e + k]
        w[u + k] += own + (w[wz + k] * (w[ez + k] - own) + w[wx + k] * (w[ex + k] - own))


@kernel
def correct3(w: Singles, u: int, e: int, ez: int, ey: int, ex: int, wz: int, wy: int, wx: int, many: int) -> None:
    """As ``correct2`` in three dimensions."""
    for k in range(U(0), many):
        own = w[e + k]
        w[u + k] += own + (
            w[wz + k] * (w[ez + k] - own) + w[wy + k] * (w[ey + k] - own) + w[wx + k] * (w[ex + k] - own)
        )


@kernel
def half_row(tc: Level, field: int, s: int, Z: int, Y: int) -> int:
    """Offset of the half row that holds the first (s = 0) or second (1) cells of the places of a coarse row."""
    at: int = field + ((s + Z + Y) & 1) * tc[of.SIZE] + row(tc, Z, Y)
    return at


@kernel
def target(t: Level, tc: Level, s: int, Z: int, Y: int) -> int:
    """Where the residual of fine half row s is summed up: a whole coarse row, or half of one if x is not halved."""
    if t[of.CX]:
        return scratch(t, WHOLE)
    return half_row(tc, tc[of.F], s, Z, Y)


@kernel
def add_own(w: Singles, t: Level, tc: Level, z: int, y: int, Z: int, Y: int, lanes: int) -> None:
    """Restriction of a fine row to the coarse row it lies in."""
    s, at = second(RED, z, y), row(t, z, y)
    out = target(t, tc, s, Z, Y)
    beyond = U((1 - 2 * s) * lanes) if t[of.CX] else U(0)
    many = U(t[of.HALF] * lanes)
    if deep(t):
        own3(w, U(out), U(t[of.R] + at), U(t[of.WZ] + at), U(t[of.WY] + at), U(t[of.WX] + at), beyond, many)
    else:
        own2(w, U(out), U(t[of.R] + at), U(t[of.WZ] + at), U(t[of.WX] + at), beyond, many)


@kernel
def add_beyond(w: Singles, t: Level, tc: Level, weights: int, z: int, y: int, Z: int, Y: int, lanes: int) -> None:
    """Restriction of a fine row to the coarse row beside the one it lies in."""
    s, at = second(RED, z, y), row(t, z, y)
    weighted(w, U(target(t, tc, s, Z, Y)), U(t[of.R] + at), U(weights + at), length(t, RED, z, y, lanes))


@kernel
def children(coarse: int, cells: int, halved: int) -> tuple[int, int]:
    """First cell and end of the cells that a coarse cell joins along one axis."""
    if halved:
        return 2 * coarse, min(2 * coarse + 2, cells)
    return coarse, coarse + 1


@kernel
def gather_flat(
    w: Singles,
    out: int,
    a: int,
    az: int,
    ax: int,
    b: int,
    bz: int,
    bx: int,
    before: int,
    wb: int,
    after: int,
    wa: int,
    lanes: int,
    many: int,
) -> None:
    """A whole coarse row of two dimensions in one go, from its fine rows a and b and the rows before and after."""
    for k in range(U(0), many):
        w[out + k] = (
            (w[a + k] * (ONE - w[az + k] - w[ax + k]) + w[b + k] * (ONE - w[bz + k] - w[bx + k]))
            + (w[ax + k + lanes] * w[a + k + lanes] + w[bx + k - lanes] * w[b + k - lanes])
            + (w[wb + k] * w[before + k] + w[wa + k] * w[after + k])
        )  # fmt: skip


@kernel
def restrict_flat(w: Singles, t: Level, Z: int, lanes: int) -> None:
    """Restriction of all fine rows to one coarse row in two dimensions, both axes halved; rows that are missing are
    zeros."""
    nothing, z, cells = scratch(t, NOTHING), 2 * Z, t[of.NZ]
    a = row(t, z, 0)
    b = row(t, z + 1, 0) if z + 1 < cells else -1
    before = row(t, (z - 1) % cells, 0) if z > 0 or t[of.PZ] else -1
    after = row(t, (z + 2) % cells, 0) if z + 2 < cells or t[of.PZ] else -1
    gather_flat(
        w, U(scratch(t, WHOLE)),
        U(t[of.R] + a), U(t[of.WZ] + a), U(t[of.WX] + a),
        U(t[of.R] + b if b >= 0 else nothing), U(t[of.WZ] + b if b >= 0 else nothing),
        U(t[of.WX] + b if b >= 0 else nothing),
        U(t[of.R] + before if before >= 0 else nothing), U(t[of.WZ] + before if before >= 0 else nothing),
        U(t[of.R] + after if after >= 0 else nothing), U(t[of.WZ] + after if after >= 0 else nothing),
        U(lanes), U(t[of.HALF] * lanes),
    )  # fmt: skip


@kernel
def own_deep(
    w: Singles, out: int, r: int, wz: int, wy: int, wx: int, a: int, b: int, c: int, d: int, lanes: int, many: int
) -> None:
    """Restriction of the four fine rows in a coarse row of three dimensions; a and d begin with red cells."""
    for k in range(U(0), many):
        w[out + k] = (
            (w[r + a + k] * (ONE - w[wz + a + k] - w[wy + a + k] - w[wx + a + k])
             + w[r + b + k] * (ONE - w[wz + b + k] - w[wy + b + k] - w[wx + b + k]))
            + (w[r + c + k] * (ONE - w[wz + c + k] - w[wy + c + k] - w[wx + c + k])
               + w[r + d + k] * (ONE - w[wz + d + k] - w[wy + d + k] - w[wx + d + k]))
        ) + (
            (w[wx + a + k + lanes] * w[r + a + k + lanes] + w[wx + b + k - lanes] * w[r + b + k - lanes])
            + (w[wx + c + k - lanes] * w[r + c + k - lanes] + w[wx + d + k + lanes] * w[r + d + k + lanes])
        )  # fmt: skip


@kernel
def beyond_deep(w: Singles, out: int, r: int, weights: int, a: int, b: int, c: int, d: int, many: int) -> None:
    """Restriction of four fine rows beside a coarse row to it."""
    for k in range(U(0), many):
        w[out + k] += (w[weights + a + k] * w[r + a + k] + w[weights + b + k] * w[r + b + k]) + (
            w[weights + c + k] * w[r + c + k] + w[weights + d + k] * w[r + d + k]
        )


@kernel
def beside(place: int, cells: int, periodic: int) -> int:
    """A row or plane before or after those of a coarse one: beyond an open side one of zeros."""
    if periodic:
        return place % cells
    return min(place, cells)


@kernel
def restrict_deep(w: Singles, t: Level, Z: int, Y: int, lanes: int) -> None:
    """Restriction of all fine rows to one coarse row in three dimensions, all axes halved."""
    z, y, many, whole = 2 * Z, 2 * Y, U(t[of.HALF] * lanes), U(scratch(t, WHOLE))
    before, after = beside(z - 1, t[of.NZ], t[of.PZ]), beside(z + 2, t[of.NZ], t[of.PZ])
    r, wz, wy, wx = U(t[of.R]), U(t[of.WZ]), U(t[of.WY]), U(t[of.WX])
    own_deep(
        w, whole, r, wz, wy, wx, U(row(t, z, y)), U(row(t, z, y + 1)), U(row(t, z + 1, y)), U(row(t, z + 1, y + 1)),
        U(lanes), many,
    )  # fmt: skip
    beyond_deep(
        w, whole, r, wz, U(row(t, before, y)), U(row(t, before, y + 1)), U(row(t, after, y)), U(row(t, after, y + 1)),
        many,
    )  # fmt: skip
    before, after = beside(y - 1, t[of.NY], t[of.PY]), beside(y + 2, t[of.NY], t[of.PY])
    beyond_deep(
        w, whole, r, wy, U(row(t, z, before)), U(row(t, z + 1, before)), U(row(t, z, after)), U(row(t, z + 1, after)),
        many,
    )  # fmt: skip


@kernel
def restrict_row(w: Singles, t: Level, tc: Level, Z: int, Y: int, lanes: int) -> None:
    """Restriction of all fine rows to one coarse row."""
    z0, z1 = children(Z, t[of.NZ], t[of.CZ])
    y0, y1 = children(Y, t[of.NY], t[of.CY])
    for s in range(2):
        clear(w, U(target(t, tc, s, Z, Y)), U((t[of.HALF] if t[of.CX] else tc[of.HALF]) * lanes))
    for z in range(z0, z1):
        for y in range(y0, y1):
            add_own(w, t, tc, z, y, Z, Y, lanes)
    if t[of.CZ]:
        for y in range(y0, y1):
            if z0 + 2 < t[of.NZ] or t[of.PZ]:
                add_beyond(w, t, tc, t[of.WZ], (z0 + 2) % t[of.NZ], y, Z, Y, lanes)
            if z0 > 0 or t[of.PZ]:
                add_beyond(w, t, tc, t[of.WZ], (z0 - 1) % t[of.NZ], y, Z, Y, lanes)
    if t[of.CY]:
        for z in range(z0, z1):
            if y0 + 2 < t[of.NY] or t[of.PY]:
                add_beyond(w, t, tc, t[of.WY], z, (y0 + 2) % t[of.NY], Z, Y, lanes)
            if y0 > 0 or t[of.PY]:
                add_beyond(w, t, tc, t[of.WY], z, (y0 - 1) % t[of.NY], Z, Y, lanes)


@kernel
def restrict_plane(w: Singles, t: Level, tc: Level, Z: int, lanes: int) -> None:
    """The right-hand side of one coarse plane."""
    for Y in range(tc[of.NY]):
        if t[of.CX] and t[of.CZ] and not deep(t):
            restrict_flat(w, t, Z, lanes)
        elif t[of.CX] and t[of.CY] and t[of.CZ]:
            restrict_deep(w, t, Z, Y, lanes)
        else:
            restrict_row(w, t, tc, Z, Y, lanes)
        if t[of.CX]:
            first, last = half_row(tc, tc[of.F], 0, Z, Y), half_row(tc, tc[of.F], 1, Z, Y)
            split(w, U(scratch(t, WHOLE)), U(first), U(last), U(lanes), U(tc[of.HALF] * lanes))


@kernel
def whole_row(t: Level, tc: Level, Z: int, Y: int) -> int:
    """Offset of a coarse row in E."""
    rows = t[of.PLANE] // t[of.PITCH] - t[of.NY] + tc[of.NY]
    at: int = t[of.E] + t[of.BASE] - t[of.PLANE] + ((Z + 1) * rows + Y) * t[of.PITCH]
    return at


@kernel
def merge_plane(w: Singles, t: Level, tc: Level, Z: int, lanes: int) -> None:
    """A plane of the coarse correction in whole rows, margins of periodic axes included."""
    for Y in range(-tc[of.PY], tc[of.NY] + tc[of.PY]):
        first, last = half_row(tc, tc[of.U], 0, Z, Y), half_row(tc, tc[of.U], 1, Z, Y)
        whole, end = whole_row(t, tc, Z, Y), tc[of.HALF] * lanes
        merge(w, U(whole), U(first), U(last), U(lanes), U(end))
        if tc[of.PX]:
            merge(w, U(whole - 2 * lanes), U(first - lanes), U(last - lanes), U(lanes), U(lanes))
            merge(w, U(whole + 2 * end), U(first + end), U(last + end), U(lanes), U(lanes))


@kernel
def coarse_row(t: Level, tc: Level, s: int, Z: int, Y: int) -> int:
    """Offset of the coarse values that lie at the places of fine half row s."""
    if t[of.CX]:
        return whole_row(t, tc, Z, Y)
    return half_row(tc, tc[of.U], s, Z, Y)


@kernel
def correct_plane(w: Singles, t: Level, tc: Level, z: int, lanes: int) -> None:
    """Add the coarse correction to the red cells of a plane."""
    Z = z // 2 if t[of.CZ] else z
    if t[of.CX] and (not t[of.CZ] or z % 2 == 0):
        if z == 0:
            if tc[of.PZ]:
                merge_plane(w, t, tc, -1, lanes)
            merge_plane(w, t, tc, 0, lanes)
        if tc[of.NZ] + tc[of.PZ] > Z + 1:
            merge_plane(w, t, tc, Z + 1, lanes)
    for y in range(t[of.NY]):
        Y = y // 2 if t[of.CY] else y
        s, at = second(RED, z, y), row(t, z, y)
        e = coarse_row(t, tc, s, Z, Y)
        ez = coarse_row(t, tc, s, Z + 2 * (z & 1) - 1, Y) if t[of.CZ] else e
        ex = e + (2 * s - 1) * lanes if t[of.CX] else e
        u, wz, wx, many = U(t[of.U] + at), U(t[of.WZ] + at), U(t[of.WX] + at), length(t, RED, z, y, lanes)
        if deep(t):
            ey = coarse_row(t, tc, s, Z, Y + 2 * (y & 1) - 1) if t[of.CY] else e
            correct3(w, u, U(e), U(ez), U(ey), U(ex), wz, U(t[of.WY] + at), wx, many)
        else:
            correct2(w, u, U(e), U(ez), U(ex), wz, wx, many)
    wrap(w, t, t[of.U], RED, z, lanes)
