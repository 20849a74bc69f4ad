"""Deep conjugate directions behind the contract of all solvers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pdemill.points import Array
from pdemill.solvers.directions.apply import Directions
from pdemill.solvers.directions.couplings import Couplings
from pdemill.solvers.directions.iteration import Ending, conjugate_directions
from pdemill.solvers.directions.network import Network
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.operators.system import Pattern, System
from pdemill.solvers.relaxation.ssor_cg import SsorCg
from pdemill.solvers.solution import Result, Solution, Solver, Stats

STAND_IN = "cg"
"""What goes on where the directions of a network diverge: conjugate gradients with icc."""
_ENDINGS = {
    Ending.REACHED: Result.CONVERGED, Ending.PAUSED: Result.MAX_ITERATIONS, Ending.MISSED: Result.MISSED_TOLERANCE,
}  # fmt: skip


class DcdmSolver(Solver[None]):
    """State: none; a solution depends on its system and the network alone. ``corrections`` finds those, without the
    network."""

    def __init__(self, network: Network, rtol: float, limit: int, corrections: Solver[None]) -> None:
        self._network, self._rtol, self._limit, self._corrections = network, rtol, limit, corrections
        self._pattern: Pattern | None = None
        self._places: Couplings | None = None
        self._directions: Directions | None = None
        self._stand_in: SsorCg | None = None

    def start(self) -> None:
        return None

    def solve(self, system: System, state: None) -> Solution[None]:
        """By directions; from where they have come to, if they diverge, by ``STAND_IN``, which the solution tells."""
        matrix, size = system.matrix, two_norm(system.rhs)
        if not (np.isfinite(matrix.values).all() and np.isfinite(size)):
            return Solution(np.full_like(system.rhs, np.nan), Result.NOT_FINITE, Stats(), None)
        if matrix.pattern is not self._pattern:
            self._set_up(matrix.pattern)
        used = 0
        if self._places is not None and self._directions is not None:
            couplings, diagonal = self._places.of(matrix)
            largest = float(diagonal.max())
            self._directions.load(couplings / largest, diagonal / largest)
            u, used, ending = conjugate_directions(self._directions, system, self._rtol, self._limit, 1.0 / largest)
            if ending is not Ending.DIVERGED:
                return Solution(u, _ENDINGS[ending], Stats(used), None)
            if np.isfinite(u).all():
                system = replace(system, guess=u)
        return self._otherwise(system, used)

    def correct(self, systems: list[System], residuals: list[Array], reduction: float) -> list[Array | None] | None:
        return self._corrections.correct(systems, residuals, reduction)

    def _otherwise(self, system: System, used: int) -> Solution[None]:
        if self._stand_in is None:
            self._stand_in = SsorCg(system.matrix.pattern, "icc")
        u, result, more = self._stand_in.solve(
            system.matrix, system.rhs, system.guess, 1.0, self._rtol, max(self._limit - used, 0)
        )
        return Solution(u, result, Stats(used + more), None, by=STAND_IN)

    def _set_up(self, pattern: Pattern) -> None:
        self._pattern, self._stand_in, self._places, self._directions = pattern, None, None, None
        if len(pattern.shape) == self._network.architecture.dimension:
            places = Couplings(pattern)
            if places.fits:
                self._places, self._directions = places, Directions(self._network, pattern.shape)
