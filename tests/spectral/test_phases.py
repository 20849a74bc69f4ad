"""Cahn-Hilliard and Swift-Hohenberg: states whose sources are known, what is kept, and what falls."""

from __future__ import annotations

from itertools import pairwise
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
from tests.evolving import formula
from tests.spectral.test_laws import MIXTURES, STRIPES
from tests.spectral.test_trajectories import arrays, changed


def end_of(spec: dict[str, Any]) -> Array:
    """The last frame of a sample by the steps of the spec."""
    job = open_job(validate(spec))
    assert isinstance(job, SpectralJob)
    frames = marched(job, [job.start_of(job.instance("train", 0), 0)], 1).frames[0]
    return np.asarray(job.fields(frames)[-1, 0])


def held(family: str, first: float, third: float, **keys: Any) -> dict[str, Any]:
    """u = a cos(k x), held by the source that its terms add up to: waves of k and of 3 k."""
    problem = {
        "family": family, "resolution": [32], "domain": {"lengths": [4.0 * np.pi]}, **keys,
        "initial": formula("0.8*cos(1.5*x)"), "source": formula(f"{first!r}*cos(1.5*x) + {third!r}*cos(4.5*x)"),
        "time": {"times": [0.5]},
    }  # fmt: skip
    return {"problem": problem, "samples": 1, "solver": {"method": "etdrk4", "step": 0.0625}}


A, K = 0.8, 1.5


def test_a_mixture_is_held_by_its_source() -> None:
    """f = M k^2 (3/4 a^3 - a + kappa k^2 a) cos k x + M 9 k^2 a^3 / 4 cos 3 k x."""
    mobility, energy = 0.7, 0.3
    first = mobility * K**2 * (0.75 * A**3 - A + energy * K**2 * A)
    spec = held("cahn_hilliard", first, mobility * 9 * K**2 * A**3 / 4, mobility=mobility, gradient_energy=energy)
    x = np.arange(32) * 4.0 * np.pi / 32
    assert np.abs(end_of(spec) - A * np.cos(K * x)).max() < 1e-13


def test_a_pattern_is_held_by_its_source() -> None:
    """f = ((1 - k^2)^2 - r) a cos k x + 3/4 a^3 cos k x + a^3 / 4 cos 3 k x - b a^2 (1 + cos 2 k x) / 2."""
    spec = held("swift_hohenberg", ((1 - K**2) ** 2 - 0.3) * A + 0.75 * A**3, 0.25 * A**3, growth=0.3)
    x = np.arange(32) * 4.0 * np.pi / 32
    assert np.abs(end_of(spec) - A * np.cos(K * x)).max() < 1e-13


def test_stripes_have_the_amplitude_of_weak_growth() -> None:
    """2 (r / 3)^(1/2) cos x for small r (Cross and Hohenberg 1993, "Pattern formation outside of equilibrium")."""
    problem = {
        "family": "swift_hohenberg", "resolution": [32], "domain": {"lengths": [4.0 * np.pi]}, "growth": 0.02,
        "initial": formula("0.1*cos(x)"), "time": {"times": [400.0]},
    }  # fmt: skip
    found = end_of({"problem": problem, "samples": 1, "solver": {"method": "etdrk4", "step": 1.0}})
    assert found.max() == pytest.approx(2.0 * np.sqrt(0.02 / 3.0), rel=2e-3)


@pytest.mark.parametrize("spec", [MIXTURES, STRIPES], ids=["mixtures", "stripes"])
@pytest.mark.parametrize(("method", "order"), [("etdrk4", 4), ("etdrk2", 2)])
def test_errors_in_time_have_the_order(spec: dict[str, Any], method: str, order: int) -> None:
    end = spec["problem"]["time"]["end"]
    ends = [
        end_of(changed(spec, problem__resolution=[32], solver={"method": method, "step": end / steps}))
        for steps in (512, 1024, 2048)
    ]
    sizes = [np.abs(one - other).max() for one, other in pairwise(ends)]
    assert np.log2(sizes[0] / sizes[1]) == pytest.approx(order, abs=0.5)


def means(u: Array) -> Array:
    return np.asarray(u.mean(axis=tuple(range(1, u.ndim))))


def test_mass_is_kept_and_the_free_energy_falls(tmp_path: Path) -> None:
    spec = changed(MIXTURES, problem__time={"end": 0.02, "intervals": 10}, problem__gradient_energy=0.002)
    spec |= {"store": {"dtype": "float64"}, "samples": 2, "certify": {"refine": 0}}
    pdemill.generate(spec, tmp_path / "s.zarr", workers=0)
    k = 2.0 * np.pi * np.rint(np.fft.fftfreq(48, 1.0 / 48))
    for u in arrays(tmp_path / "s.zarr")["solution"][:, 0]:
        assert np.abs(means(u) - means(u)[0]).max() < 1e-14
        slopes = [np.fft.ifft2(1j * wave * np.fft.fft2(u)).real for wave in (k[:, None], k)]
        energy = means(0.25 * (u * u - 1.0) ** 2 + 0.001 * sum(slope * slope for slope in slopes))
        assert (np.diff(energy) < 0.0).all()


def test_the_functional_of_patterns_falls(tmp_path: Path) -> None:
    """The mean of -r u^2 / 2 + ((1 + d_xx) u)^2 / 2 + u^4 / 4."""
    spec = changed(STRIPES, problem__time={"end": 20.0, "intervals": 10}, problem__growth=0.3)
    spec["store"] = {"dtype": "float64"}
    pdemill.generate(spec, tmp_path / "s.zarr", workers=0)
    k = 2.0 * np.pi / 60.0 * np.rint(np.fft.fftfreq(96, 1.0 / 96))
    for u in arrays(tmp_path / "s.zarr")["solution"][:, 0]:
        bent = np.fft.ifft((1.0 - k * k) * np.fft.fft(u)).real
        assert (np.diff(means(-0.15 * u * u + 0.5 * bent * bent + 0.25 * u**4)) < 0.0).all()


@pytest.mark.parametrize(
    ("spec", "keys", "told"),
    [
        (MIXTURES, {"problem__potential": 1.0}, r"problem\.potential: should be a law"),
        (MIXTURES, {"problem__potential": {"law": "u*v"}}, "should be one formula, of u alone"),
        (MIXTURES, {"problem__potential": {"law": "x*u"}}, r"problem\.potential: varies in space"),
        (MIXTURES, {"problem__gradient_energy": {"field": "lognormal"}}, r"problem\.gradient_energy: varies in space"),
        (MIXTURES, {"problem__mobility": {"field": "lognormal"}}, r"problem\.mobility: varies in space"),
        (MIXTURES, {"problem__boundary": {"left": {"neumann": 0}}}, "boundary"),
        (STRIPES, {"problem__nonlinearity": {"law": "gray_scott"}}, "should be one formula, of u alone"),
        (STRIPES, {"problem__growth": {"field": "lognormal"}}, r"problem\.growth: varies in space"),
    ],
)
def test_what_is_not_supported_is_refused(spec: dict[str, Any], keys: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        validate(changed(spec, **keys))
