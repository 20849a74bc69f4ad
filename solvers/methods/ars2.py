"""An additive Runge-Kutta scheme of order 2."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pdemill.spec.implicit_method import ImplicitMethod
from pdemill.spec.problem import Problem

STAGES, CELL_SECONDS, STAGE_SECONDS = 2, 4e-8, 5e-5
"""One stage: per cell, and besides."""


class Ars2(ImplicitMethod):
    """ARS(2,2,2) (Ascher, Ruuth and Spiteri 1997): L-stable and implicit in diffusion and linear reaction, explicit in
    the rest; order 2, five systems with one matrix per step."""

    method: Literal["ars2"]
    on: ClassVar[str] = "box"
    graded: ClassVar[bool] = True

    def scheme(self) -> Any:
        from pdemill.solvers.tableaus import ARS2  # late: a spec needs no schemes

        return ARS2

    def seconds(self, problem: Problem, unknowns: int) -> float:
        return STAGES * (STAGE_SECONDS + CELL_SECONDS * unknowns)
