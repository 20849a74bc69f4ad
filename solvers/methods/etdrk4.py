"""Exponential time differencing of fourth order."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pdemill.spec.problem import Problem
from pdemill.spec.time_method import TimeMethod

POINT_SECONDS, STEP_SECONDS = 2e-8, 1e-6
"""One step: per point of the grid, and besides."""
LAW_POINT_SECONDS, LAW_STEP_SECONDS = 1.3e-7, 5e-5
"""The same with a law, for each unknown."""
LAWS = frozenset({"law", "potential", "oscillation"})


class Etdrk4(TimeMethod):
    """ETDRK4 (Cox and Matthews 2002; coefficients after Kassam and Trefethen 2005): what is linear is exact, the rest
    of fourth order, at four evaluations per step."""

    method: Literal["etdrk4"]
    on: ClassVar[str] = "spectral"

    def scheme(self) -> Any:
        from pdemill.solvers.spectral.exponential import ETDRK4  # late: a spec must load no compiled code

        return ETDRK4()

    def seconds(self, problem: Problem, unknowns: int) -> float:
        return step_seconds(problem, unknowns)


def step_seconds(problem: Problem, points: int) -> float:
    """CPU seconds of a step with four evaluations."""
    if any(term in LAWS for term, _, _ in problem.asked()):
        return len(problem.solved_for) * (LAW_STEP_SECONDS + LAW_POINT_SECONDS * points)
    return STEP_SECONDS + POINT_SECONDS * points
