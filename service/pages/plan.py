"""What the planner measured before a job began: ``_manifest/plan.json`` of its store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from pdemill.store.manifest import FOLDER

NAME = "plan.json"


class Candidate(BaseModel):
    """A method that was thought of; ``seconds`` and ``iterations`` are per sample, where it was tried."""

    name: str
    method: dict[str, Any]
    estimated_seconds: float | None = None
    seconds: float | None = None
    iterations: float | None = None
    certified: int = 0
    failed: int = 0
    note: str = ""


class Plan(BaseModel):
    """The method that was chosen, why, and what else was thought of."""

    method: dict[str, Any]
    measured: bool = False
    reason: str = ""
    trial_seconds: float = 0.0
    candidates: list[Candidate] = []


@dataclass(frozen=True)
class PlanRow:
    """A candidate with the length of its bar, 0 to 100."""

    candidate: Candidate
    chosen: bool
    bar: float


def read_plan(store: Path) -> Plan | None:
    """The plan of a store; None where its method was asked for, or the file is of another kind."""
    try:
        return Plan.model_validate_json((store / FOLDER / NAME).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def plan_rows(plan: Plan) -> list[PlanRow]:
    """The candidates, the quickest first; those that were not tried come last."""
    longest = max((c.seconds for c in plan.candidates if c.seconds), default=1.0)
    ordered = sorted(plan.candidates, key=lambda c: (c.seconds is None, c.seconds or c.estimated_seconds or 0.0))
    return [
        PlanRow(c, c.method == plan.method, round(100 * (c.seconds or 0.0) / longest, 1)) for c in ordered
    ]  # fmt: skip


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


def _recycles(method: dict[str, Any]) -> bool:
    return "recycle" in method and "preconditioner" in method
