"""Steps that are shorter near the initial state: what they are, their order, what the trial makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pdemill.errors import SpecError
from pdemill.solvers.job import open_job
from pdemill.solvers.stepping.job import SteppingJob
from pdemill.solvers.trajectories.ladder import marched, trajectories
from pdemill.spec import validate
from pdemill.spec.method import methods
from tests.evolving import assert_certified, assert_same_bits
from tests.spectral.test_trajectories import assert_honest, changed, true_over_estimated

COOLING: dict[str, Any] = {
    "problem": {
        "family": "heat",
        "resolution": [24, 24],
        "coefficient": {"field": "lognormal", "std": 0.7},
        "initial": {"uniform": [0.5, 1.0]},
        "boundary": {"default": {"dirichlet": 0}, "left": {"neumann": 0}},
        "time": {"end": 0.2, "intervals": 4},
    },
    "samples": 4,
    "certify": {"refine": 0.5},
}
"""The initial state does not fit the sides, and is left fast."""
GRADED = {"method": "ark4", "first_step": 0.0125, "grading": 3}


def opened(spec: dict[str, Any]) -> SteppingJob:
    job = open_job(validate(spec))
    assert isinstance(job, SteppingJob)
    return job


def test_the_first_interval_is_halved_towards_its_beginning() -> None:
    job = opened(changed(COOLING, problem__time={"times": [0.0, 0.1, 0.2]}, solver=GRADED))
    first, second = job.pieces(0)
    assert [tuple(piece) for piece in first] == [
        (0.0, 0.0125, 2), (0.0125, 0.0125, 2), (0.025, 0.025, 2), (0.05, 0.05, 2),
    ]  # fmt: skip
    assert [tuple(piece) for piece in second] == [(0.1, 0.1, 4)]
    assert job.pieces(3) == [[piece._replace(steps=8 * piece.steps) for piece in part] for part in job.pieces(0)]
    assert job.longest_of(1) == pytest.approx(0.0125)
    assert job.steps(1) == [16, 8]


@pytest.mark.parametrize(("method", "order"), [("ark4", 4), ("ark3", 3), ("ars2", 2)])
def test_errors_have_the_order(method: str, order: int) -> None:
    cells, end = 32, 0.1
    problem = {
        "family": "heat", "resolution": [cells], "coefficient": 0.5, "time": {"times": [end]},
        "initial": {"field": "expression", "formula": "sin(3*pi*x)"}, "boundary": {"default": {"dirichlet": 0}},
    }  # fmt: skip
    rate = 2.0 * cells**2 * np.sin(1.5 * np.pi / cells) ** 2
    errors = []
    for step in (end / 8, end / 16):
        solver = {"method": method, "first_step": step, "grading": 3}
        job = opened({"problem": problem, "samples": 1, "solver": solver})
        start = job.start_of(job.instance("train", 0), 0)
        errors.append(np.abs(marched(job, [start], 1).frames[0, 0] - np.exp(-end * rate) * start.state).max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.45)
    assert errors[1] < 1e-2


def test_a_trial_grades_the_steps_where_that_saves_some_of_them() -> None:
    """In the runs that samples take, not in the plan alone, which tells their number."""
    taken, plans = [], []
    for extra in ({"solver": {"method": "ark4"}}, {"solver": {"method": "ark4", "grading": 0}}):
        job = opened(COOLING | extra)
        plans.append(job.plan())
        chosen = job.using(methods["ark4"].model_validate(dict(plans[-1].method)))
        assert isinstance(chosen, SteppingJob)
        starts = [chosen.start_of(chosen.instance("train", n), n) for n in range(4)]
        made = trajectories(chosen, starts, stop=lambda _: False)
        taken.append([sum(sum(chosen.steps(run)) for run in range(one.run + 1)) for one in made])
    graded, equal = plans
    assert graded.method["grading"] >= 2
    assert "grading" not in equal.method
    assert sum(taken[0]) <= 0.75 * sum(taken[1])
    (best,) = graded.candidates
    assert {count * opened(COOLING).evaluations for count in taken[0]} == {best.iterations}


def test_a_trial_leaves_equal_steps_where_nothing_is_left_fast() -> None:
    """A mode of the operator that is driven as fast as it decays."""
    problem = {
        "family": "heat", "resolution": [32], "time": {"end": 4.0, "intervals": 2},
        "initial": {"field": "expression", "formula": "sin(pi*x)"}, "coefficient": 0.01,
        "source": {"field": "expression", "formula": "a*sin(2*pi*t)*sin(pi*x)", "where": {"a": {"uniform": [1, 2]}}},
        "boundary": {"default": {"dirichlet": 0}},
    }  # fmt: skip
    assert "grading" not in opened({"problem": problem, "samples": 4}).plan().method


def test_a_trial_measures_the_order_of_errors() -> None:
    """Smooth decay by ark4 has its order; data on a side with a kink in the middle of an interval have a lower one."""
    side = {"dirichlet": {"field": "expression", "formula": "max(t - a, 0)", "where": {"a": {"uniform": [0.3, 0.7]}}}}
    for keys, low, high in (
        (
            {"initial": {"field": "expression", "formula": "sin(pi*x)"}, "boundary": {"default": {"dirichlet": 0}}},
            3.8,
            4.0,
        ),
        ({"initial": 0.0, "boundary": {"left": side, "right": {"neumann": 0}}}, 1.0, 2.6),
    ):
        problem = {"family": "heat", "resolution": [16], "coefficient": 0.1, "time": {"times": [1.0]}, **keys}
        spec = {"problem": problem, "samples": 2, "solver": {"method": "ark4", "time_rtol": 1e-4}}
        job = opened(spec)
        plan = job.plan().method
        assert low <= plan["observed_order"] <= high
        chosen = job.using(methods["ark4"].model_validate(dict(plan)))
        assert isinstance(chosen, SteppingJob)
        assert chosen.assumed_order == plan["observed_order"]


@pytest.mark.slow
def test_errors_of_data_with_a_kink_are_not_told_too_small() -> None:
    """Their order is about 2, not 4."""
    kink = {"field": "expression", "formula": "abs(sin(a*t))", "where": {"a": {"uniform": [5, 9]}}}
    problem = {
        "family": "heat", "resolution": [16], "coefficient": 0.5, "initial": 0.0, "source": kink,
        "time": {"times": [0.5, 1.0]}, "boundary": {"default": {"dirichlet": 0}},
    }  # fmt: skip
    spec = {"problem": problem, "samples": 10, "solver": {"method": "ark4", "time_rtol": 1e-4}}
    ratios = true_over_estimated(spec, finer=4)
    assert np.mean([ratio < 3.0 for ratio in ratios]) >= 0.9, sorted(ratios)


def test_a_store_is_certified_and_verified(tmp_path: Path) -> None:
    assert_certified(changed(COOLING, problem__resolution=[12, 12]), tmp_path / "s.zarr")


@pytest.mark.slow
def test_bits_depend_on_neither_shards_nor_workers(tmp_path: Path) -> None:
    assert_same_bits(COOLING, tmp_path)


@pytest.mark.slow
def test_estimates_of_the_error_in_time_are_honest() -> None:
    assert_honest(true_over_estimated(COOLING | {"samples": 50}, finer=3))


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"solver": {"method": "ark4", "step": 0.1, "grading": 2}}, "solver.grading: makes steps of many lengths"),
        ({"solver": {"method": "ark4", "grading": 25}}, "solver.grading: .* less than or equal to 24"),
        ({"solver": GRADED, "problem__time": {"end": 1.0, "intervals": 2, "warmup": 1.0}}, "with a warm-up"),
        (
            {"solver": {"method": "etdrk4", "grading": 2}, "problem__boundary": {}, "problem__coefficient": 1.0},
            "solver.grading: is not for etdrk4",
        ),
    ],
)
def test_what_is_not_supported_is_refused(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        validate(changed(COOLING, **keys))
