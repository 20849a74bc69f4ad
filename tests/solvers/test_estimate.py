"""Estimates of a job's cost against what jobs took when that was measured, on samples that take the same work today."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from pdemill.solvers.estimate import estimate
from pdemill.spec.load import load_preset
from tests.sampling import sample
from tests.solvers.costs import FILE, measured, work

COSTS: dict[str, dict[str, Any]] = json.loads(FILE.read_text())


@pytest.mark.needs("petsc4py")
def test_the_costs_of_the_presets_are_right_within_a_factor_of_two() -> None:
    """How fast the machine is cancels out: what is compared is how much dearer one preset is than the others."""
    assert set(COSTS) == set(measured()), "run python -m tests.solvers.costs"
    ratios = {name: estimate(load_preset(name)).cpu_seconds / kept["seconds"] for name, kept in COSTS.items()}
    middle = median(ratios.values())
    assert all(0.5 < ratio / middle < 2 for ratio in ratios.values()), ratios


@pytest.mark.parametrize("preset", sample(COSTS, "condiff", "skr-thermal", "wos-no-poisson"))
def test_samples_take_the_work_of_which_the_cost_was_measured(preset: str, tmp_path: Path) -> None:
    """Else run python -m tests.solvers.costs."""
    kept, found = COSTS[preset], work(preset, tmp_path)
    assert found["method"] == kept["method"]
    assert found["unknowns"] == pytest.approx(kept["unknowns"], rel=0.05)
    assert found["steps"] == pytest.approx(kept["steps"], rel=0.1)
