"""Cholesky factors of the matrices that came last, on one pattern."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.cholesky import LANES
from pdemill.solvers.cholesky.kernels import factorise, solve
from pdemill.solvers.cholesky.ordering import Fronts
from pdemill.solvers.operators.system import Matrix, System, separating

BYTES = 2**28
"""Work space and factors of all matrices side by side, at most."""
WIDEST = 600
"""Rows of a front up to which one matrix after another is not faster: dense kernels are, on larger ones."""


def fits(fronts: Fronts) -> bool:
    """Whether several matrices side by side are faster than one after another, and fit."""
    numbers = fronts.entries + fronts.waiting + fronts.largest * (fronts.largest + 1) // 2
    return fronts.largest <= WIDEST and 8 * LANES * numbers <= BYTES


class Cholesky:
    """Factors of up to ``LANES`` matrices. What a system's solution is does not depend on who is beside it."""

    def __init__(self, fronts: Fronts) -> None:
        self._fronts = fronts
        size = fronts.largest * (fronts.largest + 1) // 2
        self._front, self._panels = np.empty(LANES * size), np.empty(LANES * fronts.entries)
        self._updates, self._inverse = np.empty(LANES * fronts.waiting), np.empty(LANES * len(fronts.order))
        self._loaded: list[Matrix] = []
        self._failed: NDArray[np.bool_] = np.zeros(LANES, dtype=np.bool_)
        self._null_space: tuple[Array, ...] = ()
        self._pinned: NDArray[np.intp] = np.empty(0, dtype=np.intp)

    def solve(self, systems: Sequence[System]) -> list[Array | None]:
        """The solutions; None of systems whose matrix is not positive definite."""
        found: list[Array | None] = [None] * len(systems)
        left = list(range(len(systems)))
        while left:
            self._load([systems[i].matrix for i in left])
            lanes: dict[int, int] = {}
            for i in left:
                lane = next((n for n, one in enumerate(self._loaded) if one is systems[i].matrix), None)
                if lane is not None:
                    lanes.setdefault(lane, i)
            for lane, value in self._solved({lane: systems[i].rhs for lane, i in lanes.items()}).items():
                found[lanes[lane]] = value
            left = [i for i in left if i not in lanes.values()]
        return found

    def _load(self, matrices: list[Matrix]) -> None:
        """Factorise the first of these, unless the very first is there."""
        if any(one is matrices[0] for one in self._loaded):
            return
        self._loaded = list({id(one): one for one in matrices}.values())[:LANES]
        values = np.empty((LANES, len(matrices[0].values)))
        for lane in range(LANES):  # what is over is filled up with the first one
            values[lane] = self._regular(self._loaded[lane if lane < len(self._loaded) else 0])
        self._failed[:] = False
        factorise(values, self._fronts, self._front, self._panels, self._inverse, self._updates, self._failed)

    def _regular(self, matrix: Matrix) -> Array:
        """The values of a matrix, or of one that is regular and has the same solution."""
        if not matrix.singular:
            return matrix.values
        if matrix.null_space is not self._null_space:
            self._null_space = matrix.null_space
            self._pinned = matrix.pattern.diagonal(separating(matrix.null_space))
        return matrix.regular_values(self._pinned)

    def _solved(self, sides: dict[int, Array]) -> dict[int, Array | None]:
        """The solutions in some lanes."""
        order = self._fronts.order
        x = np.zeros((len(order), LANES))
        for lane, rhs in sides.items():
            x[:, lane] = rhs[order]
        solve(x.reshape(-1), self._fronts, self._panels, self._inverse)
        found: dict[int, Array | None] = {}
        for lane in sides:
            value = np.empty(len(order))
            value[order] = x[:, lane]
            found[lane] = None if self._failed[lane] else value
        return found
