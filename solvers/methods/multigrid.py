"""Batched multigrid on box grids."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any, Literal, Protocol

import numpy as np

from pdemill.errors import Fault
from pdemill.points import Array
from pdemill.solvers.multigrid.layout import STUCK, left_over
from pdemill.solvers.operators.system import Pattern, System
from pdemill.solvers.solution import Result, Solution, Solver, Stats
from pdemill.spec.domain import BOX_SIDES
from pdemill.spec.method import Iterations, LinearMethod
from pdemill.spec.problem import Problem, Properties

LANES = 8
"""Most systems of a batch; two vector registers of float32."""
CELLS = {2: 1 << 17, 3: 1 << 21}
"""Cells of a batch, by dimension: more fall out of the cache; in three dimensions rows are short, and lanes make them
long."""

LARGEST_CONTRAST = 1_000.0
"""Ratio of the bounds of a coefficient above which most iterations may go into thin channels."""

LEAST_REDUCTION = 1e-6
"""The smallest part of a residual that a correction by multigrid may be asked to leave: factors correct others."""


class Multigrid(LinearMethod):
    """Conjugate gradients with a multigrid preconditioner, Alcouffe, Brandt, Dendy, Painter 1981, on box grids of two
    and three axes: any sides, variable coefficients, reaction, stretched cells. Systems are solved in batches.

    Work grows as n; iterations hardly depend on n, but grow with jumps of the coefficient in thin channels: samples
    that need more than ``max_iterations`` go to ``direct``.
    """

    method: Literal["multigrid"]
    max_iterations: Iterations = 200

    @classmethod
    def candidates(cls, problem: Problem, unknowns: int) -> Sequence[Mapping[str, Any]]:
        return ({},)

    def objection(self, problem: Problem) -> Fault | None:
        reason = missing(problem.preconditioned, problem.family)
        return None if reason is None else Fault(("method",), f"multigrid needs {reason}: use direct or auto")

    def seconds(self, problem: Problem, unknowns: int) -> float:
        """In between a full batch and a single system; iterations grow with the contrast, without end where channels
        are thin."""
        contrast = known_contrast(problem)
        slower = max(1.0, contrast / 10.0) ** 0.31 if contrast <= LARGEST_CONTRAST else 10.0
        return 4e-5 + (7.5e-8 if problem.dimension < 3 else 2.4e-7) * unknowns * slower

    def memory(self, problem: Problem, unknowns: int) -> float:
        return 400.0 * unknowns

    def solver(self) -> MultigridSolver:
        from pdemill.solvers.multigrid.solver import GridSolver  # late: a spec must not load the compiler

        return MultigridSolver(GridSolver, self.rtol, self.max_iterations)


def known_contrast(problem: Problem) -> float:
    """The largest ratio of the bounds of a coefficient, where they are known, positive and finite."""
    bounds = [value.bounds() for name in problem.operator_fields for value in problem.values(name)]
    known = [(low, high) for low, high in filter(None, bounds) if low > 0.0 and high < inf]
    return max((high / low for low, high in known), default=1.0)


def missing(known: Properties, family: str) -> str | None:
    """The first thing that multigrid misses in a problem; None if it has everything."""
    if not known.structured:
        return f"a box grid, and {family} has a mesh"
    if known.dimension < 2:
        return "two or three axes"
    if not known.symmetric:
        return f"a symmetric operator, and {family} has convection"
    if not known.definite:
        return f"a definite operator, and {family} may not be"
    if not known.compact:
        return f"a matrix that couples a cell with its neighbours along the axes, and that of {family} does not"
    for cells, joined, (side, _) in zip(known.cells, known.periodic, BOX_SIDES, strict=False):
        if not joined:
            continue
        if cells % 2:
            return f"an even number of cells between periodic sides, and there are {cells} from {side}"
        if left_over(cells, periodic=True) > STUCK:
            return (
                f"cells between periodic sides that can be halved until at most {STUCK} are left, "
                f"and {cells} from {side} cannot"
            )
    return None


class Batches(Protocol):
    """A solver of up to ``lanes`` systems on one pattern side by side."""

    pattern: Pattern
    lanes: int

    def solve(self, systems: list[System], rtol: float, limit: int) -> list[Solution[None]]: ...

    def correct(self, systems: list[System], residuals: list[Array], reduction: float) -> list[Array | None]: ...


class MultigridSolver(Solver[None]):
    """State: none; every system is solved from zero, and alone gives what it gives in a batch."""

    def __init__(self, make: Callable[[Pattern, int], Batches], rtol: float, limit: int) -> None:
        self._make, self._rtol, self._limit = make, rtol, limit
        self._grid: Batches | None = None

    def start(self) -> None:
        return None

    def batch(self, pattern: Pattern, constant: bool) -> int:
        if not pattern.shape:
            return 1
        return max(1, min(LANES, CELLS[len(pattern.shape)] // pattern.size))

    def solve(self, system: System, state: None) -> Solution[None]:
        return self.solve_batch([system], state)[0]

    def solve_batch(self, systems: list[System], state: None) -> list[Solution[None]]:
        pattern = systems[0].matrix.pattern
        if len(pattern.shape) not in CELLS:
            value = np.full(pattern.size, np.nan)
            return [Solution(value, Result.NO_GRID, Stats(), None)] * len(systems)
        return self._batches(pattern, len(systems)).solve(systems, self._rtol, self._limit)

    def correct(self, systems: list[System], residuals: list[Array], reduction: float) -> list[Array | None] | None:
        pattern = systems[0].matrix.pattern
        if len(pattern.shape) not in CELLS or reduction < LEAST_REDUCTION:
            return None
        return self._batches(pattern, len(systems)).correct(systems, residuals, reduction)

    def _batches(self, pattern: Pattern, count: int) -> Batches:
        if self._grid is None or self._grid.pattern is not pattern or self._grid.lanes < count:
            self._grid = self._make(pattern, count)
        return self._grid
