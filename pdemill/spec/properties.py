"""Facts about the matrices of a problem, known before any sample is drawn."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Properties:
    """Facts about the matrices of all samples, known before any is drawn; methods are admitted by them.

    symmetric  A = A'
    definite   positive definite, on the complement of its null space
    constant   the same for every sample
    dimension  number of space dimensions
    cells      cells along each axis, where the unknowns are one number per cell of a box grid; else empty
    periodic   for each of these axes, whether its ends are joined
    compact    each cell is coupled with the next ones along the axes alone, by entries <= 0
    separable  compact, the same in every cell along an axis: diagonalised by fast transforms
    shown      whether symmetric, definite and hollow were seen on a matrix: of weak forms nothing tells them before
    hollow     some diagonal entries are 0, as in a saddle point
    numbers    how many drawn numbers make a system, right-hand side included; None where a field or a shape is drawn
    """

    symmetric: bool
    definite: bool
    constant: bool
    dimension: int
    cells: tuple[int, ...] = ()
    periodic: tuple[bool, ...] = ()
    compact: bool = False
    separable: bool = False
    numbers: int | None = None
    shown: bool = False
    hollow: bool = False

    @property
    def structured(self) -> bool:
        """Whether the unknowns form a grid."""
        return bool(self.cells)
