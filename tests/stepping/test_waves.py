"""The wave equation: exact solutions, orders, energy, absorbing sides, certificates, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import SpecError
from pdemill.points import Array
from pdemill.solvers.job import open_job
from pdemill.solvers.stepping.waves import WaveJob
from pdemill.solvers.trajectories.ladder import marched
from pdemill.spec import validate
from pdemill.store.root import read_attributes
from tests.evolving import assert_certified, assert_same_bits, formula, told_of_stronger_diffusion
from tests.spectral.test_trajectories import arrays, assert_honest, changed, true_over_estimated

PULSE: dict[str, Any] = {
    "problem": {
        "family": "wave",
        "resolution": [48],
        "speed": {"uniform": [0.8, 1.2]},
        "damping": {"uniform": [0, 0.5]},
        "initial": formula("exp(-(12*(x-c))**2)", c={"uniform": [0.3, 0.7]}),
        "source": formula("sin(9*t)*x"),
        "boundary": {"left": "absorbing", "right": {"robin": {"coefficient": 1.0, "value": 0.2}}},
        "time": {"times": [0.0, 0.3, 0.7]},
    },
    "samples": 3,
    "certify": {"refine": 0.5},
}
DRUM: dict[str, Any] = {
    "problem": {
        "family": "wave",
        "resolution": [20, 24],
        "coefficient": {"field": "lognormal", "std": 0.4},
        "speed": {"field": "lognormal", "std": 0.3},
        "initial": [{"field": "gaussian", "alpha": 4, "tau": 6}, {"field": "gaussian", "alpha": 4, "tau": 6}],
        "boundary": {"default": {"dirichlet": 0}, "top": "absorbing", "left": {"neumann": 0.1}},
        "time": {"end": 0.6, "intervals": 3},
    },
    "samples": 3,
    "certify": {"refine": 0.5},
}
ALL = {"pulse": PULSE, "drum": DRUM}


def opened(spec: dict[str, Any], **solver: Any) -> WaveJob:
    job = open_job(validate(spec | {"solver": {"method": "rk4", **solver}}))
    assert isinstance(job, WaveJob)
    return job


def states(job: WaveJob) -> Array:
    """u and v at the stored times [T, 2, *shape]."""
    frames = marched(job, [job.start_of(job.instance("train", 0), 0)], 1).frames[0]
    return np.asarray(job.fields(frames))


def swinging(cells: int, sides: dict[str, Any], u: str, **keys: Any) -> dict[str, Any]:
    problem = {
        "family": "wave", "resolution": [cells], "coefficient": 0.25, "speed": 1.5, "initial": formula(u),
        "boundary": sides, "time": {"times": [0.7]}, **keys,
    }  # fmt: skip
    return {"problem": problem, "samples": 1, "store": {"dtype": "float64"}}


MODES = [
    ({"default": {"dirichlet": 0}}, "sin(3*pi*x)", 3.0),
    ({"default": {"neumann": 0}}, "cos(2*pi*x)", 2.0),
    ({"left": {"dirichlet": 0}, "right": {"neumann": 0}}, "sin(1.5*pi*x)", 1.5),
    ({"default": "periodic"}, "sin(4*pi*x)", 4.0),
]


@pytest.mark.parametrize(("sides", "u", "waves"), MODES)
def test_standing_waves_swing_as_they_must(sides: dict[str, Any], u: str, waves: float) -> None:
    """Of order 2 in the size of cells, and 4 in that of steps against the mode of the discrete operator."""
    errors = []
    for cells in (16, 32):
        x = (np.arange(cells) + 0.5) / cells
        shape = np.sin(waves * np.pi * x) if u.startswith("sin") else np.cos(waves * np.pi * x)
        found = states(opened(swinging(cells, sides, u), step=0.7 / 128))[0]
        at = 0.75 * waves * np.pi
        errors.append(max(np.abs(found[0] - np.cos(0.7 * at) * shape).max(),
                          np.abs(found[1] + at * np.sin(0.7 * at) * shape).max() / at))  # fmt: skip
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.2)
    rate = 0.75 * 2.0 * 32 * np.sin(0.5 * np.pi * waves / 32)
    in_time = []
    for steps in (64, 128):
        found = states(opened(swinging(32, sides, u), step=0.7 / steps))[0, 0]
        in_time.append(np.abs(found - np.cos(0.7 * rate) * shape).max())
    assert np.log2(in_time[0] / in_time[1]) == pytest.approx(4.0, abs=0.3)


def test_damped_waves_decay_as_they_must() -> None:
    d, t, rate = 3.0, 0.7, 0.75 * 2.0 * 32 * np.sin(0.5 * np.pi * 3 / 32)
    found = states(opened(swinging(32, {"default": {"dirichlet": 0}}, "sin(3*pi*x)", damping=d), step=0.7 / 256))[0, 0]
    slower = np.sqrt(rate**2 - d**2 / 4)
    wanted = np.exp(-d * t / 2) * (np.cos(slower * t) + d / (2 * slower) * np.sin(slower * t))
    np.testing.assert_allclose(found, wanted * np.sin(3 * np.pi * (np.arange(32) + 0.5) / 32), atol=1e-7)


def test_a_driven_side_sends_waves_in() -> None:
    """u = g(t - x / c) of a side u = g(t) with g = sin^2 before it reaches the other end."""
    spec = swinging(200, {"left": {"dirichlet": formula("sin(4*t)**2")}, "right": {"neumann": 0}}, "0")
    found = states(opened(spec, step=0.7 / 400))[0, 0]
    late = 0.7 - (np.arange(200) + 0.5) / 200 / 0.75
    np.testing.assert_allclose(found, np.where(late > 0, np.sin(4 * late) ** 2, 0.0), atol=2e-3)


@pytest.mark.parametrize(("cells", "most"), [(100, 0.014), (200, 0.004)])
def test_pulses_leave_through_absorbing_sides(cells: int, most: float) -> None:
    """d'Alembert: both halves of a pulse that is five and ten cells wide are gone at t = 0.8; what is left was
    reflected."""
    spec = swinging(cells, {"default": "absorbing"}, "exp(-((x-0.5)/0.05)**2)", coefficient=4.0, speed=0.5)
    spec["problem"]["time"] = {"times": [0.2, 0.8]}
    found = states(opened(spec, step=0.5 / cells))[:, 0]
    x = (np.arange(cells) + 0.5) / cells
    halves = [np.exp(-(((x - 0.5 - side * 0.2) / 0.05) ** 2)) / 2 for side in (-1, 1)]
    assert np.abs(found[0] - sum(halves)).max() < 0.3 * (100 / cells) ** 2
    assert np.abs(found[1]).max() < most * 0.5


@pytest.mark.parametrize("sides", [{"default": {"dirichlet": 0}}, {"default": {"neumann": 0}}, {"default": "periodic"}])
def test_energy_is_kept(sides: dict[str, Any], tmp_path: Path) -> None:
    spec = changed(DRUM, problem__boundary=sides, samples=2, certify__refine=0)
    assert not pdemill.generate(spec, tmp_path / "s.zarr", workers=0).failures
    solution = arrays(tmp_path / "s.zarr")["solution"].astype(float)
    job = opened(spec, step=0.1)
    for number in range(2):
        instance = job.instance("train", number)
        equation = job.equation(instance)
        assert instance.terms.speed is not None
        weight = np.ravel(instance.terms.speed(job.grid.points)) ** -2.0
        energies = []
        for u, v in np.moveaxis(solution[number], 1, 0).reshape(4, 2, -1):
            energies.append((weight * v) @ v + (weight * u) @ (equation.stiffness @ u))
        np.testing.assert_allclose(energies, energies[0], rtol=2e-5)


def test_absorbing_sides_only_ever_take_energy_away() -> None:
    """No mode grows, in two dimensions with corners and coefficients that vary by orders of magnitude."""
    spec = changed(DRUM, problem__boundary={"default": "absorbing"}, problem__resolution=[7, 6], samples=4)
    job = opened(changed(spec, problem__coefficient={"field": "lognormal", "std": 1.5, "modes": 16}), step=0.1)
    for number in range(4):
        equation = job.equation(job.instance("train", number))
        stiffness, damping = equation.stiffness.toarray(), equation.damping.toarray()
        none, one = np.zeros_like(stiffness), np.eye(len(stiffness))
        rates = np.linalg.eigvals(np.block([[none, one], [-stiffness, -damping]]))
        assert rates.real.max() < 1e-9 * np.abs(rates).max()
        assert np.abs(rates).max() <= equation.fastest


@pytest.mark.parametrize("name", ALL)
def test_a_store_is_certified_and_verified(name: str, tmp_path: Path) -> None:
    assert_certified(ALL[name], tmp_path / "s.zarr", resolve=False)
    assert read_attributes(tmp_path / "s.zarr")["solution_channels"] == ["u", "v"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_bits_depend_on_neither_shards_nor_workers(name: str, tmp_path: Path) -> None:
    assert_same_bits(ALL[name], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_estimates_of_the_error_in_time_are_honest(name: str) -> None:
    ratios = true_over_estimated(changed(ALL[name], samples=50), finer=2)
    assert len(ratios) == 50
    assert_honest(ratios)


def test_a_wrong_stiffness_is_found_by_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = told_of_stronger_diffusion(PULSE, tmp_path / "s.zarr", monkeypatch)
    assert any("by the reference" in fault for fault in told), told


HEAT = {"family": "heat", "initial": 0.0, "time": {"end": 1, "intervals": 1}}


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (changed(PULSE, solver={"method": "ark4"}), "is for equations of first order in time, and wave is of second"),
        (changed(PULSE, problem__damping=-1.0), "damping: must not be negative"),
        (changed(PULSE, problem__speed=0.0), "speed: must be positive"),
        (changed(PULSE, problem__initial=[0.0, 0.0, 0.0]), "needs 2 entries, one per unknown"),
        (changed(PULSE, problem__discretiser="spectral"), "which the discretiser spectral does not take"),
        (changed(PULSE, certify={"algebraic_rtol": 1e-8}), "no linear systems are solved"),
        (
            {"problem": {**HEAT, "resolution": [16], "boundary": {"left": "absorbing"}}, "samples": 1},
            r"boundary.left: makes left absorbing, which the discretiser \w+ does not take",
        ),
        (
            {"problem": {**HEAT, "resolution": [16], "boundary": {"left": {"dirichlet": 0}}}, "samples": 1,
             "solver": {"method": "rk4"}},
            "is for equations of second order in time, and heat is of first",
        ),
        (
            {"problem": {"family": "poisson", "resolution": [16], "boundary": {"left": "absorbing"}}, "samples": 1},
            "makes left absorbing, which the discretiser box does not take",
        ),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_refused(spec: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        validate(spec)
