"""The method that `auto` takes for a job: the one place here that knows how the planner is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.planning.planner import make_plan
from pdemill.spec import Spec, load_spec
from pdemill.spec.method import LinearMethod


@dataclass(frozen=True)
class Choice:
    """The options that `auto` takes, why, and the CPU seconds of the trial that it took to choose."""

    options: Mapping[str, Any]
    reason: str
    trial_seconds: float


def choice(spec: Spec, samples: int) -> Choice:
    """The choice of `auto` for a job of so many samples, whatever method its spec names."""
    asked = load_spec(spec, [f"samples={samples}", f"solver={{method: auto, rtol: {rtol(spec)!r}}}"])
    plan = make_plan(FieldJob(asked))
    return Choice(plan.method, plan.reason, plan.trial_seconds)


def rtol(spec: Spec) -> float:
    """The tolerance of a spec."""
    assert isinstance(spec.solver, LinearMethod)
    return spec.solver.rtol
