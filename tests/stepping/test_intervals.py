"""Steps that differ from interval to interval: what a trial makes of them, estimates, certificates, bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pdemill.errors import SpecError
from pdemill.solvers.job import open_job
from pdemill.solvers.stepping.job import SteppingJob
from pdemill.solvers.trajectories.ladder import trajectories
from pdemill.spec import validate
from pdemill.spec.method import methods
from tests.evolving import assert_certified, assert_same_bits, formula
from tests.spectral.test_trajectories import assert_honest, changed, true_over_estimated

LATE: dict[str, Any] = {
    "problem": {
        "family": "heat",
        "resolution": [16],
        "coefficient": 0.05,
        "initial": formula("sin(pi*x)"),
        "source": formula("a*exp(-400*(t-0.75)**2)*x", a={"uniform": [5, 9]}),
        "boundary": {"default": {"dirichlet": 0}},
        "time": {"end": 1.0, "intervals": 10},
    },
    "samples": 4,
    "solver": {"method": "ark4", "grading": 0},
    "certify": {"refine": 0.5},
}
"""A mode decays slowly, and is hit at t = 0.75."""


def planned(spec: dict[str, Any], *without: str) -> SteppingJob:
    """The job with what its trial finds, but for some options."""
    job = open_job(validate(spec))
    plan = {name: value for name, value in job.plan().method.items() if name not in without}
    chosen = job.using(methods[plan["method"]].model_validate(plan))
    assert isinstance(chosen, SteppingJob)
    return chosen


def test_a_trial_finds_the_intervals_that_need_short_steps() -> None:
    varied, equal = planned(LATE), planned(LATE, "interval_steps")
    steps = varied.method.interval_steps
    assert steps is not None
    assert max(steps[:5]) == 1
    assert min(steps[6:9]) >= 4
    assert varied.steps(1) == [2 * count for count in steps]
    counts = []
    for job in (varied, equal):
        starts = [job.start_of(job.instance("train", n), n) for n in range(4)]
        made = list(trajectories(job, starts, stop=lambda _: False))
        assert all(one.reached for one in made)
        counts.append(sum(one.steps for one in made))
    assert counts[0] <= 0.6 * counts[1]


def test_a_store_is_certified_and_verified(tmp_path: Path) -> None:
    assert_certified(LATE, tmp_path / "s.zarr")


@pytest.mark.slow
def test_bits_depend_on_neither_shards_nor_workers(tmp_path: Path) -> None:
    assert_same_bits(LATE, tmp_path)


@pytest.mark.slow
def test_estimates_of_the_error_in_time_are_honest() -> None:
    assert_honest(true_over_estimated(changed(LATE, samples=50), finer=3))


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (
            {"solver": {"method": "ark4", "interval_steps": [1, 2]}},
            "solver.interval_steps: has 2 entries, of 10 intervals",
        ),
        ({"solver": {"method": "ark4", "interval_steps": [1] * 10, "step": 0.1}}, "names steps already"),
        ({"solver": {"method": "ark4", "interval_steps": [0] * 10}}, "greater than or equal to 1"),
        (
            {"solver": {"method": "etdrk4", "interval_steps": [1] * 10}, "problem__boundary": {}, "problem__source": 1},
            "solver.interval_steps: is not for etdrk4",
        ),
    ],
)
def test_what_is_not_supported_is_refused(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        validate(changed(LATE, **keys))
