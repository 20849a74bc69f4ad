"""Exponential time differencing of second order."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pdemill.solvers.methods.etdrk4 import step_seconds
from pdemill.spec.problem import Problem
from pdemill.spec.time_method import TimeMethod


class Etdrk2(TimeMethod):
    """ETDRK2 (Cox and Matthews 2002): what is linear is exact, the rest of second order, at two evaluations per step;
    the cheaper one where ``time_rtol`` is loose."""

    method: Literal["etdrk2"]
    on: ClassVar[str] = "spectral"

    def scheme(self) -> Any:
        from pdemill.solvers.spectral.exponential import ETDRK2  # late: a spec must load no compiled code

        return ETDRK2()

    def seconds(self, problem: Problem, unknowns: int) -> float:
        return 0.5 * step_seconds(problem, unknowns)
