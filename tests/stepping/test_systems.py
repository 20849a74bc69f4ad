"""The systems of stages by a method that a spec names, which carries a state from stage to stage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import SpecError
from pdemill.solvers.estimate import estimate
from pdemill.solvers.methods.cg import Cg
from pdemill.solvers.methods.skr import Skr
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.operators.system import System
from pdemill.solvers.relaxation.learners import Learnt
from pdemill.solvers.solution import Result
from pdemill.solvers.stepping.iterated import Iterated
from pdemill.solvers.stepping.job import SteppingJob
from pdemill.solvers.stepping.linear import shifted
from pdemill.spec import validate

LEARNING = {"method": "cg", "preconditioner": "ssor", "omega": "learn"}
HEAT: dict[str, Any] = {
    "family": "heat", "resolution": [10, 10],
    "coefficient": {"field": "expression", "formula": "(1 + 9*sin(20*t)**2)*(1 + x)"},
    "initial": {"field": "sines", "terms": 3, "waves": [1, 2]},
    "boundary": {"default": {"dirichlet": 0}}, "time": {"end": 0.05, "intervals": 1},
}  # fmt: skip


def _spec(systems: Any, **more: Any) -> dict[str, Any]:
    named = {"systems": systems} if systems else {}
    return {
        "problem": HEAT,
        "samples": 2,
        "solver": {"method": "ars2", "step": 0.005, "time_rtol": 0.1, **named},
        **more,
    }


def test_what_is_learnt_goes_from_stage_to_stage() -> None:
    job = SteppingJob(validate(_spec(LEARNING)))
    matrix = shifted(job.grid.assemble(job.instance("train", 0).at_time(0.0)).matrix, 400.0)
    method = Cg.model_validate(LEARNING)
    found: list[list[float]] = []
    for _ in range(2):
        iterated, sizes = Iterated(method, seed=3), []
        for n in range(30):
            system = System(matrix, np.cos(np.arange(100.0) * (n + 1)))
            norms, limits = np.array([two_norm(system.rhs)]), np.array([1e-3 if n % 2 else 1e-6])
            (d,) = iterated.corrections([0], [system], norms, limits)
            assert d is not None
            assert two_norm(system.residual(d)) <= limits[0]
            sizes.append(float(d @ d))
        state = iterated._states[0]
        assert isinstance(state, Learnt)
        assert state.systems == 30  # whatever the tolerance of a stage
        found.append(sizes)
    assert found[0] == found[1]


def test_a_stage_that_a_method_fails_is_told() -> None:
    job = SteppingJob(validate(_spec(LEARNING)))
    matrix = shifted(job.grid.assemble(job.instance("train", 0).at_time(0.0)).matrix, 400.0)
    iterated = Iterated(Cg(method="cg", preconditioner="ssor", max_iterations=1), seed=0)
    system = System(matrix, np.random.default_rng(0).standard_normal(100))
    assert iterated.corrections([0], [system], np.array([1.0]), np.array([1e-9])) == [None]
    solver = Cg(method="cg", preconditioner="ssor", max_iterations=1).solver()
    assert solver.solve(replace(system), None).result is Result.MAX_ITERATIONS


@pytest.mark.slow
def test_trajectories_are_those_of_other_methods(tmp_path: Path) -> None:
    found = {}
    for name, systems in {"rule": None, "learnt": LEARNING, "again": LEARNING}.items():
        pdemill.generate(_spec(systems, store={"dtype": "float64"}), out=tmp_path / name)
        assert pdemill.verify(tmp_path / name).ok
        found[name] = pdemill.open(tmp_path / name, split="train")[[0, 1]]["y"]
    assert np.array_equal(found["learnt"], found["again"])
    assert 0.0 < np.abs(found["rule"] - found["learnt"]).max() <= 1e-6 * np.abs(found["rule"]).max()


@pytest.mark.parametrize(
    ("systems", "words"),
    [
        ({"method": "cg", "omega": 1.5}, "solver.systems.omega"),
        ({"method": "cg", "rtol": 1e-4}, "solver.systems.rtol"),
        ({"method": "auto"}, "solver.systems.method"),
        ({"method": "ark4"}, "solver.systems.method"),
        ({"method": "best"}, "solver.systems.method"),
    ],
)
def test_what_cannot_solve_stages_is_refused(systems: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        validate(_spec(systems))


def test_specs_without_it_keep_their_hash() -> None:
    assert "systems" not in validate(_spec(None)).solver.model_dump(mode="json")


def test_numbers_of_skr_that_are_left_open_are_those_of_the_problem() -> None:
    spec = validate(_spec({"method": "skr"}))
    method = SteppingJob(spec).linear_method
    assert isinstance(method, Skr)
    assert (method.restart, method.recycle) == (40, 10)
    method.solver()
    assert estimate(spec).options["systems"]["recycle"] == 10


def test_recycled_vectors_are_counted_for_one_stage_and_told() -> None:
    many = {"method": "skr", "restart": 1000, "recycle": 500}
    time = {"end": 0.05, "intervals": 400}
    spec = validate(_spec(many, problem={**HEAT, "resolution": [64, 64], "time": time}))
    costs = estimate(spec), estimate(validate({**spec.model_dump(mode="json"), "solver": {"method": "ars2"}}))
    assert costs[0].recycled_bytes == 8 * (1001 + 5 * 500) * 64 * 64
    assert costs[0].memory - costs[1].memory == costs[0].recycled_bytes
