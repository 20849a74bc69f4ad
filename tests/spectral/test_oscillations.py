"""Klein-Gordon equations: exact solutions, energy, bits, certificates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import SpecError
from pdemill.points import Array
from pdemill.solvers.job import open_job
from pdemill.solvers.spectral.job import SpectralJob
from pdemill.solvers.trajectories.ladder import marched
from pdemill.spec import validate
from tests.evolving import assert_certified, assert_same_bits, formula
from tests.spectral.test_trajectories import arrays, assert_honest, changed, true_over_estimated

LENGTH = 60.0
SIZE, RATE = 0.8, 0.6
BREATHER = formula(f"4*atan2({2 * SIZE}, {RATE}*(exp({SIZE}*(x - 30)) + exp(-{SIZE}*(x - 30))))")
WAVES: dict[str, Any] = {
    "problem": {
        "family": "klein_gordon",
        "resolution": [64],
        "domain": {"lengths": [20]},
        "speed": {"uniform": [0.5, 1.5]},
        "reaction": {"law": "a*sin(u)", "where": {"a": {"uniform": [0.5, 2]}}},
        "initial": [{"field": "fourier", "waves": 3}, {"field": "fourier", "waves": 2, "scale": 0.5}],
        "time": {"end": 4.0, "intervals": 2},
    },
    "samples": 6,
    "certify": {"refine": 0.5},
}


def breather(x: Array, t: float) -> Array:
    """u and u_t of 4 atan(s cos(w t) / (w cosh(s x))), s^2 + w^2 = 1, of u_tt - u_xx + sin u = 0 (Ablowitz, Kaup,
    Newell and Segur 1973, "Method for solving the sine-Gordon equation")."""
    shape = SIZE / (RATE * np.cosh(SIZE * x))
    inner = shape * np.cos(RATE * t)
    return np.stack([4.0 * np.arctan(inner), -4.0 * RATE * shape * np.sin(RATE * t) / (1.0 + inner * inner)])


def end_of(problem: dict[str, Any], step: float, method: str = "etdrk4") -> Array:
    job = open_job(validate({"problem": problem, "samples": 1, "solver": {"method": method, "step": step}}))
    assert isinstance(job, SpectralJob)
    frames = marched(job, [job.start_of(job.instance("train", 0), 0)], 1).frames[0]
    return np.asarray(job.fields(frames)[-1])


@pytest.mark.parametrize(("method", "order", "step"), [("etdrk4", 4, 0.08), ("etdrk2", 2, 0.02)])
def test_a_breather_breathes_as_it_must(method: str, order: int, step: float) -> None:
    problem = {
        "family": "klein_gordon", "resolution": [384], "domain": {"lengths": [LENGTH]}, "initial": BREATHER,
        "reaction": {"law": "sin(u)"}, "time": {"times": [8.0]},
    }  # fmt: skip
    exact = breather(np.arange(384) * LENGTH / 384 - 30.0, 8.0)
    errors = [np.abs(end_of(problem, part * step, method) - exact).max() for part in (1.0, 0.5)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.25)
    assert errors[1] < (1e-6 if order == 4 else 1e-3)


def test_waves_with_mass_have_their_dispersion() -> None:
    """cos(k x - w t) with w^2 = c^2 k^2 + m^2."""
    k, c, m = 2.0, 1.3, 0.7
    w = float(np.sqrt((c * k) ** 2 + m * m))
    problem = {
        "family": "klein_gordon", "resolution": [16, 12], "domain": {"lengths": [2.0 * np.pi] * 2}, "speed": c,
        "initial": [formula("cos(2*x)"), formula(f"{w!r}*sin(2*x)")],
        "reaction": {"law": "m**2*u", "where": {"m": m}}, "time": {"times": [3.0]},
    }  # fmt: skip
    u, v = end_of(problem, 3.0 / 1024)
    angle = k * np.arange(16)[:, None] * 2.0 * np.pi / 16 - w * 3.0
    assert np.abs(u - np.cos(angle)).max() < 1e-8
    assert np.abs(v - w * np.sin(angle)).max() < 1e-8


def test_a_store_is_certified_and_verified(tmp_path: Path) -> None:
    assert_certified(WAVES, tmp_path / "s.zarr")


@pytest.mark.slow
def test_bits_depend_on_neither_shards_nor_workers(tmp_path: Path) -> None:
    assert_same_bits(WAVES, tmp_path)


@pytest.mark.slow
def test_estimates_of_the_error_in_time_are_honest() -> None:
    ratios = true_over_estimated(changed(WAVES, samples=12), finer=2)
    assert len(ratios) == 12
    assert_honest(ratios)


def test_energy_is_kept(tmp_path: Path) -> None:
    spec = changed(
        WAVES, problem__speed=1.0, problem__reaction={"law": "sin(u)"}, samples=2, solver={"time_rtol": 1e-8}
    )
    spec |= {"store": {"dtype": "float64"}, "certify": {"refine": 0}}
    pdemill.generate(spec, tmp_path / "s.zarr", workers=0)
    k = 2.0 * np.pi / 20.0 * np.rint(np.fft.fftfreq(64, 1.0 / 64))
    for u, v in arrays(tmp_path / "s.zarr")["solution"]:
        slope = np.fft.ifft(1j * k * np.fft.fft(u)).real
        energy = (0.5 * v * v + 0.5 * slope * slope + 1.0 - np.cos(u)).mean(axis=1)
        assert np.abs(energy - energy[0]).max() < 1e-7 * energy[0]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"problem__reaction": 1.0}, r"problem\.reaction: should be a law"),
        ({"problem__reaction": {"law": "v"}}, "should be one formula, of u alone"),
        ({"problem__reaction": {"law": "x*u"}}, r"problem\.reaction: varies in space"),
        ({"problem__speed": {"field": "lognormal"}}, r"problem\.speed: varies in space"),
        ({"problem__initial": [1.0]}, "needs 2 entries, one per unknown"),
    ],
)
def test_what_is_not_supported_is_refused(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        validate(changed(WAVES, **keys))
