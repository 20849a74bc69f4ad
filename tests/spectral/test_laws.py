"""Laws on periodic boxes: exact solutions, orders, aliasing, bits, certificates, agreement with boxes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import FamilyError
from pdemill.points import Array
from pdemill.solvers.degrees import degree
from pdemill.solvers.fields.law import LawFunction
from pdemill.solvers.formulas import parsed
from pdemill.solvers.job import open_job
from pdemill.solvers.opening import open_work
from pdemill.solvers.spectral import pointwise
from pdemill.solvers.spectral.grid import PeriodicGrid
from pdemill.solvers.spectral.job import SpectralJob
from pdemill.solvers.spectral.pointwise import PaddedGrid, Rates, pointwise_of
from pdemill.solvers.trajectories.ladder import marched
from pdemill.spec import validate
from pdemill.spec.field import Function
from pdemill.spec.terms import Terms
from tests.evolving import assert_certified, assert_same_bits, between_discretisers, formula
from tests.spectral.test_trajectories import arrays, assert_honest, changed, true_over_estimated

PHASES: dict[str, Any] = {
    "problem": {
        "family": "reaction_diffusion",
        "resolution": [48, 32],
        "domain": {"lengths": [2.0, 1.0]},
        "coefficient": {"uniform": [0.01, 0.02]},
        "reaction": {"law": "allen_cahn", "where": {"a": {"uniform": [1, 5]}}},
        "source": {"field": "fourier", "waves": 2, "scale": 0.2},
        "initial": {"field": "fourier", "waves": 3, "scale": 0.2},
        "time": {"end": 1.0, "intervals": 2},
    },
    "samples": 4,
    "certify": {"refine": 0.5},
}
SPOTS: dict[str, Any] = {
    "problem": {
        "family": "reaction_diffusion",
        "resolution": [64],
        "coefficient": [2e-3, {"uniform": [5e-4, 1e-3]}],
        "reaction": {
            "law": ["u*v**2 - F*(1 - u)", "-u*v**2 + (F + 0.06)*v"],
            "where": {"F": {"uniform": [0.03, 0.05]}},
        },
        "initial": [
            formula("1 - 0.5*exp(-6*(1 - cos(2*pi*(x - c))))", c={"uniform": [0.2, 0.8]}),
            formula("0.25*exp(-6*(1 - cos(2*pi*(x - 0.5))))"),
        ],
        "time": {"end": 4.0, "intervals": 2},
    },
    "samples": 10,
    "certify": {"refine": 0.5},
}
PULSES: dict[str, Any] = {
    "problem": {
        "family": "reaction_diffusion",
        "resolution": [64],
        "coefficient": 0.01,
        "reaction": {"law": "sin(3*u)/(2 + cos(u))"},
        "initial": {"field": "fourier", "waves": 3},
        "time": {"times": [0.25, 1.0]},
    },
    "samples": 4,
    "certify": {"refine": 0.5},
}
MIXTURES: dict[str, Any] = {
    "problem": {
        "family": "cahn_hilliard",
        "resolution": [48, 48],
        "gradient_energy": {"uniform": [0.0015, 0.002]},
        "mobility": {"uniform": [0.5, 1.0]},
        "initial": {"field": "fourier", "waves": 3, "scale": 0.2},
        "time": {"end": 0.02, "intervals": 2},
    },
    "samples": 3,
    "certify": {"refine": 0.5},
}
STRIPES: dict[str, Any] = {
    "problem": {
        "family": "swift_hohenberg",
        "resolution": [96],
        "domain": {"lengths": [60]},
        "growth": {"uniform": [0.1, 0.4]},
        "initial": {"field": "fourier", "waves": 12, "scale": 0.1},
        "time": {"end": 10.0, "intervals": 2},
    },
    "samples": 10,
    "certify": {"refine": 0.5},
}
ALL = {"phases": PHASES, "spots": SPOTS, "pulses": PULSES, "mixtures": MIXTURES, "stripes": STRIPES}


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=pytest.mark.slow) if one == "mixtures" else one for one in ALL]
)
def test_a_store_is_certified_and_verified(name: str, tmp_path: Path) -> None:
    columns = assert_certified(ALL[name], tmp_path / "s.zarr")
    assert np.nanmax(columns["error_estimate"]) < 1e-2


@pytest.mark.parametrize(
    "name", ["spots", *(pytest.param(one, marks=pytest.mark.slow) for one in ALL if one != "spots")]
)
def test_bits_depend_on_neither_shards_nor_workers(name: str, tmp_path: Path) -> None:
    assert_same_bits(ALL[name], tmp_path)


def test_the_discretiser_is_chosen_by_sides_and_coefficients() -> None:
    varying = {"field": "lognormal", "std": 0.5}
    for keys, wanted in (
        ({}, "spectral"),
        ({"problem__coefficient": {"uniform": [0.1, 0.2]}, "problem__reaction": 0.5}, "spectral"),
        ({"problem__coefficient": 0.1}, "spectral"),
        ({"problem__reaction": {"law": "u**3 - 2*x*u"}}, "box"),
        ({"problem__coefficient": varying}, "box"),
        ({"problem__boundary": {"left": {"neumann": 0}}}, "box"),
        ({"problem__discretiser": "box"}, "box"),
    ):
        assert validate(changed(PHASES, **keys)).problem.discretisation.name == wanted
    forced = validate(changed(PHASES, problem__discretiser="spectral"))
    assert forced.sha256() == validate(PHASES).sha256()


WHEELS = ["-((1 - u**2 - v**2)*u - 0.5*(u**2 + v**2)*v)", "-((1 - u**2 - v**2)*v + 0.5*(u**2 + v**2)*u)"]


def wheel(x: Array, t: float) -> Array:
    """A plane wave of a lambda-omega system (Kopell and Howard 1973, "Plane wave solutions to reaction-diffusion
    equations"): of amplitude R with 1 - R^2 = k^2, turning at the speed R^2 / 2."""
    k = 0.5
    size, angle = np.sqrt(1.0 - k * k), 0.5 * (1.0 - k * k) * t - k * x
    return np.stack([size * np.cos(angle), size * np.sin(angle)])


@pytest.mark.parametrize(("method", "order"), [("etdrk4", 4), ("etdrk2", 2)])
def test_plane_waves_turn_as_they_must_and_errors_have_the_order(method: str, order: int) -> None:
    x = np.arange(24) * 4.0 * np.pi / 24
    start = [formula("sqrt(0.75)*cos(0.5*x)"), formula("-sqrt(0.75)*sin(0.5*x)")]
    problem = {
        "family": "reaction_diffusion", "resolution": [24], "domain": {"lengths": [4.0 * np.pi]}, "initial": start,
        "reaction": {"law": WHEELS}, "time": {"times": [2.0]},
    }  # fmt: skip
    errors = []
    for steps in (16, 32):
        spec = {"problem": problem, "samples": 1, "solver": {"method": method, "step": 2.0 / steps}}
        job = open_job(validate(spec))
        assert isinstance(job, SpectralJob)
        found = job.fields(marched(job, [job.start_of(job.instance("train", 0), 0)], 1).frames[0])[0]
        errors.append(np.abs(found - wheel(x, 2.0)).max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.25)
    assert errors[1] < (1e-6 if order == 4 else 1e-3)


def law(text: str) -> LawFunction:
    from pdemill.draws import Draw
    from pdemill.solvers.fields.law import Law

    return Law(law=(text,)).realise(Draw(0, "train", 0))


@pytest.mark.parametrize(("text", "power"), [("-u**2", 2), ("-u**3", 3), ("-u**4", 4), ("-u*(u**2)**2", 5)])
@pytest.mark.parametrize("shape", [(24,), (33,), (20, 16)])
def test_polynomials_are_free_of_aliasing(text: str, power: int, shape: tuple[int, ...]) -> None:
    """Powers of the shortest kept wave are waves of 0 and 1 times its number, and others that are not kept."""
    grid = PeriodicGrid(shape, (2.0 * np.pi,) * len(shape))
    wave = np.cos(grid.cut[0] * grid.nodes["x"]).reshape(-1, *(1,) * (len(shape) - 1))
    u = grid.spectra(np.ascontiguousarray(np.broadcast_to(wave, shape))[None])
    made = pointwise_of(Terms((Function(lambda p: 0.0),), Function(lambda p: 0.0), law=law(text)), grid, ("u",))
    assert made is not None
    found = Rates(grid, [made], np.zeros((1, grid.modes), np.complex128))(u)[0]
    wanted = {2: [0.5, 0.0], 3: [0.0, 0.75], 4: [0.375, 0.0], 5: [0.0, 0.625]}[power]
    exact = np.zeros(grid.modes)
    exact[0] = wanted[0]
    np.testing.assert_allclose(found, exact + wanted[1] * u[0], atol=1e-14)


def test_what_is_no_polynomial_has_twice_the_points() -> None:
    grid = PeriodicGrid((48, 48), (1.0, 1.0))
    assert PaddedGrid(grid, (2,)).shape == (48, 48)
    assert PaddedGrid(grid, (3, 1)).shape == (64, 64)
    assert PaddedGrid(grid, (None,)).shape == PaddedGrid(grid, (9,)).shape == (96, 96)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("3", 0), ("a*u", 1), ("u**3 - u*v", 3), ("-(u + v)**2*u", 3), ("u/2 + sin(a)", 1), ("sin(a)*v", 1),
        ("u**2.0", 2), ("u**0.5", None), ("1/u", None), ("exp(u)", None), ("u**(-1)", None), ("x*u", None), ("a**2", 0),
    ],
)  # fmt: skip
def test_degrees_of_formulas(text: str, wanted: int | None) -> None:
    assert degree(parsed(text), ("u", "v")) == wanted


@pytest.mark.parametrize(("name", "counts"), [("phases", (32, 64)), ("spots", (64, 128))])
def test_both_discretisers_solve_one_equation(name: str, counts: tuple[int, int], tmp_path: Path) -> None:
    problem = ALL[name]["problem"]
    if name == "phases":
        problem = {**problem, "source": 0.1} | {"domain": {"lengths": [1.0]}, "coefficient": 0.01}
    coarse, fine = (apart.max() for apart in between_discretisers(problem, tmp_path, counts, frame=-1))
    assert coarse / fine == pytest.approx(4.0, rel=0.15)


def test_a_wrong_sign_of_a_law_is_found_by_verify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = pointwise.POINTWISE["law"]

    def wrong(*given: Any) -> pointwise.Pointwise:
        made = right(*given)
        return replace(made, contributions=tuple((a, p, 1.05 * w) for a, p, w in made.contributions))

    with monkeypatch.context() as patch:
        patch.setattr(pointwise, "POINTWISE", {**pointwise.POINTWISE, "law": wrong})
        assert not pdemill.generate(PHASES, tmp_path / "s.zarr", workers=0).failures
        told = pdemill.verify(tmp_path / "s.zarr").faults
    assert any("by the reference" in fault for fault in told), told


def test_a_law_and_products_in_one_equation_are_refused() -> None:
    terms = Terms((Function(lambda p: 1.0),), Function(lambda p: 0.0), self_advection=Function(lambda p: 1.0),
                  law=law("u"))  # fmt: skip
    with pytest.raises(FamilyError, match="one law or product"):
        pointwise_of(terms, PeriodicGrid((16,), (1.0,)), ("u",))


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_estimates_of_the_error_in_time_are_honest(name: str) -> None:
    """Against a run with a quarter of the step."""
    spec = changed(ALL[name], samples=12, solver={"time_rtol": 1e-7})
    if name == "mixtures":
        spec = changed(spec, problem__resolution=[32, 32], problem__gradient_energy=0.004, samples=3)
    ratios = true_over_estimated(spec, finer=2)
    assert len(ratios) == spec["samples"]
    if name == "stripes":  # stiff: between the orders 2.5 and 4, sample by sample
        assert max(ratios) < 3.0
        assert 0.5 < np.median(ratios) < 2.0
    else:
        assert_honest(ratios)


def test_one_initial_state_for_all_unknowns_is_one_channel(tmp_path: Path) -> None:
    spec = changed(SPOTS, problem__initial={"field": "fourier", "waves": 2, "scale": 0.2}, samples=2)
    pdemill.generate(spec, tmp_path / "s.zarr", workers=0)
    job, _ = open_work(tmp_path / "s.zarr")
    assert isinstance(job, SpectralJob)
    columns = arrays(tmp_path / "s.zarr")
    assert columns["input"].shape[1] == 2  # the state, and the coefficient of v
    for channel in (0, 1):
        assert (columns["solution"][:, channel, 0] == columns["input"][:, 0]).all()
