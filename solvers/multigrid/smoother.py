"""Red-black relaxation of one plane of cells.

With T the couplings of a cell P to its neighbours N and c its reaction, a level's operator is

    (A u)_P = sum_N T_N (u_P - u_N) + c_P u_P,    diagonal = sum_N T_N + c_P.

Red cells have black neighbours only. Relaxing all cells of a colour is a projection that is symmetric in the energy of
A, so that (red, black) on the way down and (black, red) on the way up make the cycle a symmetric preconditioner.
"""

from __future__ import annotations

from pdemill.solvers.multigrid import layout as of
from pdemill.solvers.multigrid.compiled import Buffer, Level, Offsets, Singles, U, kernel
from pdemill.solvers.multigrid.row_kernels import copy, flow5, flow7, relax5, relax7, scale

RED, BLACK = 0, 1


@kernel
def row(t: Level, z: int, y: int) -> int:
    """Offset of a half row in an array of one colour."""
    at: int = t[of.BASE] + z * t[of.PLANE] + y * t[of.PITCH]
    return at


@kernel
def scratch(t: Level, number: int) -> int:
    """Offset of a scratch row."""
    at: int = t[of.ROW] + number * t[of.PITCH] + t[of.MARGIN]
    return at


@kernel
def second(c: int, z: int, y: int) -> int:
    """Whether the cells of a colour are the second ones of their places: 0 or 1."""
    return (c + z + y) & 1


@kernel
def length(t: Level, c: int, z: int, y: int, lanes: int) -> int:
    """Numbers in a half row."""
    many: int = U(((t[of.NX] + 1 - second(c, z, y)) >> 1) * lanes)
    return many


@kernel
def couplings(t: Level, c: int, z: int, y: int, lanes: int) -> Offsets:
    """T: offsets of the couplings of a half row."""
    at = row(t, z, y)
    own, other = at + c * t[of.SIZE], at + (1 - c) * t[of.SIZE]
    return (
        U(t[of.TZ] + own),
        U(t[of.TZ] + other + t[of.PLANE]),
        U(t[of.TI] + at),
        U(t[of.TO] + at + second(c, z, y) * lanes),
        U(t[of.TY] + own),
        U(t[of.TY] + other + t[of.PITCH]),
    )


@kernel
def neighbours(t: Level, field: int, c: int, z: int, y: int, lanes: int) -> Offsets:
    """N: offsets of the neighbours of a half row in an array of two colours."""
    at = field + (1 - c) * t[of.SIZE] + row(t, z, y)
    beyond = (2 * second(c, z, y) - 1) * lanes
    return (
        U(at - t[of.PLANE]),
        U(at + t[of.PLANE]),
        U(at),
        U(at + beyond),
        U(at - t[of.PITCH]),
        U(at + t[of.PITCH]),
    )


@kernel
def deep(t: Level) -> bool:
    """Whether the grid has three dimensions."""
    three: bool = t[of.PLANE] > t[of.PITCH]
    return three


@kernel
def wrap_rows(w: Buffer, t: Level, base: int, c: int, z: int, lanes: int) -> None:
    """Copy the ends of rows into the margins that cells across a periodic x read."""
    end = t[of.HALF] * lanes
    for y in range(t[of.NY]):
        at = base + row(t, z, y)
        if second(c, z, y):
            copy(w, U(at - lanes), U(at + end - lanes), U(lanes))
        else:
            copy(w, U(at + end), U(at), U(lanes))


@kernel
def wrap(w: Buffer, t: Level, field: int, c: int, z: int, lanes: int) -> None:
    """Copy what a plane of one colour has at one end of its periodic axes into the margins at the other end."""
    base = field + c * t[of.SIZE]
    if t[of.PX]:
        wrap_rows(w, t, base, c, z, lanes)
    if t[of.PY]:
        begin = base + row(t, z, 0) - t[of.MARGIN]
        copy(w, U(begin + t[of.NY] * t[of.PITCH]), U(begin), U(t[of.PITCH]))
        copy(w, U(begin - t[of.PITCH]), U(begin + (t[of.NY] - 1) * t[of.PITCH]), U(t[of.PITCH]))
    if t[of.PZ]:
        if z == 0:
            copy(w, U(base + (t[of.NZ] + 1) * t[of.PLANE]), U(base + t[of.PLANE]), U(t[of.PLANE]))
        if z == t[of.NZ] - 1:
            copy(w, U(base), U(base + t[of.NZ] * t[of.PLANE]), U(t[of.PLANE]))


@kernel
def wrap_red(w: Singles, t: Level, field: int, z: int, lanes: int) -> None:
    """Fill the margins along a periodic x of an array of red cells only."""
    if t[of.PX]:
        wrap_rows(w, t, field, RED, z, lanes)


@kernel
def begin_plane(w: Singles, t: Level, z: int, lanes: int) -> None:
    """Relax the red cells of a plane from zero."""
    for y in range(t[of.NY]):
        at = row(t, z, y)
        scale(w, U(t[of.U] + at), U(t[of.F] + at), U(t[of.D] + at), length(t, RED, z, y, lanes))
    wrap(w, t, t[of.U], RED, z, lanes)


@kernel
def relax_plane(w: Singles, t: Level, c: int, z: int, summing: bool, lanes: int) -> None:
    """Relax the cells of one colour of a plane; ``summing``: add u f to the sums of the iteration."""
    for y in range(t[of.NY]):
        at = c * t[of.SIZE] + row(t, z, y)
        T = couplings(t, c, z, y, lanes)
        N = neighbours(t, t[of.U], c, z, y, lanes)
        u, f, d, many = U(t[of.U] + at), U(t[of.F] + at), U(t[of.D] + at), length(t, c, z, y, lanes)
        if deep(t):
            relax7(w, u, f, d, U(t[of.SUM]), summing, T, N, many)
        else:
            relax5(w, u, f, d, U(t[of.SUM]), summing, T, N, many)
    wrap(w, t, t[of.U], c, z, lanes)


@kernel
def residual_plane(w: Singles, t: Level, z: int, lanes: int) -> None:
    """Residuals of the red cells of a plane after ``begin_plane`` and one relaxation of the black cells.

    Before the black cells were relaxed from zero the red equations held: what is left is sum T N. Black residuals are
    zero.
    """
    for y in range(t[of.NY]):
        r, many = U(t[of.R] + row(t, z, y)), length(t, RED, z, y, lanes)
        T = couplings(t, RED, z, y, lanes)
        N = neighbours(t, t[of.U], RED, z, y, lanes)
        if deep(t):
            flow7(w, r, T, N, many)
        else:
            flow5(w, r, T, N, many)
    wrap_red(w, t, t[of.R], z, lanes)
