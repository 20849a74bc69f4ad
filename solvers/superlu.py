"""Factorisations by SuperLU, through SciPy: what ``direct`` does where PETSc, and MUMPS with it, is not installed."""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import SuperLU, splu

from pdemill.points import Array
from pdemill.solvers.operators.system import Matrix, Pattern, separating
from pdemill.solvers.solution import Result, finite

THRESHOLD = 0.1
"""A diagonal entry is the pivot if it is at least this part of its column's largest: smaller fill than with more."""


class Direct:
    """LU factors of the last matrix, in an order for symmetric patterns: without pivoting where it is symmetric and
    definite, else with diagonal entries preferred.

    A matrix with a null space is factorised with diagonal entries doubled, as ``pdemill.solvers.petsc.LoadedMatrix``
    has it.
    """

    def __init__(self, pattern: Pattern) -> None:
        self._pattern = pattern
        self._loaded: Matrix | None = None
        self._factors: SuperLU | Result = Result.SINGULAR

    def solve(self, matrix: Matrix, rhs: Array) -> tuple[Array, Result]:
        """The solution; the factors of the last matrix are kept."""
        if matrix is not self._loaded:
            self._factors, self._loaded = self._factorised(matrix), matrix
        if isinstance(self._factors, Result):
            return np.full_like(rhs, np.nan), self._factors
        x = self._factors.solve(rhs)
        return x, finite(x)

    def solve_block(self, matrix: Matrix, block: list[Array]) -> list[tuple[Array, Result]]:
        """The solutions for several right-hand sides, each as it is alone."""
        return [self.solve(matrix, rhs) for rhs in block]

    def _factorised(self, matrix: Matrix) -> SuperLU | Result:
        """The factors, or why there are none."""
        if not np.isfinite(matrix.values).all():
            return Result.NOT_FINITE
        regular = matrix.sparse()
        if matrix.singular:
            regular = regular.copy()
            pinned = self._pattern.diagonal(separating(matrix.null_space))
            regular.data[:] = matrix.regular_values(pinned)
        threshold = 0.0 if matrix.properties.symmetric and matrix.properties.definite else THRESHOLD
        try:
            return splu(regular.tocsc(), "MMD_AT_PLUS_A", threshold, options={"SymmetricMode": True})
        except RuntimeError:
            return Result.SINGULAR
