"""Where the numbers of a batch lie.

B systems ("lanes") with matrices of one pattern are solved side by side. A two-dimensional grid (n, m) is taken as the
three-dimensional (n, 1, m): the axes of the kernels are always z, y, x. All that belongs to one cell of one level is
stored for the B lanes one after the other; a row of cells along x is stored as two half rows, those of its red and of
its black cells (red: z + y + x even). Cell x stands at place k = x // 2 of its half row. So every kernel is a loop of
unit stride over a half row, k and lane in one.

Half rows have a margin of zeros (or, on a periodic axis, of copies) at both ends, and every array a margin of rows and
planes. What lies outside a side where u is fixed is such a zero.

A level is a row of integers, ``LEVEL``: the geometry, then offsets into the one float32 buffer. The level of the CG
iteration is one more such row, whose offsets are into the float64 buffer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

NAMES = (
    "NZ NY NX HALF PITCH PLANE SIZE BASE MARGIN PZ PY PX CZ CY CX "  # geometry
    "U F D TZ TY TI TO R WZ WY WX E ROW C P Q "  # a level; C, P, Q on the finest one only
    "ALPHA BETA SUM KEEP"  # the iteration: rows of coefficients, a value per lane, repeated along k
)
(
    NZ, NY, NX, HALF, PITCH, PLANE, SIZE, BASE, MARGIN, PZ, PY, PX, CZ, CY, CX,
    U, F, D, TZ, TY, TI, TO, R, WZ, WY, WX, E, ROW, C, P, Q,
    ALPHA, BETA, SUM, KEEP,
) = range(len(NAMES.split()))  # fmt: skip
"""Columns of a level.

NZ, NY, NX: cells; HALF: longest half row; PITCH, PLANE: from row to row and plane to plane; SIZE: of all cells of one
colour; BASE: offset of the first cell; MARGIN: before a row; PZ, PY, PX: whether the axis is periodic; CZ, CY,
CX: whether the next level has half as many cells along it.

U: unknowns, F: right-hand side, D: 1 / diagonal, C: reaction, P: direction, Q: A p; all for red, then black cells.
TZ, TY: coupling to the cell before along z, y, red then black. TI: coupling of the two cells of a place; TO: of the
first cell of a place to the last cell of the place before. R: residual of red cells. WZ, WY, WX: weight in a red cell
of the coarse cell beyond along each axis. E: the next level's correction with whole rows. ROW: scratch rows.
"""

type Axes[T] = tuple[T, T, T]
"""Something for each of the axes z, y, x."""
STUCK = 26
"""Most cells that may be left on a periodic axis that cannot be halved any more."""
ALIGN = 16


@dataclass(frozen=True)
class Coarsening:
    """How a grid is coarsened: the cells of every level, and which axes are halved to reach the next one."""

    shapes: tuple[Axes[int], ...]
    halved: tuple[Axes[bool], ...]
    periodic: Axes[bool]

    @property
    def sweeps(self) -> int:
        """Relaxations on the coarsest level: enough for what cannot be halved."""
        left = max(self.shapes[-1])
        return 0 if left == 1 else 2 + left * left // 8


def can_halve(cells: int, periodic: bool) -> bool:
    """Whether an axis may be halved. Red and black alternate around a periodic axis only if its cells are even; a
    last single cell is no neighbour of itself."""
    return cells > 1 and (not periodic or cells == 2 or cells % 4 == 0)


def left_over(cells: int, periodic: bool) -> int:
    """Cells on the coarsest level."""
    while can_halve(cells, periodic):
        cells = (cells + 1) // 2
    return cells


@cache
def plan_coarsening(shape: Axes[int], periodic: Axes[bool], strengths: Axes[int]) -> Coarsening:
    """Halve all axes whose couplings are at most twice weaker than the strongest; the others wait until halving has
    made these equally weak (semi-coarsening). ``strengths``: log2 of the couplings along each axis."""
    shapes: list[Axes[int]] = [shape]
    halved: list[Axes[bool]] = []
    strength = list(strengths)
    while any(can_halve(n, p) for n, p in zip(shapes[-1], periodic, strict=True)):
        able = [can_halve(n, p) for n, p in zip(shapes[-1], periodic, strict=True)]
        strongest = max(s for s, yes in zip(strength, able, strict=True) if yes)
        z, y, x = (yes and s >= strongest - 1 for s, yes in zip(strength, able, strict=True))
        now = z, y, x
        strength = [s - 2 * half for s, half in zip(strength, now, strict=True)]
        nz, ny, nx = ((n + 1) // 2 if half else n for n, half in zip(shapes[-1], now, strict=True))
        shapes.append((nz, ny, nx))
        halved.append(now)
    return Coarsening(tuple(shapes), (*halved, (False, False, False)), periodic)


@dataclass(frozen=True)
class Layout:
    """``levels``: table of all levels, shape (levels, columns); ``fine``: the finest one in the float64 buffer;
    ``singles``, ``doubles``: lengths of the buffers."""

    levels: NDArray[np.int64]
    fine: NDArray[np.int64]
    lanes: int
    singles: int
    doubles: int


def lay_out(coarsening: Coarsening, lanes: int, reaction: bool) -> Layout:
    """Offsets of everything for a coarsening and a number of lanes."""
    levels = np.stack([_geometry(coarsening, number, lanes) for number in range(len(coarsening.shapes))])
    deep = coarsening.shapes[0][1] > 1
    singles = 0
    for number, level in enumerate(levels):
        size, pitch = int(level[SIZE]), int(level[PITCH])
        parts = {U: 2, F: 2, D: 2, TZ: 2, TY: 2 * deep, TI: 1, TO: 1, R: 1, WZ: 1, WY: deep, WX: 1}
        lengths = {column: times * size for column, times in parts.items()} | {E: size, ROW: 4 * pitch}
        if number == 0:
            lengths |= {C: 2 * size * reaction, P: 2 * size, Q: 2 * size} | dict.fromkeys((ALPHA, BETA, SUM), pitch)
        singles = _place(level, lengths, singles)
    fine = levels[0].copy()
    fine[U:] = 0
    size, pitch = int(fine[SIZE]), int(fine[PITCH])
    lengths = dict.fromkeys((U, F, TZ), 2 * size) | {TY: 2 * size * deep, TI: size, TO: size}
    lengths |= {C: 2 * size} | dict.fromkeys((SUM, KEEP), pitch)
    return Layout(levels, fine, lanes, singles, _place(fine, lengths, 0))


def _geometry(coarsening: Coarsening, number: int, lanes: int) -> NDArray[np.int64]:
    level = np.zeros(len(NAMES.split()), dtype=np.int64)
    shape = coarsening.shapes[number]
    margin = level[MARGIN] = _aligned(2 * lanes)
    around = int(coarsening.shapes[0][1] > 1)
    level[NZ], level[NY], level[NX] = shape
    level[HALF] = (shape[2] + 1) // 2
    level[PITCH] = _aligned(int(level[HALF]) * lanes) + 2 * margin
    level[PLANE] = (shape[1] + 2 * around) * level[PITCH]
    level[SIZE] = (shape[0] + 2) * level[PLANE]
    level[BASE] = level[PLANE] + around * level[PITCH] + margin
    level[PZ : PX + 1] = [p and n > 1 for p, n in zip(coarsening.periodic, shape, strict=True)]
    level[CZ : CX + 1] = coarsening.halved[number]
    return level


def _place(level: NDArray[np.int64], lengths: dict[int, int], start: int) -> int:
    """Give every array its offset; odd gaps keep equal places of different arrays from falling on equal addresses
    modulo 4096."""
    for column, length in lengths.items():
        level[column] = start
        start += _aligned(length) + (5 * ALIGN if length else 0)
    return start


def _aligned(length: int) -> int:
    return -(-length // ALIGN) * ALIGN


def padded(shape: tuple[int, ...]) -> Axes[int]:
    """The axes z, y, x of a grid of two or three axes."""
    return (shape[0], 1, shape[1]) if len(shape) == 2 else (shape[0], shape[1], shape[2])
