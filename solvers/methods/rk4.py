"""The classical Runge-Kutta scheme of order 4."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pdemill.spec.problem import Problem
from pdemill.spec.time_method import TimeMethod

STAGES, CELL_SECONDS, STAGE_SECONDS = 4, 2e-8, 2e-5
"""One stage: per cell, and besides."""


class Rk4(TimeMethod):
    """The classical explicit scheme of order 4 (Kutta 1901), for equations of second order in time as systems of first
    order: four products with the matrix per step, no longer than the time in which waves cross a cell."""

    method: Literal["rk4"]
    on: ClassVar[str] = "box"
    second_order: ClassVar[bool] = True

    def scheme(self) -> Any:
        from pdemill.solvers.tableaus import RK4  # late: a spec needs no schemes

        return RK4

    def seconds(self, problem: Problem, unknowns: int) -> float:
        return STAGES * (STAGE_SECONDS + CELL_SECONDS * unknowns)
