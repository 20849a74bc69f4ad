"""Burgers' equation on boxes with sides: travelling fronts, bounds, certificates, what verify finds."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pdemill.solvers.job import open_job
from pdemill.solvers.stepping.advection import Advection
from pdemill.solvers.stepping.job import SteppingJob
from pdemill.solvers.trajectories.differences import differences
from pdemill.solvers.trajectories.ladder import fields_of, marched, trajectories
from pdemill.spec import validate
from tests.evolving import assert_certified, assert_same_bits, assert_slopes_agree, between_discretisers, formula
from tests.sampling import sample
from tests.spectral.test_trajectories import assert_honest, changed, true_over_estimated
from tests.stepping.test_advection import first, trajectory

FRONTS: dict[str, Any] = {
    "problem": {
        "family": "burgers",
        "resolution": [48],
        "viscosity": formula("a*(1 + x)", a={"uniform": [2e-3, 2e-2]}),
        "initial": formula("a*sin(pi*x/2) + b*sin(3*pi*x/2)", a={"uniform": [-1, 1]}, b={"uniform": [-1, 1]}),
        "boundary": {"left": {"dirichlet": 0}, "right": {"neumann": 0}},
        "time": {"times": [0.0, 0.2, 0.5]},
    },
    "samples": 4,
    "certify": {"refine": 0.5},
}


def test_a_store_is_certified_and_verified(tmp_path: Path) -> None:
    assert_certified(changed(FRONTS, problem__resolution=[24]), tmp_path / "s.zarr")


@pytest.mark.slow
def test_bits_depend_on_neither_shards_nor_workers(tmp_path: Path) -> None:
    assert_same_bits(FRONTS, tmp_path)


def front(cells: int, speed: float, **keys: Any) -> dict[str, Any]:
    """u = c - a tanh(a (x - x_0 - c t) / (2 nu)), a = 1, nu = 0.02 (Hopf 1950): far from the sides it is constant."""
    problem = {
        "family": "burgers", "resolution": [cells], "domain": {"lengths": [2]}, "viscosity": 0.02,
        "initial": formula(f"{speed!r} - tanh(25*(x-1+{speed!r}/2))"), "time": {"times": [1.0]},
        "boundary": {"left": {"dirichlet": speed + 1.0}, "right": {"dirichlet": speed - 1.0}},
    }  # fmt: skip
    return {"problem": problem, "samples": 1, **keys}


@pytest.mark.parametrize("speed", [0.0, 0.5, -0.5])
def test_fronts_travel_as_they_must(speed: float) -> None:
    errors = []
    for cells in (64, 128, 256):
        job = open_job(validate(front(cells, speed, solver={"method": "ark3", "step": 0.4 / cells})))
        assert isinstance(job, SteppingJob)
        u, x = marched(job, [first(job)], 1).frames[0, 0], job.grid.centres["x"]
        errors.append(np.abs(u - speed + np.tanh(25.0 * (x - 1.0 - 0.5 * speed))).mean())
    assert min(np.log2(a / b) for a, b in pairwise(errors)) >= 1.8, errors


@pytest.mark.parametrize("speed", sample([0.0, 0.4, -0.7], -0.7))
def test_a_shock_stays_within_its_bounds(speed: float) -> None:
    """At a cell Peclet number of 1,000; it moves with the mean of both values."""
    spec = changed(
        front(64, speed), problem__viscosity=2.0 / 64.0 / 1e3, solver={"time_rtol": 1e-3},
        problem__initial=formula(f"{speed!r} - sign(x-1+{speed!r}/2)"),
    )  # fmt: skip
    job, found = trajectory(spec)
    assert found.reached
    u, x = found.fields[0, -1], job.grid.centres["x"]
    assert speed - 1.0 - 1e-12 <= u.min() <= u.max() <= speed + 1.0 + 1e-12
    assert (np.diff(u) <= 1e-12).all()
    assert x[np.argmin(np.abs(u - speed))] == pytest.approx(1.0 + 0.5 * speed, abs=2.0 / 64.0)


def test_a_rarefaction_opens_as_it_must() -> None:
    """u = x / t between the edges, through u = 0, where Godunov's flux vanishes."""
    spec = changed(
        front(128, 0.0), problem__viscosity=1e-5, problem__initial=formula("tanh(200*(x-1))"),
        problem__boundary={"left": {"dirichlet": -1}, "right": {"dirichlet": 1}}, problem__time={"times": [0.5]},
        solver={"method": "ark3", "step": 1.0 / 512.0},
    )  # fmt: skip
    job = open_job(validate(spec))
    assert isinstance(job, SteppingJob)
    u, x = marched(job, [first(job)], 1).frames[0, 0], job.grid.centres["x"]
    assert np.abs(u - np.clip((x - 1.0) / 0.51, -1.0, 1.0)).mean() < 5e-3


def test_the_two_ways_discretise_the_same() -> None:
    rng = np.random.default_rng(1)
    robin = {"robin": {"coefficient": 1, "value": 2}}
    for sides in (
        {"default": {"neumann": 0.3}},
        {"left": {"dirichlet": 1}, "right": robin, "top": "periodic", "bottom": "periodic"},
    ):
        problem = {**FRONTS["problem"], "resolution": [9, 8], "boundary": sides}
        assert_slopes_agree({"problem": problem, "samples": 1}, rng)


def test_what_runs_backwards_is_the_mirror_image() -> None:
    """- u^2 of -u."""
    job = open_job(validate(changed(FRONTS, problem__boundary={"default": "periodic"})))
    assert isinstance(job, SteppingJob)
    one, u = Advection(job.instance("train", 0), job.grid), np.random.default_rng(2).standard_normal(48)
    forwards = one(u, 0.0)
    one.strength = -1.0
    np.testing.assert_array_equal(one(-u, 0.0), -forwards)


@pytest.mark.slow
def test_both_discretisers_solve_one_equation(tmp_path: Path) -> None:
    problem = {"family": "burgers", "viscosity": 0.02, "initial": formula("sin(2*pi*x)"), "time": {"times": [0.3]}}
    coarse, fine = (apart.mean() for apart in between_discretisers(problem, tmp_path, (64, 128), frame=0))
    assert np.log2(coarse / fine) > 1.7, (coarse, fine)


def test_the_discretiser_is_chosen_by_sides_and_coefficients() -> None:
    periodic = {"family": "burgers", "resolution": [16], "viscosity": 0.1, "initial": 1.0, "time": {"times": [1.0]}}
    for keys, wanted in (
        ({}, "spectral"),
        ({"viscosity": {"uniform": [0.1, 0.2]}}, "spectral"),
        ({"viscosity": {"field": "lognormal", "std": 0.5}}, "box"),
        ({"boundary": {"left": {"dirichlet": 1}}}, "box"),
        ({"discretiser": "box"}, "box"),
    ):
        assert validate({"problem": {**periodic, **keys}, "samples": 1}).problem.discretisation.name == wanted
    assert (
        validate({"problem": periodic, "samples": 1}).sha256()
        == "1fab86bb9d729d51fd55a1e70eae43e6b5c6ec03df1ea70a71ec0a801c67d254"
    )


@pytest.mark.slow
def test_estimates_of_the_error_in_time_are_honest() -> None:
    """Against a run with a quarter of the step."""
    ratios = true_over_estimated(changed(FRONTS, samples=50, certify__algebraic_rtol=1e-9), finer=2)
    assert_honest(ratios)
    assert 0.6 < min(ratios) < max(ratios) < 1.6, sorted(ratios)


def test_the_coarser_run_of_a_pair_is_kept() -> None:
    """Its steps are as long as monotone ones may be, or its error as large as asked."""
    job = open_job(validate(FRONTS))
    assert isinstance(job, SteppingJob)
    starts = [job.start_of(job.instance("train", n), n) for n in range(2)]
    for found in trajectories(job, starts, stop=lambda _: False):
        start = starts[found.number]
        kept, finer, twice = (fields_of(job, marched(job, [start], found.run + more).frames[0]) for more in (0, 1, -1))
        np.testing.assert_array_equal(found.fields, kept)
        falls = 2.0**job.assumed_order
        np.testing.assert_allclose(found.errors, falls / (falls - 1.0) * differences(kept, finer), rtol=1e-12)
        assert found.reached
        assert found.errors.max() <= job.method.time_rtol
        assert job.longest_of(found.run) <= start.longest
        assert job.longest_of(found.run - 1) > start.longest or differences(twice, kept).max() > 1e-5
        assert found.steps == sum(job.steps(found.run))
