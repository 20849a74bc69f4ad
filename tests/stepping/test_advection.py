"""Advection on boxes: bounds, mass, exact solutions, orders, certificates, what verify finds."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import SpecError
from pdemill.points import Array
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.job import open_job
from pdemill.solvers.stepping.advection import Advection
from pdemill.solvers.stepping.job import SteppingJob
from pdemill.solvers.trajectories.differences import differences
from pdemill.solvers.trajectories.job import Start
from pdemill.solvers.trajectories.ladder import Trajectory, fields_of, marched, trajectories
from pdemill.solvers.trajectories.shard import Refined
from pdemill.spec import validate
from pdemill.spec.method import methods
from tests.evolving import assert_certified, assert_same_bits, assert_slopes_agree, between_discretisers, formula
from tests.sampling import sample, slow
from tests.spectral.test_trajectories import arrays, changed, true_over_estimated

PLUME: dict[str, Any] = {
    "problem": {
        "family": "advection_diffusion",
        "resolution": [32],
        "coefficient": {"uniform": [1e-4, 1e-2]},
        "velocity": [{"uniform": [-1, 1]}],
        "initial": formula("exp(-100*(x-c)**2)", c={"uniform": [0.2, 0.8]}),
        "boundary": {"left": {"dirichlet": 0}, "right": {"neumann": 0}},
        "time": {"times": [0.0, 0.2, 0.4]},
    },
    "samples": 6,
    "certify": {"refine": 0.5},
}
SWIRL: dict[str, Any] = {
    "problem": {
        "family": "advection_diffusion",
        "resolution": [16, 18],
        "coefficient": formula("a*(1.1 + sin(3*x)*y)", a={"uniform": [1e-3, 1e-2]}),
        "velocity": [formula("sin(pi*x)*cos(pi*y)"), formula("-cos(pi*x)*sin(pi*y)")],
        "initial": formula("exp(-30*((x-c)**2 + (y-0.7)**2))", c={"uniform": [0.3, 0.7]}),
        "boundary": {"default": {"neumann": 0}},
        "time": {"end": 0.5, "intervals": 2},
    },
    "samples": 4,
    "certify": {"refine": 0.5},
}
ALL = {"plume": PLUME, "swirl": SWIRL}


@pytest.mark.parametrize(("name", "cells"), [("plume", [16]), slow(("swirl", [16, 18]))])
def test_a_store_is_certified_and_verified(name: str, cells: list[int], tmp_path: Path) -> None:
    assert_certified(changed(ALL[name], problem__resolution=cells), tmp_path / "s.zarr")


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_bits_depend_on_neither_shards_nor_workers(name: str, tmp_path: Path) -> None:
    assert_same_bits(ALL[name], tmp_path)


def planned(spec: dict[str, Any]) -> SteppingJob:
    """The job with the scheme and the step that its trial finds."""
    job = open_job(validate(spec))
    plan = job.plan().method
    chosen = job.using(methods[plan["method"]].model_validate(dict(plan)))
    assert isinstance(chosen, SteppingJob)
    return chosen


def first(job: SteppingJob) -> Start:
    return job.start_of(job.instance("train", 0), 0)


def trajectory(spec: dict[str, Any]) -> tuple[SteppingJob, Trajectory]:
    job = planned(spec)
    (found,) = trajectories(job, [first(job)], stop=lambda _: False)
    return job, found


STEP: dict[str, Any] = changed(
    PLUME, problem__resolution=[64], problem__velocity=[1.0], problem__initial=formula("0.5*(1 - sign(x - 0.3))"),
    problem__boundary={"left": {"dirichlet": 1}, "right": {"neumann": 0}}, samples=1,
)  # fmt: skip


@pytest.mark.parametrize("time_rtol", [1e-5, 1e-2])
@pytest.mark.parametrize("peclet", sample([16.0, 1e4, np.inf], np.inf))
def test_a_step_stays_within_its_bounds_at_any_cell_peclet_number(peclet: float, time_rtol: float) -> None:
    spec = changed(STEP, problem__coefficient=1.0 / 64.0 / peclet, solver={"time_rtol": time_rtol})
    job, found = trajectory(spec)
    assert found.reached
    assert -1e-15 <= found.fields.min() <= found.fields.max() <= 1.0 + 1e-15
    assert (np.diff(found.fields[0], axis=1) <= 1e-15).all()  # it falls, as it did
    front = job.grid.centres["x"][np.argmin(np.abs(found.fields[0, -1] - 0.5))]
    assert front == pytest.approx(0.7, abs=1.5 / 64.0)


@pytest.mark.parametrize("velocity", [1.0, -1.0])
def test_a_jump_that_flows_in_stays_within_its_bounds(velocity: float) -> None:
    """u = 0 at first, and 1 on the side where the velocity enters."""
    inflow, outflow = ("left", "right") if velocity > 0 else ("right", "left")
    spec = changed(
        STEP, problem__velocity=[velocity], problem__initial=0.0, problem__coefficient=1e-6,
        problem__boundary={inflow: {"dirichlet": 1}, outflow: {"dirichlet": 0}}, solver={"time_rtol": 1e-3},
        problem__time={"times": [0.4]},
    )  # fmt: skip
    _, found = trajectory(spec)
    assert found.reached
    assert -1e-12 <= found.fields.min() <= found.fields.max() <= 1.0 + 1e-12
    assert found.fields.mean() == pytest.approx(0.4, abs=0.01)


def test_a_square_that_turns_stays_within_its_bounds() -> None:
    """A rotation, whose velocity has no divergence on the grid."""
    turning = [formula("0.5-y"), formula("x-0.5")]
    spec = changed(
        SWIRL, problem__resolution=[24, 24], problem__coefficient=0, problem__velocity=turning,
        problem__initial=formula("(1+sign(0.15-abs(x-0.5)))*(1+sign(0.15-abs(y-0.7)))/4"), solver={"time_rtol": 1e-3},
        problem__time={"times": [0.5]}, samples=1,
    )  # fmt: skip
    _, found = trajectory(spec)
    assert found.reached
    assert -1e-12 <= found.fields.min() <= found.fields.max() <= 1.0 + 1e-12


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_steps_are_no_longer_than_suits_the_advection(sign: float) -> None:
    spec = changed(STEP, problem__velocity=[sign], problem__initial=0.5, problem__boundary={"default": "periodic"})
    spec["problem"]["discretiser"] = "box"
    job, found = trajectory(
        changed(spec, problem__initial=formula("0.5 + 1e-9*sin(2*pi*x)"), solver={"time_rtol": 0.1})
    )
    assert first(job).longest == pytest.approx(0.25 / 64.0)
    assert found.steps >= 0.4 * 4.0 * 64.0


@pytest.mark.parametrize(("diffusion", "sides"), [("varying", "closed"), ("number", "periodic"), ("none", "closed")])
def test_what_a_closed_box_holds_is_kept(diffusion: str, sides: str) -> None:
    """Closed: no velocity and no diffusive flux through its sides."""
    spec = changed(SWIRL, solver={"step": 0.01})
    if diffusion != "varying":
        spec["problem"]["coefficient"] = 1e-3 if diffusion == "number" else 0
    if sides == "periodic":
        spec["problem"] |= {
            "boundary": {"default": "periodic"}, "velocity": [formula("1 + sin(2*pi*x)"), formula("cos(2*pi*x)")],
        }  # fmt: skip
    job = open_job(validate(spec))
    assert isinstance(job, SteppingJob)
    frames = marched(job, [job.start_of(job.instance("train", n), n) for n in range(3)], 1).frames
    mass = frames.mean(axis=2)
    assert (np.abs(mass - mass[:, :1]) <= 1e-12 * mass).all()


def moved(x: Array, t: float, k: float) -> Array:
    """A Gaussian of the real line, carried with the velocity 1."""
    spread = 1.0 + 400.0 * k * t
    return np.asarray(np.exp(-100.0 * (x - 0.3 - t) ** 2 / spread) / np.sqrt(spread))


@pytest.mark.parametrize("k", [1e-3, 0.0])
def test_a_gaussian_is_carried_as_it_must(k: float) -> None:
    """Second order in L1; extrema cost a little in L2."""
    errors = []
    for cells in (64, 128, 256):
        spec = changed(
            PLUME, problem__resolution=[cells], problem__coefficient=k, problem__velocity=[1.0],
            problem__initial=formula("exp(-100*(x-0.3)**2)"), solver={"method": "ark3", "step": 0.25 / cells},
            samples=1,
        )  # fmt: skip
        job = open_job(validate(spec))
        assert isinstance(job, SteppingJob)
        off = marched(job, [first(job)], 1).frames[0, -1] - moved(job.grid.centres["x"], 0.4, k)
        errors.append([np.abs(off).mean(), float(np.sqrt(np.square(off).mean()))])
    orders = [np.log2(np.divide(a, b)) for a, b in pairwise(errors)]
    assert orders[-1][0] >= 1.75, (orders, errors)
    assert orders[-1][1] >= 1.55, (orders, errors)


@pytest.mark.parametrize(("velocity", "sides"), [(1.0, ("left", "right")), (-1.0, ("right", "left"))])
def test_what_flows_in_is_carried_through(velocity: float, sides: tuple[str, str]) -> None:
    """Without diffusion: the value on the inflow side fills the box; the one on the other side is not felt."""
    spec = changed(PLUME, problem__coefficient=0, problem__velocity=[velocity], solver={"step": 0.008})
    spec["problem"] |= {"boundary": {side: {"dirichlet": g} for side, g in zip(sides, (2.5, 7.0), strict=True)}}
    job = open_job(validate(changed(spec, problem__time={"times": [4.0]})))
    assert isinstance(job, SteppingJob)
    np.testing.assert_allclose(marched(job, [first(job)], 1).frames[0, 0], 2.5, rtol=1e-8)


def test_the_two_ways_discretise_the_same() -> None:
    rng = np.random.default_rng(0)
    robin = {"robin": {"coefficient": 1, "value": 2}}
    for sides, resolution in (
        ({"default": {"neumann": 0.3}}, [9, 8]),
        ({"left": {"dirichlet": 1}, "right": robin, "top": "periodic", "bottom": "periodic"}, [8, 9]),
        ({"left": robin, "right": robin, "default": {"dirichlet": formula("x*0 + 2")}}, [10, 8, 9]),
    ):
        velocity = [formula("sin(3*x) + y - 0.4"), formula("cos(7*x*y) - 0.3"), formula("z - x")][: len(resolution)]
        spec = changed(SWIRL, problem__boundary=sides, problem__velocity=velocity, problem__resolution=resolution)
        assert_slopes_agree(spec, rng)


def test_what_becomes_steady_solves_the_steady_equation() -> None:
    """u_t = 0 where b has no divergence: the family convection_diffusion, up to the order."""
    keys: dict[str, Any] = {
        "coefficient": 0.2, "source": 1.0, "boundary": {"left": {"dirichlet": 0.5}},
        "velocity": [formula("1 + 0.5*sin(pi*y)"), 0.3],
    }  # fmt: skip
    apart = []
    for cells in (12, 24):
        keys["resolution"] = [cells, cells]
        spec = {
            "problem": {**keys, "family": "advection_diffusion", "initial": 0.0, "time": {"times": [6.0]}},
            "samples": 1, "solver": {"step": 0.02},
        }  # fmt: skip
        job = open_job(validate(spec))
        assert isinstance(job, SteppingJob)
        found = marched(job, [first(job)], 1).frames[0, 0]
        steady = FieldJob(validate({"problem": {**keys, "family": "convection_diffusion"}, "samples": 1}))
        system = steady.discretisation.assemble(steady.instance("train", 0))
        wanted = np.linalg.solve(system.matrix.sparse().toarray(), system.rhs)
        apart.append(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))
    assert np.log2(apart[0] / apart[1]) > 1.6
    assert apart[1] < 0.01


@pytest.mark.slow
def test_both_discretisers_solve_one_equation(tmp_path: Path) -> None:
    problem = {
        "family": "advection_diffusion", "coefficient": 0.01, "reaction": 0.5, "velocity": [0.6],
        "initial": formula("sin(2*pi*x)"), "time": {"times": [0.5]},
    }  # fmt: skip
    coarse, fine = (apart.mean() for apart in between_discretisers(problem, tmp_path, (64, 128), frame=0))
    assert np.log2(coarse / fine) > 1.7
    spectral = arrays(tmp_path / "spectral128.zarr")["solution"][0, 0, 0]
    wanted = np.exp(-0.5 * (0.5 + 0.01 * 4.0 * np.pi**2)) * np.sin(2.0 * np.pi * (np.arange(128) / 128 - 0.3))
    np.testing.assert_allclose(spectral, wanted, atol=1e-6)


def test_the_discretiser_is_chosen_by_sides_and_coefficients() -> None:
    periodic = {"family": "advection_diffusion", "resolution": [16], "velocity": [1.0], "initial": 1.0}
    periodic["time"] = {"end": 1, "intervals": 1}
    for keys, wanted in (
        ({}, "spectral"),
        ({"coefficient": 0}, "spectral"),
        ({"velocity": [{"uniform": [-1, 1]}]}, "spectral"),
        ({"velocity": [formula("sin(2*pi*x)")]}, "box"),
        ({"boundary": {"left": {"dirichlet": 1}}}, "box"),
        ({"discretiser": "box"}, "box"),
    ):
        assert validate({"problem": {**periodic, **keys}, "samples": 1}).problem.discretisation.name == wanted


def assert_nearly_honest(ratios: list[float]) -> None:
    """The true error is within [0.5, 2] of the estimate for three quarters of the samples at least, and above 3 times
    for 4 % at most: where errors come from few moments at which a slope begins to be limited, they have no order."""
    assert len(ratios) == 50
    assert np.mean([0.5 <= ratio <= 2.0 for ratio in ratios]) >= 0.75, sorted(ratios)
    assert np.mean([ratio > 3.0 for ratio in ratios]) <= 0.04, sorted(ratios)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_estimates_of_the_error_in_time_are_honest(name: str) -> None:
    """Against a run with an eighth of the step."""
    spec = changed(ALL[name], samples=50, certify__algebraic_rtol=1e-9)
    assert_nearly_honest(true_over_estimated(spec, finer=3))


def true_over_estimated_in_space(spec: dict[str, Any]) -> list[float]:
    """Against a grid four times as fine, all with steps whose errors are far smaller."""
    jobs = []
    for finer in (1, 2, 4):
        resolution = [finer * n for n in spec["problem"]["resolution"]]
        solver = {"method": "ark3", "step": 0.25 / max(resolution)}
        job = open_job(validate(changed(spec, problem__resolution=resolution, solver=solver)))
        assert isinstance(job, SteppingJob)
        jobs.append(job)
    refined, ratios = Refined(jobs[0], next(jobs[0].layout.shards())), []
    for number in range(spec["samples"]):
        starts = [job.start_of(job.instance("train", number), number) for job in jobs]
        fields, _, exact = (
            fields_of(job, marched(job, [start], 1).frames[0]) for job, start in zip(jobs, starts, strict=True)
        )
        for job in reversed(jobs[:-1]):
            exact = np.stack([job.grid.restrict_fields(exact[:, t]) for t in range(exact.shape[1])], axis=1)
        true = float(differences(fields, exact).max())
        ratios.append(true / refined.error_of(starts[0], fields, 1, np.inf))
    return ratios


TOOTH = formula("sign(0.1-abs(x-c))", c={"uniform": [0.2, 0.8]})


@pytest.mark.slow
@pytest.mark.parametrize("initial", ["smooth", "jumps"])
def test_estimates_of_the_error_in_space_are_honest(initial: str) -> None:
    """Second order is assumed; where u jumps and nothing diffuses it is about 1/2, and the estimates hold."""
    spec = changed(PLUME, samples=50)
    if initial == "jumps":
        spec = changed(spec, problem__initial=TOOTH, problem__coefficient=0)
    assert_nearly_honest(true_over_estimated_in_space(spec))


def test_a_wrong_velocity_is_found_by_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is 2 % too fast, in what is stored and in what verifies it by the same code."""
    right = Advection._fill

    def fast(self: Advection, speed: Array, values: Array | float, axis: int) -> None:
        right(self, speed, 1.02 * values, axis)

    with monkeypatch.context() as patch:
        patch.setattr(Advection, "_fill", fast)
        assert not pdemill.generate(changed(PLUME, certify__refine=0), tmp_path / "s.zarr", workers=0).failures
        told = pdemill.verify(tmp_path / "s.zarr").faults
    assert any("by the reference" in fault for fault in told), told


@pytest.mark.parametrize(
    ("spec", "keys", "told"),
    [
        (PLUME, {"problem__velocity": [1.0, 2.0]}, r"problem\.velocity: .*1 entries, one per axis"),
        (PLUME, {"problem__coefficient": -1.0}, "must be positive"),
        (PLUME, {"problem__coefficient": {"uniform": [0, 1]}}, "must be positive"),
        (
            PLUME,
            {"problem__coefficient": 0, "problem__boundary": {"right": {"neumann": 1}}},
            "boundary.right: asks for",
        ),
        (
            PLUME,
            {"problem__coefficient": 0, "problem__boundary": {"left": {"robin": {"coefficient": 1, "value": 0}}}},
            r"boundary\.left: asks for a diffusive flux",
        ),
        (PLUME, {"problem__discretiser": "spectral"}, "which the discretiser spectral does not take"),
        (SWIRL, {"problem__family": "heat"}, "velocity: unknown key"),
    ],
)
def test_what_is_not_supported_is_refused(spec: dict[str, Any], keys: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        validate(changed(spec, **keys))
