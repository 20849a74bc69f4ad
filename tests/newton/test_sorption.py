"""Diffusion and sorption: exact solutions, orders, balances, bits, certificates, fronts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import SpecError
from pdemill.points import Array
from pdemill.solvers.job import open_job
from pdemill.solvers.operators.storing_box import StoringBoxEquation, inverted
from pdemill.solvers.solution import Result
from pdemill.solvers.stepping.implicit_job import ImplicitJob
from pdemill.solvers.trajectories.ladder import fields_of, marched
from pdemill.spec import validate
from tests.evolving import assert_certified, assert_same_bits
from tests.newton.problems import formula
from tests.spectral.test_trajectories import arrays, assert_honest, changed, true_over_estimated

pytestmark = pytest.mark.slow

COLUMN: dict[str, Any] = {
    "problem": {
        "family": "diffusion_sorption",
        "resolution": [16],
        "coefficient": 5e-4,
        "sorption": {"law": "freundlich", "where": {"k": {"uniform": [2e-4, 5e-4]}}},
        "initial": {"uniform": [0, 0.2]},
        "boundary": {"left": {"dirichlet": 1}, "right": {"robin": {"coefficient": 1, "value": 0}}},
        "time": {"end": 40.0, "intervals": 2},
    },
    "samples": 3,
    "solver": {"time_rtol": 1e-4},
    "certify": {"refine": 0.01},
}
DRY = changed(COLUMN, problem__initial=0.0, problem__reaction=1e-3)
PLATE: dict[str, Any] = changed(
    COLUMN,
    problem__resolution=[16, 20],
    problem__coefficient={"diagonal": [{"field": "lognormal", "std": 0.5}, 0.3]},
    problem__sorption={"law": "b*u/(1 + u)", "where": {"b": {"uniform": [1, 4]}}},
    problem__reaction={"law": "u**2"},
    problem__source=formula("1 + x"),
    problem__initial=formula("sin(pi*x)*(1 - cos(2*pi*y))"),
    problem__boundary={"top": {"neumann": 0.5}, "default": {"dirichlet": 0}},
    problem__time={"end": 0.2, "intervals": 2},
)
ALL = {"column": COLUMN, "dry": DRY, "plate": PLATE}


@pytest.mark.parametrize("name", ["column", *(pytest.param(name, marks=pytest.mark.slow) for name in ("dry", "plate"))])
def test_a_store_is_certified_and_verified(name: str, tmp_path: Path) -> None:
    columns = assert_certified(ALL[name], tmp_path / "s.zarr", time_rtol=1e-4, estimated=1)
    assert columns["algebraic_error"].max() <= 1e-6
    assert columns["least_coefficient"].min() >= 0.0
    assert np.isfinite(columns["error_estimate"]).any()


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_bits_depend_on_neither_shards_nor_workers(name: str, tmp_path: Path) -> None:
    assert_same_bits(ALL[name], tmp_path)


D, AT, SPAN = 0.3, 0.4, 0.25
SHAPES = {  # φ, φ'' / φ as text, conditions of φ at both ends of the unit interval
    "n": ("2 + cos(pi*{x})", "-pi**2*cos(pi*{x})/(2 + cos(pi*{x}))", ({"neumann": 0}, {"neumann": 0})),
    "p": ("2 + cos(2*pi*{x})", "-4*pi**2*cos(2*pi*{x})/(2 + cos(2*pi*{x}))", ("periodic", "periodic")),
    "d": ("sin(pi*{x})", "-pi**2", ({"dirichlet": 0}, {"dirichlet": 0})),
    "r": (
        "2 + sin(2.2*{x} + 0.4)", "-4.84*sin(2.2*{x} + 0.4)/(2 + sin(2.2*{x} + 0.4))",
        tuple(
            {"robin": {"coefficient": sign * D * 2.2 * np.cos(at) / (2 + np.sin(at)), "value": 0}}
            for sign, at in ((1, 0.4), (-1, 2.6))
        ),
    ),
}  # fmt: skip
LAWS = {"freundlich": ("2*u**(7/8)", "2*7/8*u**(7/8)"), "langmuir": ("3*u/(1 + u)", "3*u/(1 + u)**2")}


def fading(kinds: str, law: str) -> dict[str, Any]:
    """A problem without its resolution whose solution is exp(-t) φ(x): u_t = -u, and the reaction that this
    takes is u (1 + s'(u)) + D u sum φ'' / φ."""
    sorption, slope = LAWS[law]
    parts = [(SHAPES[kind], axis) for kind, axis in zip(kinds, "xyz", strict=False)]
    shape = "*".join(f"({text.format(x=axis)})" for (text, _, _), axis in parts)
    bent = "+".join(f"({text.format(x=axis)})" for (_, text, _), axis in parts)
    names = [("left", "right"), ("bottom", "top"), ("back", "front")]
    boundary = {
        name: side for ((_, _, sides), _), pair in zip(parts, names, strict=False)
        for name, side in zip(pair, sides, strict=True)
    }  # fmt: skip
    return {
        "family": "diffusion_sorption", "coefficient": D, "sorption": {"law": sorption}, "boundary": boundary,
        "reaction": {"law": f"u + {slope} + {D}*u*({bent})"}, "initial": formula(shape), "time": {"times": [SPAN]},
    }  # fmt: skip


def ended(problem: dict[str, Any], steps: int, run: int = 1, **keys: Any) -> tuple[ImplicitJob, Array]:
    spec = {"problem": problem, "samples": 1, "solver": {"step": problem["time"]["times"][-1] / steps, **keys}}
    job = open_job(validate({**spec, "certify": {"algebraic_rtol": 1e-12}}))
    assert isinstance(job, ImplicitJob)
    found = marched(job, [job.start_of(job.instance("train", 0), 0)], run)
    return job, fields_of(job, found.frames[0])[0, -1]


@pytest.mark.parametrize(
    ("kinds", "law", "cells"),
    [
        ("n", "freundlich", 32), ("r", "freundlich", 32), ("p", "freundlich", 32), ("d", "langmuir", 32),
        ("rn", "freundlich", 16), ("pd", "langmuir", 16), pytest.param("nrp", "freundlich", 8, marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_errors_in_space_are_of_second_order(kinds: str, law: str, cells: int) -> None:
    problem = fading(kinds, law)
    errors = []
    for count in (cells, 2 * cells):
        job, u = ended(problem | {"resolution": (count,) * len(kinds)}, 16)
        initial = job.start_of(job.instance("train", 0), 0).state.reshape(u.shape)
        errors.append(np.abs(u - np.exp(-SPAN) * initial).max())
    assert errors[1] < 2e-2 * np.abs(u).max()
    assert np.log2(errors[0] / errors[1]) > 1.8


@pytest.mark.parametrize(("method", "order"), [("ark4", 4), ("ark3", 3), ("ars2", 2)])
@pytest.mark.parametrize("law", LAWS)
def test_errors_in_time_have_the_order_of_the_scheme(method: str, order: int, law: str) -> None:
    problem = fading("n", law) | {"resolution": (16,)}
    ends = [ended(problem, steps, method=method)[1] for steps in (2, 4, 32)]
    errors = [np.linalg.norm(end - ends[2]) for end in ends[:2]]
    assert np.log2(errors[0] / errors[1]) > order - 0.5


@pytest.mark.parametrize("shape", [(24,), (20, 16)])
@pytest.mark.parametrize("law", ["freundlich", "2*u/(1 + u)"])
def test_a_closed_box_keeps_what_is_dissolved_and_sorbed(shape: tuple[int, ...], law: str) -> None:
    problem = {
        "family": "diffusion_sorption", "resolution": shape, "coefficient": 0.1, "sorption": {"law": law},
        "initial": formula("max(0, cos(pi*x))"), "boundary": {"default": {"neumann": 0}}, "time": {"times": [0, 1, 2]},
    }  # fmt: skip
    job = open_job(validate({"problem": problem, "samples": 1, "solver": {"step": 0.1}}))
    assert isinstance(job, ImplicitJob)
    start = job.start_of(job.instance("train", 0), 0)
    frames = marched(job, [start], 1).frames[0]
    mass = np.array([start.equation.content(state).sum() for state in frames])
    np.testing.assert_allclose(mass, mass[0], rtol=1e-12)
    assert np.ptp(frames[2]) < 0.9 * np.ptp(frames[0])


def test_a_front_travels_as_it_must(tmp_path: Path) -> None:
    """With s = b sqrt(u), u = max(A exp(-c (x - c t) / 2) - b, 0)^2 solves (u + s)_t = u_xx: D u_x = -c (u + s). The
    sides are far from it, and on the left a flux that is steady stands for the one that grows, until it arrives."""
    b, c, lead = 1.0, 2.0, np.e
    wave = formula(f"max({lead!r}*exp(-{c / 2}*x) - {b}, 0)**2")
    exact_flux = c * ((lead - b) ** 2 + b * (lead - b))
    errors = []
    for cells in (64, 256):
        spec = {
            "problem": {
                "family": "diffusion_sorption", "resolution": [cells], "domain": {"lengths": [2]},
                "sorption": {"law": f"{b}*sqrt(abs(u))*sign(u)"}, "initial": wave,
                "boundary": {"left": {"neumann": exact_flux}, "right": {"neumann": 0}}, "time": {"times": [0, 0.01]},
            },
            "samples": 1, "solver": {"time_rtol": 1e-6}, "store": {"dtype": "float64"},
        }  # fmt: skip
        assert not pdemill.generate(spec, tmp_path / f"{cells}.zarr", workers=0).failures
        u, x = arrays(tmp_path / f"{cells}.zarr")["solution"][0, 0, 1], (np.arange(cells) + 0.5) * 2 / cells
        exact = np.maximum(lead * np.exp(-c / 2 * (x - c * 0.01)) - b, 0.0) ** 2
        errors.append(np.abs(u - exact)[x > 0.8].max())
        assert u.min() > -1e-8
    assert errors[1] < 1e-4
    assert errors[0] / errors[1] > 8.0


def test_what_is_stored_is_found_from_its_content() -> None:
    rng = np.random.default_rng(0)
    job = open_job(validate(changed(COLUMN, problem__resolution=[200])))
    assert isinstance(job, ImplicitJob)
    equation = job.equation(job.instance("train", 0))
    assert isinstance(equation, StoringBoxEquation)
    u = rng.choice([-1.0, 1.0, 1.0], 200) * 10.0 ** rng.uniform(-12, 2, 200)
    u[:20] = 0.0
    found = equation.values(equation.content(u))
    np.testing.assert_allclose(found, u, rtol=1e-13)
    assert (found[:20] == 0.0).all()
    assert np.isnan(inverted(lambda u: u, lambda u: 1.0 + 0.0 * u, np.array([1.0, np.nan]))).all()


def test_the_jacobian_is_the_derivative() -> None:
    rng = np.random.default_rng(0)
    job = open_job(validate(changed(PLATE, problem__resolution=[4, 5])))
    assert isinstance(job, ImplicitJob)
    equation = job.equation(job.instance("train", 1))
    m, d = equation.content(rng.uniform(0.1, 1.0, 20)), rng.standard_normal(20)
    step = 1e-6
    slope = (equation.residual(m - step * d) - equation.residual(m + step * d)) / (2 * step)
    np.testing.assert_allclose(equation.jacobian(m, 3.0).sparse() @ d, slope + 3.0 * d, rtol=1e-6, atol=1e-6)


def test_nothing_sorbed_is_what_heat_gives(tmp_path: Path) -> None:
    problem = changed(PLATE, problem__sorption={"law": "0"}, problem__reaction=0.5, certify__refine=0, samples=1)
    heat = changed(problem, problem__family="heat", problem__sorption=None)
    for name, spec in (("heat", heat), ("law", problem)):
        assert not pdemill.generate(spec, tmp_path / f"{name}.zarr", workers=0).failures
    one, two = (arrays(tmp_path / f"{name}.zarr")["solution"] for name in ("heat", "law"))
    np.testing.assert_allclose(one, two, atol=3e-4 * np.abs(one).max())


def test_a_law_that_falls_fails_by_name(tmp_path: Path) -> None:
    spec = changed(COLUMN, problem__sorption={"law": "-2*u"}, certify__refine=0, problem__initial=0.1)
    failures = pdemill.generate(spec, tmp_path / "s.zarr", workers=0).failures
    assert len(failures) == 3
    assert all(Result.INVALID.name in failure.reason for failure in failures)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["column", "plate"])
def test_estimates_of_the_error_in_time_are_honest(name: str) -> None:
    assert_honest(true_over_estimated(changed(ALL[name], samples=30), finer=3))


@pytest.mark.slow
def test_estimates_of_the_error_in_space_are_honest(tmp_path: Path) -> None:
    """Against a grid four times as fine, to which a cubic leads."""
    for cells in (32, 128):
        spec = changed(COLUMN, problem__resolution=[cells], samples=12, certify__refine=int(cells == 32))
        assert not pdemill.generate(spec, tmp_path / f"{cells}.zarr", workers=0).failures
    coarse, fine = (arrays(tmp_path / f"{cells}.zarr") for cells in (32, 128))
    u = fine["solution"].astype(float)
    for _ in range(2):
        inner = (9.0 * (u[..., 2:-2:2] + u[..., 3:-1:2]) - u[..., 1:-3:2] - u[..., 4::2]) / 16.0
        ends = [(5 * u[..., i] + 15 * u[..., j] - 5 * u[..., k] + u[..., m]) / 16 for i, j, k, m in ENDS]
        u = np.concatenate([ends[0][..., None], inner, ends[1][..., None]], axis=-1)
    apart = np.linalg.norm(coarse["solution"] - u, axis=-1)
    varied = np.linalg.norm(u - u.mean(axis=-1, keepdims=True), axis=-1)
    true = (apart[:, 0, 1:] / varied[:, 0, 1:]).max(axis=-1)
    ratios = true / coarse["error_estimate"]
    assert ((ratios > 0.5) & (ratios < 2.0)).mean() >= 0.9, ratios


ENDS = ((0, 1, 2, 3), (-1, -2, -3, -4))


@pytest.mark.slow
def test_a_wrong_retardation_is_found_by_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """2 % too much of it, in what is stored and in what verifies it by the same code."""
    right = StoringBoxEquation._sorbed

    def wrong(self: StoringBoxEquation, u: Array, known: Array | float) -> Array:
        return 1.02 * right(self, u, known)

    with monkeypatch.context() as patch:
        patch.setattr(StoringBoxEquation, "_sorbed", wrong)
        spec = changed(COLUMN, certify__refine=0, samples=1)
        assert not pdemill.generate(spec, tmp_path / "s.zarr", workers=0).failures
        told = pdemill.verify(tmp_path / "s.zarr").faults
    assert any("by the reference" in fault for fault in told), told


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"problem__sorption": 1.0}, "sorption: should be a law"),
        ({"problem__sorption": {"law": "u*v"}}, r"sorption\.law"),
        ({"problem__sorption": {"law": "freundlich", "where": {"m": 1.0}}}, "no number of freundlich"),
        ({"problem__coefficient": 0.0}, "must be positive"),
        ({"problem__discretiser": "spectral", "problem__boundary": {}}, "spectral"),
        ({"problem__source": formula("sin(t)")}, "source"),
    ],
)
def test_what_is_not_supported_is_refused(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        validate(changed(COLUMN, **keys))
