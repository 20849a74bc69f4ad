"""The matrix of a box as couplings of cells with those after them, which networks read."""

from __future__ import annotations

import numpy as np

from pdemill.points import Array
from pdemill.solvers.multigrid.stencil import Stencil
from pdemill.solvers.operators.system import Matrix, Pattern


class Couplings:
    """Where the entries of a pattern stand, for matrices without periodic sides whose cells are coupled with the next
    ones along the axes alone."""

    def __init__(self, pattern: Pattern) -> None:
        self.shape = pattern.shape
        stencil = Stencil.of(pattern)
        diagonal_and_axes = [0, 1, 3] if len(self.shape) == 2 else [0, 1, 2, 3]
        places = stencil.places[:, diagonal_and_axes].astype(np.intp)
        self._entries = np.where(places >= 0, pattern.indptr[:-1, None] + places, -1)
        two_sided = 2 * int((self._entries[:, 1:] >= 0).sum()) + pattern.size
        self.fits = not any(stencil.periodic) and two_sided == len(pattern.indices)

    def of(self, matrix: Matrix) -> tuple[Array, Array]:
        """Minus the entries that couple a cell with the one after it, [axis, *cells], and the diagonal [*cells], 0
        where a cell is not in the domain."""
        values = np.append(matrix.values, 0.0)[self._entries]
        diagonal = values[:, 0] if matrix.kept is None else np.where(matrix.kept, values[:, 0], 0.0)
        return -values[:, 1:].T.reshape(-1, *self.shape), diagonal.reshape(self.shape)


def divisible(cells: tuple[int, ...], levels: int) -> tuple[int, ...]:
    """Cells along each axis, made more until they can be halved for all levels."""
    by = 2 ** (levels - 1)
    return tuple(-(-n // by) * by for n in cells)
