"""Stores of trajectories: bits, certificates, what verify finds."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

import pdemill
from pdemill.errors import SpecError
from pdemill.planning import FILE, Plan
from pdemill.solvers.job import open_job
from pdemill.solvers.opening import open_work
from pdemill.solvers.solution import Result
from pdemill.solvers.spectral import symbols
from pdemill.solvers.spectral.job import SpectralJob
from pdemill.solvers.trajectories.check import Checked
from pdemill.solvers.trajectories.differences import differences
from pdemill.solvers.trajectories.job import Start, TrajectoryJob
from pdemill.solvers.trajectories.ladder import fields_of, marched, trajectories
from pdemill.solvers.trajectories.shard import Refined
from pdemill.spec import validate
from pdemill.spec.method import methods
from tests.sampling import sample

VORTICES: dict[str, Any] = {
    "problem": {
        "family": "navier_stokes",
        "resolution": [32, 32],
        "initial": {"field": "gaussian", "alpha": 2.5, "tau": 7, "boundary": "periodic", "modes": 12},
        "viscosity": 1e-3,
        "source": {"field": "expression", "formula": "0.1*(sin(2*pi*(x+y))+cos(2*pi*(x+y)))"},
        "time": {"end": 4.0, "intervals": 4},
    },
    "samples": 6,
    "certify": {"refine": 0},
}
PATCHES: dict[str, Any] = {
    "problem": {
        "family": "navier_stokes",
        "resolution": [48, 48],
        "initial": {"field": "vortices", "count": 10, "width": [0.1, 0.2]},
        "viscosity": {"uniform": [2e-3, 5e-3]},
        "spectral_cutoff": 5.5,
        "hyperviscosity": {"uniform": [1e-7, 2e-7]},
        "time": {"end": 1.0, "intervals": 4},
    },
    "samples": 6,
    "certify": {"refine": 0},
}
WAVES: dict[str, Any] = {"field": "fourier", "waves": 3, "decay": 0, "scale": 0.3}
FLAMES: dict[str, Any] = {
    "problem": {
        "family": "kuramoto_sivashinsky",
        "resolution": [96],
        "domain": {"lengths": [32]},
        "initial": WAVES,
        "time": {"end": 10.0, "intervals": 20},
    },
    "samples": 6,
    "certify": {"refine": 0},
}
FRONTS: dict[str, Any] = {
    "problem": {
        "family": "burgers",
        "resolution": [128],
        "initial": WAVES,
        "viscosity": {"uniform": [0.02, 0.1]},
        "time": {"times": [0.1, 0.25, 1.0]},
    },
    "samples": 6,
    "certify": {"refine": 0},
}
STRETCHED: dict[str, Any] = {**FRONTS, "problem": {**FRONTS["problem"], "stretch": {"uniform": [0.8, 1.2]}}}
SOLITONS: dict[str, Any] = {
    "problem": {
        "family": "korteweg_de_vries",
        "resolution": [96],
        "domain": {"lengths": [40]},
        "initial": WAVES,
        "dispersion": {"uniform": [0.8, 1.2]},
        "time": {"end": 8.0, "intervals": 8},
    },
    "samples": 6,
    "certify": {"refine": 0},
}
WARMTH: dict[str, Any] = {
    "problem": {
        "family": "heat",
        "resolution": [24, 16],
        "domain": {"lengths": [2.0, 1.0]},
        "coefficient": {"diagonal": [{"uniform": [0.01, 0.1]}, 0.02]},
        "reaction": 0.5,
        "initial": WAVES,
        "source": {"field": "fourier", "waves": 2},
        "time": {"end": 1.0, "intervals": 3},
    },
    "samples": 6,
    "certify": {"refine": 0},
}
WAVELETS: dict[str, Any] = {
    "problem": {
        "family": "general_linear",
        "resolution": [24, 16],
        "domain": {"lengths": [2.0, 1.0]},
        "velocity": [{"uniform": [-1, 1]}, 0.3],
        "dispersion": {"uniform": [-1e-3, 1e-3]},
        "hyperdiffusion": {"uniform": [0, 1e-5]},
        "initial": WAVES,
        "time": {"end": 1.0, "intervals": 3},
    },
    "samples": 6,
    "certify": {"refine": 0},
}
INKS: dict[str, Any] = {
    "problem": {
        "family": "navier_stokes",
        "resolution": [32, 32],
        "initial": {"field": "gaussian", "alpha": 2.5, "tau": 7, "boundary": "periodic", "modes": 12},
        "viscosity": 1e-2,
        "tracer": {"field": "gaussian", "alpha": 2.5, "tau": 7, "boundary": "periodic", "modes": 12, "mean": 1.0},
        "diffusivity": {"uniform": [5e-3, 1e-2]},
        "time": {"end": 2.0, "intervals": 4},
    },
    "samples": 6,
    "certify": {"refine": 0},
}
SMOOTH: dict[str, Any] = {"field": "fourier", "waves": 1, "decay": 1, "scale": 0.2}
EDDIES: dict[str, Any] = {
    "problem": {
        "family": "navier_stokes_3d",
        "resolution": [16, 12, 16],
        "domain": {"lengths": [6.283185307179586, 3.141592653589793, 6.283185307179586]},
        "initial": [SMOOTH, SMOOTH, SMOOTH],
        "viscosity": {"uniform": [0.2, 0.3]},
        "drag": 0.1,
        "source": [
            {"field": "expression", "formula": "0.2*sin(z)"},
            0,
            {"field": "expression", "formula": "0.1*cos(x)"},
        ],
        "time": {"end": 1.0, "intervals": 2},
    },
    "samples": 6,
    "certify": {"refine": 0},
}
ROSSBY: dict[str, Any] = {
    "problem": {
        "family": "quasi_geostrophic",
        "resolution": [32, 24],
        "domain": {"lengths": [6.283185307179586, 3.141592653589793]},
        "initial": {"field": "gaussian", "alpha": 2.5, "tau": 2, "boundary": "periodic", "modes": 6, "std": 1.0},
        "viscosity": 0.05,
        "drag": 0.1,
        "beta": {"uniform": [2, 8]},
        "time": {"end": 2.0, "intervals": 4},
    },
    "samples": 6,
    "certify": {"refine": 0},
}
SHALLOW: dict[str, Any] = {**ROSSBY, "problem": {**ROSSBY["problem"], "radius": {"uniform": [0.4, 0.8]}}}
SHALLOW["problem"]["source"] = {"field": "expression", "formula": "0.3*sin(x)*cos(2*y)"}
EDDY: dict[str, Any] = {"field": "gaussian", "alpha": 2.5, "tau": 2, "boundary": "periodic", "modes": 6, "std": 1.0}
BAROCLINIC: dict[str, Any] = {
    "problem": {
        "family": "quasi_geostrophic_2",
        "resolution": [32, 24],
        "domain": {"lengths": [6.283185307179586, 3.141592653589793]},
        "initial": [EDDY, EDDY],
        "radius": {"uniform": [0.4, 0.6]},
        "depth_ratio": 0.5,
        "beta": {"uniform": [1, 2]},
        "mean_flow": [{"uniform": [0.5, 1]}, -0.2],
        "drag": 0.1,
        "viscosity": 0.05,
        "source": [{"field": "expression", "formula": "0.1*cos(2*y)"}, 0],
        "time": {"end": 2.0, "intervals": 4},
    },
    "samples": 6,
    "certify": {"refine": 0},
}
DUST = deepcopy(EDDIES)
DUST["problem"] |= {"tracer": {"field": "fourier", "waves": 1, "mean": 2}, "diffusivity": {"uniform": [0.3, 0.4]}}
FLAT: dict[str, Any] = {
    "problem__resolution": [16, 16], "problem__domain": {}, "problem__initial": [SMOOTH] * 2, "problem__source": None
}  # fmt: skip
ALL = {
    "vortices": VORTICES,
    "patches": PATCHES,
    "inks": INKS,
    "eddies": EDDIES,
    "dust": DUST,
    "rossby": ROSSBY,
    "shallow": SHALLOW,
    "baroclinic": BAROCLINIC,
    "flames": FLAMES,
    "fronts": FRONTS,
    "stretched": STRETCHED,
    "solitons": SOLITONS,
    "warmth": WARMTH,
    "wavelets": WAVELETS,
}
ROWS = sample(ALL, *(name for name in ALL if name not in ("dust", "baroclinic", "shallow")))
"""All names; of flows whose own tests are quick, those are slow."""


def changed(spec: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """A spec with other values, by paths such as solver__step."""
    made = deepcopy(spec)
    for path, value in keys.items():
        *above, last = path.split("__")
        place = made
        for key in above:
            place = place.setdefault(key, {})
        if value is None:
            place.pop(last)
        else:
            place[last] = value
    return made


def arrays(store: Path, split: str = "train") -> dict[str, NDArray[Any]]:
    group: Any = zarr.open_group(store, mode="r")[split]
    return {name: np.asarray(array[...]) for name, array in group.arrays()}


@pytest.mark.parametrize("name", ROWS)
def test_a_store_is_certified_and_verified(name: str, tmp_path: Path) -> None:
    spec = changed(ALL[name], certify__refine=0.5)
    summary = pdemill.generate(spec, tmp_path / "s.zarr", workers=0)
    assert not summary.failures
    found = pdemill.verify(tmp_path / "s.zarr", resolve=True)
    assert (found.faults, found.certificates, found.resolved) == ((), 6, 1)
    columns = arrays(tmp_path / "s.zarr")
    assert columns["time_error_estimate"].max() <= 1e-5
    assert np.isfinite(columns["error_estimate"]).sum() >= 3
    assert np.nanmax(columns["error_estimate"]) < 1e-2
    times = np.asarray(zarr.open_group(tmp_path / "s.zarr", mode="r")["t"][...])  # type: ignore[index]
    assert (columns["valid_until"] == times[-1]).all()
    assert columns["solution"].shape[:3] == (6, len(validate(spec).problem.channels), len(times))


def _assert_bits_of_one_shard(store: Path, spec: dict[str, Any]) -> None:
    whole = store.with_name("one.zarr")
    pdemill.generate(spec, whole, workers=0)
    one, many = arrays(whole), arrays(store)
    for column in one.keys() - {"solve_seconds"}:
        assert one[column].tobytes() == many[column].tobytes(), column


@pytest.mark.parametrize("name", sample(ALL, "vortices", "solitons"))
def test_bits_depend_on_neither_shards_nor_workers(name: str, tmp_path: Path) -> None:
    store = tmp_path / "many.zarr"
    pdemill.generate(changed(ALL[name], store={"shard": 1}), store, workers=2)
    _assert_bits_of_one_shard(store, ALL[name])


@pytest.mark.parametrize("name", ROWS)
def test_bits_depend_on_neither_shards_nor_what_was_solved_before(name: str, tmp_path: Path) -> None:
    """Two runs share the shards, and the second half is made first."""
    store = tmp_path / "many.zarr"
    for part in ("2/2", "1/2"):
        pdemill.generate(changed(ALL[name], store={"shard": 1}), store, workers=0, part=part)
    _assert_bits_of_one_shard(store, ALL[name])


def test_the_initial_state_is_the_input_and_the_first_frame(tmp_path: Path) -> None:
    pdemill.generate(VORTICES, tmp_path / "s.zarr", workers=0)
    columns = arrays(tmp_path / "s.zarr")
    assert (columns["input"][:, 0] == columns["solution"][:, 0, 0]).all()


def test_all_outputs_belong_to_one_flow(tmp_path: Path) -> None:
    outputs = ["velocity", "pressure", "stream_function", "vorticity"]
    spec = changed(VORTICES, problem__outputs=outputs, samples=2, store={"dtype": "float64"})
    pdemill.generate(spec, tmp_path / "s.zarr", workers=0)
    data = pdemill.open(tmp_path / "s.zarr")
    assert data.solution_channels == ("velocity_x", "velocity_y", "pressure", "stream_function", "vorticity")
    x, y, p, psi, w = arrays(tmp_path / "s.zarr")["solution"][1, :, -1]
    k = 2.0 * np.pi * np.rint(np.fft.fftfreq(32, 1.0 / 32))

    def slope(values: NDArray[Any], axis: int) -> NDArray[Any]:
        wave = k[:, None] if axis == 0 else k[None, :]
        return np.asarray(np.fft.ifft2(1j * wave * np.fft.fft2(values)).real)

    assert np.allclose(slope(psi, 1), x, atol=1e-12)
    assert np.allclose(-slope(psi, 0), y, atol=1e-12)
    assert np.allclose(slope(y, 0) - slope(x, 1), w, atol=1e-11)
    advection = [x * slope(v, 0) + y * slope(v, 1) for v in (x, y)]
    source = slope(advection[0], 0) + slope(advection[1], 1)
    left = -(slope(slope(p, 0), 0) + slope(slope(p, 1), 1))
    low = np.abs(np.fft.fft2(left - source))[:8, :8].max()
    assert low < 1e-9 * np.abs(np.fft.fft2(source)).max()
    assert abs(p.mean()) < 1e-12
    assert pdemill.verify(tmp_path / "s.zarr").faults == ()


def test_a_finer_simulation_is_reduced_to_the_stored_modes(tmp_path: Path) -> None:
    spec = changed(VORTICES, samples=2, solver={"simulate_resolution": [64, 64]}, store={"dtype": "float64"})
    pdemill.generate(spec, tmp_path / "fine.zarr", workers=0)
    assert pdemill.verify(tmp_path / "fine.zarr").faults == ()
    stored = arrays(tmp_path / "fine.zarr")["solution"][0, 0]
    spectrum = np.abs(np.fft.fft2(stored[-1]))
    numbers = np.abs(np.rint(np.fft.fftfreq(32, 1.0 / 32)))
    assert spectrum[numbers > 10].max() < 1e-12 * spectrum.max()
    whole = changed(VORTICES, samples=2, problem__resolution=[64, 64], store={"dtype": "float64"})
    pdemill.generate(whole, tmp_path / "whole.zarr", workers=0)
    other = np.fft.fft2(arrays(tmp_path / "whole.zarr")["solution"][0, 0, -1]) / 4.0
    low = np.fft.fft2(stored[-1])
    assert np.abs(other[:10, :10] - low[:10, :10]).max() < 1e-5 * np.abs(low).max()


def before_balances(patch: pytest.MonkeyPatch) -> None:
    """Make stores as they were before invariants and budgets were certified."""
    first = tuple(column for column in SpectralJob.own_columns if column.name in SpectralJob.first_columns)
    patch.setattr(SpectralJob, "own_columns", first)


def failures(spec: dict[str, Any], store: Path) -> list[str]:
    return [failure.reason for failure in pdemill.generate(spec, store, workers=0).failures]


def test_a_step_that_is_too_large_fails(tmp_path: Path) -> None:
    told = failures(changed(VORTICES, solver={"method": "etdrk4", "step": 1.0}), tmp_path / "s.zarr")
    assert len(told) == 6
    assert all(Result.MISSED_TIME.name in reason or Result.NOT_FINITE.name in reason for reason in told)


def test_what_is_not_finite_agrees_with_nothing() -> None:
    good = np.random.default_rng(0).standard_normal((1, 3, 8, 8))
    for value in (np.nan, np.inf, 1e200):
        bad = good.copy()
        bad[0, 2] = value * good[0, 2]
        for one, other in ((good, bad), (bad, good), (bad, bad)):
            assert differences(one, other).tolist() == [0.0, 0.0, np.inf]


def test_a_long_interval_is_solved_with_as_many_steps_as_it_takes(tmp_path: Path) -> None:
    """The first steps that are tried are so long that nothing stays finite."""
    spec = changed(VORTICES, problem__time={"end": 40.0, "intervals": 1}, problem__resolution=[64, 64], samples=2)
    assert not pdemill.generate(spec, tmp_path / "s.zarr", workers=0).failures


def test_a_front_that_is_not_resolved_fails(tmp_path: Path) -> None:
    spec = changed(FRONTS, problem__viscosity=4e-3)
    told = failures(spec, tmp_path / "s.zarr")
    assert len(told) == 6
    assert all(Result.TOO_COARSE.name in reason for reason in told)


def test_a_wrong_sign_is_found_by_verify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = symbols.QUADRATIC["vorticity_advection"]

    def wrong(grid: Any, number: int) -> symbols.Products:
        made = right(grid, number)
        return replace(made, weights=-made.weights)

    with monkeypatch.context() as patch:
        patch.setattr(symbols, "QUADRATIC", {**symbols.QUADRATIC, "vorticity_advection": wrong})
        before_balances(patch)
        assert not pdemill.generate(VORTICES, tmp_path / "s.zarr", workers=0).failures
        told = pdemill.verify(tmp_path / "s.zarr").faults
    assert any("by the reference" in fault for fault in told), told
    assert len(pdemill.verify(tmp_path / "s.zarr").faults) >= 6


def test_chaos_is_told_by_valid_until(tmp_path: Path) -> None:
    spec = changed(
        FLAMES,
        problem__time={"end": 400.0, "intervals": 40},
        problem__domain={"lengths": [64]},
        problem__resolution=[192],
        samples=4,
    )
    assert not pdemill.generate(spec, tmp_path / "s.zarr", workers=0).failures
    root: Any = zarr.open_group(tmp_path / "s.zarr", mode="r")
    assert root.attrs["valid_until"] == 10.0
    columns = arrays(tmp_path / "s.zarr")
    assert ((columns["valid_until"] >= 10.0) & (columns["valid_until"] < 400.0)).all()
    beyond = np.asarray(root["t"][...])[None] > columns["valid_until"][:, None]
    assert (columns["frame_error"][~beyond] <= 1e-5).all()
    assert np.isfinite(columns["solution"]).all()
    assert (columns["flags"] & 32 == 32).all()
    assert pdemill.verify(tmp_path / "s.zarr").faults == ()


def test_a_trajectory_must_be_right_as_long_as_asked(tmp_path: Path) -> None:
    spec = changed(
        FLAMES,
        problem__time={"end": 80.0, "intervals": 40},
        problem__domain={"lengths": [64]},
        problem__resolution=[192],
        certify__valid_until=50.0,
    )
    assert not pdemill.generate(spec, tmp_path / "s.zarr", workers=0).failures
    assert (arrays(tmp_path / "s.zarr")["valid_until"] >= 50.0).all()


def test_warm_up_comes_before_the_first_frame(tmp_path: Path) -> None:
    spec = changed(FLAMES, problem__time={"end": 4.0, "intervals": 4, "warmup": 20.0}, samples=2)
    pdemill.generate(spec, tmp_path / "s.zarr", workers=0)
    columns = arrays(tmp_path / "s.zarr")
    assert not np.allclose(columns["input"][:, 0], columns["solution"][:, 0, 0], atol=0.1)
    assert (columns["frame_error"][:, 0] == 0.0).all()
    assert pdemill.verify(tmp_path / "s.zarr").faults == ()


def true_over_estimated(spec: dict[str, Any], finer: int) -> list[float]:
    """True errors in time over their estimates, where these are largest, of all samples that have any: by runs with
    so many more halvings of the step."""
    job = open_job(validate(spec))
    plan = job.plan().method
    chosen = job.using(methods[plan["method"]].model_validate(dict(plan)))
    assert isinstance(chosen, TrajectoryJob)
    starts = {n: chosen.start_of(chosen.instance("train", n), n) for n in range(spec["samples"])}
    ratios = []
    for found in trajectories(chosen, list(starts.values()), stop=lambda _: False):
        exact = fields_of(chosen, marched(chosen, [starts[found.number]], found.run + finer).frames[0])
        frame = int(np.argmax(found.errors))
        true, estimate = float(differences(found.fields, exact)[frame]), float(found.errors[frame])
        if true > 1e-12:
            ratios.append(true / estimate)
    return ratios


def assert_honest(ratios: list[float]) -> None:
    """The true error is within [0.5, 2] of the estimate for 90 % of the samples, and above 3 times for 2 % at most."""
    assert np.mean([0.5 <= ratio <= 2.0 for ratio in ratios]) >= 0.9, sorted(ratios)
    assert np.mean([ratio > 3.0 for ratio in ratios]) <= 0.02, sorted(ratios)


def refiner(job: SpectralJob) -> Refined:
    """That of the first shard."""
    return Refined(job, next(job.layout.shards()))


@pytest.mark.parametrize("name", ROWS)
def test_verify_finds_a_frame_that_was_changed(name: str, tmp_path: Path) -> None:
    pdemill.generate(ALL[name], tmp_path / "s.zarr", workers=0)
    job, _ = open_work(tmp_path / "s.zarr")
    assert isinstance(job, SpectralJob)
    columns = arrays(tmp_path / "s.zarr")
    for number in range(3):
        stored = {key: values[number] for key, values in columns.items()}
        assert list(Checked(job, refiner(job), number, stored).faults(by_reference=True)) == []
        solution = stored["solution"].copy()
        frame = 1 + number % (solution.shape[1] - 1)
        solution[0, frame] += (
            3e-3
            * np.ptp(solution[0, frame])
            * np.roll(np.linspace(-1, 1, solution[0, 0].size), 5).reshape(solution[0, 0].shape)
        )
        assert list(Checked(job, refiner(job), number, stored | {"solution": solution}).faults(by_reference=False))


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_estimates_of_the_error_in_time_are_honest(name: str) -> None:
    """Against a run with a sixteenth of the step."""
    ratios = true_over_estimated(changed(ALL[name], samples=50), finer=4)
    if name in ("warmth", "wavelets"):
        assert not ratios  # exact
    elif name == "solitons":  # at twice the step the fast waves are far from their order
        assert max(ratios) < 2.0
        assert_honest(true_over_estimated(changed(ALL[name], samples=50, solver={"time_rtol": 1e-7}), finer=3))
    else:
        assert_honest(ratios)


def test_errors_in_space_are_estimated_against_the_truth() -> None:
    """The estimate on a grid that is too coarse, against a grid eight times as fine."""
    spec = validate(changed(FRONTS, problem__viscosity=0.012, problem__resolution=[48], certify__refine=1.0))
    job, fine = open_job(spec), open_job(validate(changed(FRONTS, problem__viscosity=0.012, problem__resolution=[384])))
    assert isinstance(job, SpectralJob)
    assert isinstance(fine, SpectralJob)
    refined = refiner(job)
    for number in range(4):
        start = job.start_of(job.instance("train", number), number)
        (found,) = trajectories(job, [start], stop=lambda _: False)
        state = np.zeros(fine.grid.modes, np.complex128)
        state[job.grid.places_in(fine.grid)] = start.state
        there = Start(number, fine.symbols(fine.instance("train", number)), state)
        exact = fields_of(fine, marched(fine, [there], found.run + 1).frames[0])[:, :, ::8]
        true = float(differences(found.fields, exact).max())
        assert true > 1e-4
        assert refined.error(start, found, job.times[-1]) == pytest.approx(true, rel=0.3)


@pytest.mark.parametrize(
    ("spec", "keys", "told"),
    [
        (FLAMES, {"problem__hyperviscosity": {"field": "lognormal", "std": 0.5}}, "varies in space"),
        (FLAMES, {"problem__boundary": {"left": {"dirichlet": 0}}}, "takes periodic"),
        (WARMTH, {"problem__time": None}, "time: "),
        (WARMTH, {"problem__initial": None}, "initial: "),
        (WARMTH, {"problem__time": {"end": 1.0}}, "intervals: is missing"),
        (WARMTH, {"problem__time": {"times": [0.5, 0.2]}}, "not later"),
        (WARMTH, {"problem__time": {"times": [0.0]}}, "no time after 0"),
        (WARMTH, {"problem__time": {"end": 1, "times": [1.0]}}, "either"),
        (WARMTH, {"certify__valid_until": 2.0}, "after the last stored time"),
        (FRONTS, {"certify__valid_until": 0.05}, "before the first stored time"),
        (WARMTH, {"splits": {"t": 1}, "samples": None}, "the times are called so"),
        (WARMTH, {"certify__algebraic_rtol": 1e-8}, "means nothing here"),
        (WARMTH, {"certify__audit": {"samples": 2}}, "audit"),
        (WARMTH, {"solver": {"rtol": 1e-6}}, "means nothing here"),
        (WARMTH, {"solver": {"method": "direct"}}, "method"),
        (WARMTH, {"solver": {"method": "etdrk4", "step": 0.1, "first_step": 0.1}}, "either"),
        (WARMTH, {"solver": {"simulate_resolution": [16, 16]}}, "coarser"),
        (WARMTH, {"solver": {"simulate_resolution": [32]}}, "entries"),
        (VORTICES, {"problem__resolution": [16, 16, 16]}, "2 dimensions"),
        (VORTICES, {"problem__initial": {**WAVES, "mean": 1.0}}, "must be 0"),
        (VORTICES, {"problem__outputs": ["velocity", "velocity"]}, "twice"),
        (VORTICES, {"problem__outputs": ["swirl"]}, "outputs"),
        (INKS, {"problem__diffusivity": 0}, "problem.diffusivity: must be positive where there is a tracer"),
        (VORTICES, {"problem__diffusivity": 0.1}, "problem.diffusivity: is that of a tracer"),
        (INKS, {"problem__diffusivity": WAVES}, "problem.diffusivity: varies in space"),
        (EDDIES, {"problem__diffusivity": 0.1}, "problem.diffusivity: is that of a tracer"),
        (DUST, {"problem__diffusivity": 0}, "problem.diffusivity: must be positive where there is a tracer"),
        (EDDIES, {"problem__initial": [WAVES, WAVES]}, "initial"),
        (EDDIES, FLAT, "3 dimensions"),
        (ROSSBY, {"problem__beta": WAVES}, "problem.beta: varies in space"),
        (SHALLOW, {"problem__radius": {"uniform": [-1, 1]}}, "problem.radius: must not be negative"),
        (ROSSBY, {"problem__beta": None}, "problem.beta"),
        (ROSSBY, {"problem__outputs": ["pressure"]}, "outputs"),
        (BAROCLINIC, {"problem__viscosity": 0}, "problem.viscosity: must be positive where there is no hyperviscosity"),
        (BAROCLINIC, {"problem__radius": {"field": "lognormal", "std": 0.5}}, "problem.radius: varies in space"),
        (BAROCLINIC, {"problem__mean_flow": [EDDY, 0]}, "problem.mean_flow"),
        (BAROCLINIC, {"problem__outputs": ["velocity"]}, "potential_vorticity alone where radius"),
        (BAROCLINIC, {"problem__initial": [EDDY] * 3}, "initial"),
        (FRONTS, {"problem__stretch": {"uniform": [0, 1]}}, "problem.stretch: must be positive"),
        (FRONTS, {"problem__stretch": WAVES}, "problem.stretch"),
        (
            VORTICES,
            {"problem__stretch": 2, "problem__outputs": ["velocity"]},
            "problem.stretch: takes outputs that are",
        ),
        (EDDIES, {"problem__viscosity": 0}, "viscosity"),
        (EDDIES, {"problem__outputs": ["stream_function"]}, "outputs"),
        (VORTICES, {"problem__viscosity": 0}, "where there is no hyperviscosity"),
        (VORTICES, {"problem__hyperviscosity": -1e-6}, "must not be negative"),
        (VORTICES, {"problem__initial": {"field": "multisine"}}, "1 dimensions"),
        (FRONTS, {"problem__initial": {"field": "shear_layer"}}, "two dimensions"),
    ],
)
def test_what_is_not_supported_is_refused(spec: dict[str, Any], keys: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        validate(changed(spec, **keys))


def test_steady_equations_have_no_time() -> None:
    steady: dict[str, Any] = {"problem": {"family": "poisson", "resolution": [8, 8]}, "samples": 1}
    for keys, told in (
        ({"problem__time": {"end": 1.0, "intervals": 1}}, "time"),
        ({"certify__valid_until": 1.0}, "none"),
        ({"solver": {"time_rtol": 1e-4}}, "means nothing here"),
        ({"solver": {"method": "etdrk4"}}, "steps in time"),
    ):
        with pytest.raises(SpecError, match=told):
            validate(changed(steady, **keys))


def test_a_vorticity_with_a_mean_is_no_sample(tmp_path: Path) -> None:
    spec = changed(VORTICES, problem__initial={"field": "expression", "formula": "1 + sin(2*pi*x)"})
    told = failures(spec, tmp_path / "s.zarr")
    assert len(told) == 6
    assert all("must have mean 0" in reason for reason in told)


def test_a_level_that_float32_cannot_hold_fails(tmp_path: Path) -> None:
    spec = changed(WARMTH, problem__reaction=0, problem__initial={**WAVES, "mean": 1e4})
    told = failures(spec, tmp_path / "s.zarr")
    assert len(told) == 6
    assert all(Result.ROUNDED.name in reason for reason in told)
    exact = changed(spec, store={"dtype": "float64"})
    assert not pdemill.generate(exact, tmp_path / "exact.zarr", workers=0).failures


def test_what_dies_down_beside_a_mean_is_verified(tmp_path: Path) -> None:
    """The tail of what varies is that of its rounding, which the mean gives."""
    initial = {"field": "multisine", "terms": 2, "waves": 4, "absolute": 0, "window": 0}
    spec = changed(FRONTS, problem__viscosity=0.016, problem__initial=initial, store={"dtype": "float64"}, samples=4)
    assert not pdemill.generate(spec, tmp_path / "s.zarr", workers=0).failures
    assert pdemill.verify(tmp_path / "s.zarr").faults == ()


def test_steady_stores_may_have_a_split_called_t() -> None:
    spec = validate({"problem": {"family": "poisson", "resolution": [8, 8]}, "splits": {"t": 1}})
    assert spec.splits == {"t": 1}


@pytest.mark.parametrize(
    ("term", "name"), [("LINEAR", "diffusion"), ("LINEAR", "reaction"), ("QUADRATIC", "vorticity_advection")]
)
def test_a_coefficient_that_is_a_little_off_is_found_by_verify(
    term: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drag, viscosity and advection 2 % too strong, in what is stored and in what verifies it by the same code."""
    table = getattr(symbols, term)

    def off(grid: Any, *numbers: Any) -> Any:
        made = table[name](grid, *numbers)
        return 1.02 * made if term == "LINEAR" else replace(made, weights=1.02 * made.weights)

    spec = changed(VORTICES, problem__drag=0.2, samples=1)
    with monkeypatch.context() as patch:
        patch.setattr(symbols, term, {**table, name: off})
        before_balances(patch)
        assert not pdemill.generate(spec, tmp_path / "s.zarr", workers=0).failures
        told = pdemill.verify(tmp_path / "s.zarr").faults
    assert any("by the reference" in fault for fault in told), told


def test_a_store_with_a_warm_up_is_verified_elsewhere(tmp_path: Path) -> None:
    """Chaos makes of other instructions another state after a warm-up: nothing is compared that cannot agree."""
    spec = changed(FLAMES, problem__time={"end": 4.0, "intervals": 4, "warmup": 20.0}, samples=2)
    for number, one in enumerate((spec, changed(spec, problem__time={"end": 4.0, "intervals": 4}))):
        root = tmp_path / f"{number}.zarr"
        pdemill.generate(one, root, workers=0)
        job, _ = open_work(root)
        assert isinstance(job, SpectralJob)
        job.here = False
        stored = {key: values[0] for key, values in arrays(root).items()}
        assert list(Checked(job, refiner(job), 0, stored).faults(by_reference=True)) == []
        shaken = stored["solution"] * np.float32(1.0 + 1.2e-7)
        faults = list(Checked(job, refiner(job), 0, stored | {"solution": shaken}).faults(by_reference=False))
        assert faults == []
        wrong = stored["solution"].copy()
        wrong[0, 1:] *= 1.01
        assert list(Checked(job, refiner(job), 0, stored | {"solution": wrong}).faults(by_reference=False))


def test_an_error_that_nobody_estimated_is_found(tmp_path: Path) -> None:
    pdemill.generate(changed(FRONTS, certify__refine=0.001), tmp_path / "s.zarr", workers=0)
    job, _ = open_work(tmp_path / "s.zarr")
    assert isinstance(job, SpectralJob)
    columns = arrays(tmp_path / "s.zarr")
    for number, forged in ((5, np.float32(1e-9)), (0, np.float32(np.nan))):
        stored = {key: values[number] for key, values in columns.items()}
        assert list(Checked(job, refiner(job), number, stored).faults(by_reference=False)) == []
        told = list(Checked(job, refiner(job), number, stored | {"error_estimate": forged}).faults(by_reference=False))
        assert any("error_estimate" in fault for fault in told)


def test_a_plan_beside_a_spec_that_leaves_nothing_open_is_not_followed(tmp_path: Path) -> None:
    for number, solver in enumerate(({"method": "etdrk4", "step": 0.05}, {"method": "etdrk2", "first_step": 0.1})):
        spec = changed(FRONTS, solver=solver, samples=1)
        plan = tmp_path / f"{number}.zarr" / FILE
        plan.parent.mkdir(parents=True)
        other = {"method": "etdrk4", "first_step": 0.5}
        plan.write_bytes(Plan(other, True, "by hand", 0.0, ()).to_bytes())
        job, _ = open_work(tmp_path / f"{number}.zarr", validate(spec))
        assert job.method.model_dump().items() >= solver.items()
    steady = validate(
        {"problem": {"family": "poisson", "resolution": [8, 8]}, "samples": 1, "solver": {"method": "cg"}}
    )
    plan = tmp_path / "steady.zarr" / FILE
    plan.parent.mkdir(parents=True)
    plan.write_bytes(Plan({"method": "direct"}, True, "by hand", 0.0, ()).to_bytes())
    assert open_work(tmp_path / "steady.zarr", steady)[0].method.method == "cg"
