"""Marching samples whose matrix depends on t: every stage has one of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from pdemill.solvers.instance import Instance, InvalidSample
from pdemill.solvers.operators.box import BoxGrid
from pdemill.solvers.operators.system import System
from pdemill.solvers.stepping.iterated import Iterated
from pdemill.solvers.stepping.linear import StageSystems
from pdemill.solvers.stepping.march import BoxEquation, BoxMarch
from pdemill.solvers.tableaus import Tableau
from pdemill.spec.method import LinearMethod

IN_MATRIX = ("diffusion", "reaction")
"""Terms that enter the matrix."""


def moving_of(
    instance: Instance, grids: tuple[BoxGrid, ...], begins: Sequence[float]
) -> Callable[[float], tuple[System, ...]] | None:
    """The systems of a sample at a time, where its matrix depends on it; with loads that are NaN where it has none.
    Raises InvalidSample where there are none when an interval begins, or in the middle of one."""
    if not instance.depends_on_time(*IN_MATRIX):
        return None

    def assembled(t: float) -> tuple[System, ...]:
        now = instance.at_time(t)
        return tuple(grid.assemble(now.of_unknown(number)) for number, grid in enumerate(grids))

    for begin, end in pairwise((*begins, begins[-1])):
        first = assembled(begin)
        assembled(0.5 * (begin + end))

    def moving(t: float) -> tuple[System, ...]:
        try:
            return assembled(t)
        except InvalidSample:
            return tuple(System(system.matrix, np.full_like(system.rhs, np.nan)) for system in first)

    return moving


class MovingMarch(BoxMarch):
    """The same scheme; nothing is kept from stage to stage but the memory of the solver."""

    def __init__(
        self, equations: Sequence[BoxEquation], tableau: Tableau, method: LinearMethod, exact: LinearMethod,
        tolerance: float, iterated: Iterated | None = None,
    ) -> None:  # fmt: skip
        super().__init__(equations, tableau, method, exact, tolerance, iterated)
        self._solver = method.solver()

    def _load(self, t: float) -> None:
        parts = [system for one in self.equations if one.moving is not None for system in one.moving(t)]
        self._parts, self._sparse = parts, [system.matrix.sparse() for system in parts]
        self._loads = np.stack([system.rhs for system in parts])

    def _systems_of(self, step: float) -> StageSystems:
        matrices, shift = [part.matrix for part in self._parts], 1.0 / (self.tableau.gamma * step)
        return StageSystems(matrices, shift, self._method, self._exact, self._solver, self._iterated)
