"""Relaxation behind the contract of all solvers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pdemill.points import Array
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.solvers.relaxation.context import shift_share
from pdemill.solvers.relaxation.learners import GRID, LEARNERS, Learnt, drawn
from pdemill.solvers.solution import Result, Solution, Solver, Stats

TEACHING = (Result.CONVERGED, Result.MAX_ITERATIONS)
"""How a solve ended whose iterations are what ω has cost."""


class Relaxation(Protocol):
    """An iteration with ω, set up on one pattern."""

    def solve(
        self, matrix: Matrix, rhs: Array, guess: Array | None, omega: float, rtol: float, limit: int
    ) -> tuple[Array, Result, int]: ...


class RelaxedSolver(Solver[Learnt | None]):
    """State: what was learnt of ω, or none where ω is given."""

    def __init__(self, make: Callable[[Pattern], Relaxation], omega: float | str, rtol: float, limit: int) -> None:
        """``omega``: a number, or the name of a learner."""
        self._make, self._omega, self._rtol, self._limit = make, omega, rtol, limit
        self._seed = 0
        self._iteration: Relaxation | None = None

    def draw_from(self, seed: int) -> None:
        self._seed = seed

    def start(self) -> Learnt | None:
        return LEARNERS[self._omega]() if isinstance(self._omega, str) else None

    def solve(self, system: System, state: Learnt | None) -> Solution[Learnt | None]:
        if state is None:
            assert not isinstance(self._omega, str)
            value, result, iterations = self._solved(system, self._omega)
            return Solution(value, result, Stats(iterations), None)
        context = shift_share(system.matrix)
        probabilities = state.probabilities(context)
        arm = drawn(probabilities, self._seed, state.systems)
        value, result, iterations = self._solved(system, float(GRID[arm]))
        taught = result in TEACHING and iterations > 0
        after = state.told(context, arm, float(probabilities[arm]), float(iterations)) if taught else state.next()
        return Solution(value, result, Stats(iterations), after)

    def _solved(self, system: System, omega: float) -> tuple[Array, Result, int]:
        if self._iteration is None:
            self._iteration = self._make(system.matrix.pattern)
        return self._iteration.solve(system.matrix, system.rhs, system.guess, omega, self._rtol, self._limit)
