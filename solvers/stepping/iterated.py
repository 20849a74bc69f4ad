"""The systems of stages by a method that iterates, whose state goes from stage to stage."""

from __future__ import annotations

from math import floor, log10
from typing import Any

import numpy as np

from pdemill.points import Array
from pdemill.solvers.operators.system import System
from pdemill.solvers.solution import Solver
from pdemill.spec.method import LinearMethod

SMALLEST = 1e-11
"""The least part of a residual that is asked for."""


class Iterated:
    """A method at work on the stages of one run of a sample: every unknown has a state of its own, which begins with
    the run. ``seed``: for random decisions."""

    def __init__(self, method: LinearMethod, seed: int) -> None:
        self._method, self._seed = method, seed
        self._solvers: dict[float, Solver[Any]] = {}
        self._states: dict[int, Any] = {}

    def corrections(self, numbers: list[int], systems: list[System], norms: Array, limits: Array) -> list[Array | None]:
        """d with A d = r for the systems of some unknowns, whose right-hand sides r have these ``norms``, so exact that
        what they leave is within the ``limits``; None for one that fails."""
        found: list[Array | None] = []
        for number, system in zip(numbers, systems, strict=True):
            solver = self._solver(limits[number] / norms[number])
            state = self._states[number] if number in self._states else solver.start()
            solution = solver.solve(system, state)
            self._states[number] = solution.state
            found.append(np.asarray(solution.value) if solution.result.ok else None)
        return found

    def _solver(self, reduction: float) -> Solver[Any]:
        """The solver to a power of ten that is at most so large."""
        rtol = float(min(0.1, max(SMALLEST, 10.0 ** floor(log10(max(reduction, SMALLEST)) + 1e-9))))
        if rtol not in self._solvers:
            self._solvers[rtol] = self._method.model_copy(update={"rtol": rtol}).solver()
            self._solvers[rtol].draw_from(self._seed)
        return self._solvers[rtol]
