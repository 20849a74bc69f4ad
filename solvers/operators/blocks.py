"""Unknowns that are components of vectors at nodes, in blocks of one node each, as algebraic multigrid likes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.operators.system import Blocks, Matrix, Pattern


class Blocked:
    """A pattern and its matrices in blocks. Components of a node that are not solved for have a row with nothing but a
    diagonal entry, of the size of the matrix, so that all blocks are alike."""

    def __init__(self, pattern: Pattern, blocks: Blocks) -> None:
        rows, size = blocks.rows, blocks.width * blocks.count
        other = np.ones(size, dtype=bool)
        other[rows] = False
        self._others = np.flatnonzero(other)
        row = np.concatenate([np.repeat(rows, np.diff(pattern.indptr)), self._others])
        column = np.concatenate([rows[pattern.indices], self._others])
        self._order: NDArray[np.intp] = np.lexsort((column, row))
        indptr = np.searchsorted(row[self._order], np.arange(size + 1)).astype(np.int32)
        indices = np.ascontiguousarray(column[self._order], dtype=np.int32)
        self.pattern = Pattern(indptr, indices, definite=pattern.definite, dimension=pattern.dimension)
        self._rows, self._size = rows, size

    def matrix(self, matrix: Matrix) -> Matrix:
        """A matrix in blocks."""
        values = np.concatenate([matrix.values, np.full(len(self._others), matrix.largest)])[self._order]
        null_space = tuple(map(self.spread, matrix.null_space))
        return Matrix(self.pattern, values, matrix.properties, null_space)

    def spread(self, unknowns: Array) -> Array:
        """Unknowns at their rows, 0 elsewhere."""
        whole = np.zeros(self._size)
        whole[self._rows] = unknowns
        return whole

    def gathered(self, whole: Array) -> Array:
        """The unknowns."""
        return np.asarray(whole[self._rows])
