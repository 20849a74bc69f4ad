"""An additive Runge-Kutta scheme of order 4."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pdemill.spec.implicit_method import ImplicitMethod
from pdemill.spec.problem import Problem

STAGES, CELL_SECONDS, STAGE_SECONDS = 5, 4e-8, 5e-5
"""One stage: per cell, and besides."""


class Ark4(ImplicitMethod):
    """ARK4(3)6L[2]SA (Kennedy and Carpenter 2003): L-stable and implicit in diffusion and linear reaction, explicit in
    the rest; order 4, five systems with one matrix per step."""

    method: Literal["ark4"]
    on: ClassVar[str] = "box"
    graded: ClassVar[bool] = True

    def scheme(self) -> Any:
        from pdemill.solvers.tableaus import ARK4  # late: a spec needs no schemes

        return ARK4

    def seconds(self, problem: Problem, unknowns: int) -> float:
        return STAGES * (STAGE_SECONDS + CELL_SECONDS * unknowns)
