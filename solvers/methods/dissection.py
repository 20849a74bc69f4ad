"""What a sparse factorisation takes, from nested dissection (George 1973): nothing is ordered or factorised.

A box of cells is cut by a plane across its longest axis, and both halves again. A plane of s unknowns with m neighbours
in planes that were cut before is a front of s + m unknowns, of which s are eliminated: s (s + 1) / 2 + s m entries of a
symmetric factor, and s³ / 3 + s² m + s m² operations. Orderings that know no planes (METIS, AMF) are as good within a
factor of 1.5 on grids of two and three axes; meshes have wider cuts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import prod
from typing import NamedTuple

from pdemill.spec.properties import Properties

FLOPS = {1: 1e9, 2: 12e9, 3: 14e9}
"""Operations per second of MUMPS, by dimension, where the constants of estimates were fitted."""
UNKNOWN_SECONDS = {1: 2.5e-7, 2: 7e-7, 3: 3e-6}
"""Analysis and assembly, per unknown; METIS orders in three dimensions."""
ENTRY_BYTES, UNKNOWN_BYTES = 8.0, 150.0
LEAF = 4
"""Cells that are not cut any more."""
JOINED = -1
MESH = (1.4, 2.0, 1.4)
"""How much more entries, operations and fronts are on a mesh than on a grid of as many unknowns."""


class Fill(NamedTuple):
    """Entries of the factors, operations of a symmetric factorisation, and entries of the largest front. An
    unsymmetric one has twice as many, which MUMPS does in the same time."""

    entries: float
    flops: float
    front: float

    @property
    def bytes(self) -> float:
        """Of the factors alone."""
        return ENTRY_BYTES * self.entries


def factorisation(properties: Properties, unknowns: int) -> Fill:
    """The factors of a matrix of so many unknowns; ``properties`` tell the proportions of a grid. A mesh is like a grid
    with equally many along each axis."""
    cells = properties.cells
    scale = (unknowns / prod(cells)) ** (1 / len(cells)) if cells else 1.0
    along = unknowns ** (1 / properties.dimension)
    shape = [max(1, round(n * scale)) for n in cells] if cells else [max(1, round(along))] * properties.dimension
    fill = dissect(shape, properties.periodic if cells else ())
    if not cells:
        fill = Fill(*(factor * part for factor, part in zip(MESH, fill, strict=True)))
    return fill if properties.symmetric else Fill(2 * fill.entries, fill.flops, 2 * fill.front)


def factor_seconds(properties: Properties, unknowns: int) -> float:
    """CPU seconds of a factorisation with its analysis."""
    dimension = properties.dimension
    return factorisation(properties, unknowns).flops / FLOPS[dimension] + UNKNOWN_SECONDS[dimension] * unknowns


def factor_memory(properties: Properties, unknowns: int) -> float:
    """Bytes that a process has more for factors and what is needed to make them."""
    fill = factorisation(properties, unknowns)
    return ENTRY_BYTES * (fill.entries + fill.front) + UNKNOWN_BYTES * unknowns


def dissect(shape: Sequence[int], periodic: Sequence[bool] = ()) -> Fill:
    """The symmetric factors of a compact matrix on a grid; ends of axes that are ``periodic`` are joined."""
    joined = periodic or [False] * len(shape)
    return _box(*_sorted(shape, [JOINED if ends else 0 for ends in joined]))


@cache
def _box(cells: tuple[int, ...], faces: tuple[int, ...]) -> Fill:
    """A box; ``faces``: along each axis, how many of its two faces lie at a plane that was cut, or ``JOINED``. Two
    planes are cut where ends are joined."""
    bounded, unknowns = _bounded(cells, faces), prod(cells)
    axis = max(range(len(cells)), key=lambda axis: cells[axis])
    planes = 2 if faces[axis] == JOINED else 1
    if unknowns <= LEAF or cells[axis] < 1 + 2 * planes:
        return _front(unknowns, bounded)
    found = _front(planes * unknowns // cells[axis], bounded)
    first = (cells[axis] - planes) // 2
    shares = (1, 1) if planes == 2 else ((faces[axis] + 1) // 2, faces[axis] // 2)
    for length, others in zip((first, cells[axis] - planes - first), shares, strict=True):
        half, ends = list(cells), list(faces)
        half[axis], ends[axis] = length, 1 + others
        found = _sum(found, _box(*_sorted(half, ends)))
    return found


def _sorted(cells: Sequence[int], faces: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Axes in order, so that boxes that are alike are looked up."""
    pairs = sorted(zip(cells, faces, strict=True))
    return tuple(cell for cell, _ in pairs), tuple(face for _, face in pairs)


def _bounded(cells: Sequence[int], faces: Sequence[int]) -> int:
    unknowns = prod(cells)
    return sum(max(0, count) * unknowns // cell for cell, count in zip(cells, faces, strict=True))


def _front(size: int, neighbours: int) -> Fill:
    s, m = float(size), float(neighbours)
    return Fill(s * (s + 1) / 2 + s * m, s**3 / 3 + s * s * m + s * m * m, (s + m) ** 2 / 2)


def _sum(one: Fill, other: Fill) -> Fill:
    return Fill(one.entries + other.entries, one.flops + other.flops, max(one.front, other.front))
