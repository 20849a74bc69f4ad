"""The planner's measurements before a job began, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pdemill.addresses import Place
from pdemill.errors import CorruptStore
from pdemill.planning import Candidate, Plan, read_plan


@dataclass(frozen=True)
class PlanRow:
    """A candidate with the length of its bar, 0 to 100."""

    candidate: Candidate
    chosen: bool
    bar: float


def plan_of(store: Place) -> Plan | None:
    """The plan of a store; None where its method was asked for, or the file is damaged, which harms nothing else."""
    try:
        return read_plan(store)
    except CorruptStore:
        return None


def plan_rows(plan: Plan) -> list[PlanRow]:
    """The candidates, the quickest first; those that were not tried come last."""
    longest = max((c.seconds for c in plan.candidates if c.seconds), default=1.0)
    ordered = sorted(plan.candidates, key=lambda c: (c.seconds is None, c.seconds or c.estimated_seconds))
    return [PlanRow(c, c.method == plan.method, round(100 * (c.seconds or 0.0) / longest, 1)) for c in ordered]


def cold_iterations(plan: Plan | None) -> float | None:
    """Iterations of the best candidate that recycles nothing, where the chosen method does recycle."""
    if plan is None or not _recycles(plan.method):
        return None
    same = [
        c.iterations
        for c in plan.candidates
        if c.iterations and not _recycles(c.method) and c.method.get("preconditioner") == plan.method["preconditioner"]
    ]
    return min(same, default=None)


def _recycles(method: Mapping[str, Any]) -> bool:
    return "recycle" in method and "preconditioner" in method
