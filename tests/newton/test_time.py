"""Nonlinear diffusion in time: exact solutions, orders, bits, certificates, fronts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import SpecError
from pdemill.points import Array
from pdemill.solvers.job import open_job
from pdemill.solvers.operators.nonlinear_box import NonlinearBoxEquation
from pdemill.solvers.solution import Result
from pdemill.solvers.trajectories.ladder import fields_of, marched
from pdemill.spec import validate
from tests.evolving import assert_certified, assert_same_bits
from tests.newton.problems import exact, formula, manufactured
from tests.spectral.test_trajectories import arrays, assert_honest, changed, true_over_estimated

WARMTH: dict[str, Any] = {
    "problem": {
        "family": "nonlinear_heat",
        "resolution": [12, 16],
        "coefficient": {"law": "1 + b*u**2", "where": {"b": {"uniform": [1, 3]}}},
        "factor": {"field": "lognormal", "std": 0.5},
        "reaction": 0.5,
        "source": 1.0,
        "initial": formula("sin(pi*x)*(1 - cos(2*pi*y))"),
        "boundary": {"default": {"dirichlet": 0}, "top": {"robin": {"coefficient": 2.0, "value": 1.0}}},
        "time": {"end": 0.02, "intervals": 2},
    },
    "samples": 3,
    "solver": {"time_rtol": 1e-4},
    "certify": {"refine": 0.01},
}
FRONT: dict[str, Any] = {
    "problem": {
        "family": "nonlinear_heat",
        "resolution": [64],
        "domain": {"lengths": [12]},
        "coefficient": {"law": "2*u"},
        "initial": formula("max(1 - (x - 6)**2/12, 0)") | {"where": {}},
        "boundary": {"default": {"neumann": 0}},
        "time": {"times": [0.0, 0.5, 1.0]},
    },
    "samples": 1,
    "solver": {"time_rtol": 1e-4},
    "certify": {"refine": 1},
}
BORN: dict[str, Any] = changed(
    FRONT,
    problem__reaction={"law": "-a*u*(1 - u)", "where": {"a": {"uniform": [0.5, 2]}}},
    problem__resolution=[32],
    samples=3,
)
ROUGH: dict[str, Any] = {
    "problem": {
        "family": "nonlinear_heat",
        "resolution": [24, 24],
        "coefficient": {"law": "1 + u**2"},
        "initial": {"field": "gaussian", "alpha": 3.5, "tau": 7, "std": 2, "boundary": "neumann"},
        "boundary": {"default": {"neumann": 0}},
        "time": {"end": 0.05, "intervals": 2},
    },
    "samples": 3,
}
ALL = {"warmth": WARMTH, "front": FRONT, "born": BORN}


@pytest.mark.parametrize("name", ALL)
def test_a_store_is_certified_and_verified(name: str, tmp_path: Path) -> None:
    columns = assert_certified(ALL[name], tmp_path / "s.zarr", time_rtol=1e-4, estimated=1)
    assert columns["algebraic_error"].max() <= 1e-6
    assert columns["least_coefficient"].min() >= -1e-3
    assert np.isfinite(columns["error_estimate"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["warmth", "born"])
def test_bits_depend_on_neither_shards_nor_workers(name: str, tmp_path: Path) -> None:
    assert_same_bits(ALL[name], tmp_path)


def barenblatt(x: Array, t: float) -> Array:
    """A solution of u_t = (u²)'' on a line (Barenblatt 1952)."""
    return np.asarray(t ** (-1 / 3) * np.maximum(1.0 - (x - 6.0) ** 2 / 12 * t ** (-2 / 3), 0.0))


def test_barenblatts_front_is_followed_without_a_drop_of_loss(tmp_path: Path) -> None:
    errors = []
    for cells in (64, 256):
        spec = changed(FRONT, problem__resolution=[cells], store={"dtype": "float64"})
        assert not pdemill.generate(spec, tmp_path / f"{cells}.zarr", workers=0).failures
        columns = arrays(tmp_path / f"{cells}.zarr")
        u, x = columns["solution"][0, 0], (np.arange(cells) + 0.5) * 12 / cells
        errors.append(max(np.abs(u[i] - barenblatt(x, t)).sum() / cells for i, t in ((1, 1.5), (2, 2.0))))
        np.testing.assert_allclose(u.sum(axis=1), u[0].sum(), rtol=1e-12)
        assert u.min() > -1e-5
    assert errors[1] < 5e-4
    assert errors[0] / errors[1] > 4.0


@pytest.mark.parametrize(("method", "order"), [("ark4", 4), ("ark3", 3), ("ars2", 2)])
def test_errors_in_time_have_the_order_of_the_scheme(method: str, order: int) -> None:
    problem = changed(
        WARMTH["problem"], resolution=[16], coefficient={"law": "1 + u**2"}, factor=1.0, source=formula("sin(pi*x)"),
        initial=formula("sin(pi*x)"), boundary={"default": {"dirichlet": 0}}, time={"times": [0.2]},
    )  # fmt: skip
    ends = []
    for steps in (4, 8, 64):
        spec = {"problem": problem, "samples": 1, "solver": {"method": method, "step": 0.2 / steps}}
        job = open_job(validate({**spec, "certify": {"algebraic_rtol": 1e-12}}))
        ends.append(marched(job, [job.start_of(job.instance("train", 0), 0)], 1).frames[0, -1])  # type: ignore[attr-defined,arg-type]
    errors = [np.linalg.norm(end - ends[2]) for end in ends[:2]]
    assert np.log2(errors[0] / errors[1]) > order - 0.5


@pytest.mark.parametrize("sides", [("dn",), ("rr",), ("pp",), ("dn", "rd"), ("pp", "nr")])
def test_what_should_stay_stays_to_second_order(sides: tuple[str, ...]) -> None:
    problem, p = manufactured("nonlinear_diffusion", sides)
    steady = formula("+".join(f"{slope!r}*{axis}" for slope, axis in zip(p, "xy", strict=False)))["formula"]
    problem |= {
        "family": "nonlinear_heat", "initial": formula(f"2 + sin({steady}+0.4)"), "time": {"times": [0.5]},
    }  # fmt: skip
    errors = []
    for cells in (16, 32):
        shape = (cells,) * len(sides)
        job = open_job(validate({"problem": problem | {"resolution": shape}, "samples": 1, "solver": {"step": 0.05}}))
        run = marched(job, [job.start_of(job.instance("train", 0), 0)], 1)  # type: ignore[attr-defined,arg-type]
        errors.append(np.abs(fields_of(job, run.frames[0])[0, -1] - exact(p, shape)).max())  # type: ignore[arg-type]
    assert np.log2(errors[0] / errors[1]) > 1.8


def test_a_law_that_is_constant_gives_what_heat_gives(tmp_path: Path) -> None:
    heat = changed(
        WARMTH, problem__family="heat", problem__coefficient=WARMTH["problem"]["factor"], problem__factor=None
    )
    other = changed(WARMTH, problem__coefficient={"law": "1"}, problem__factor=1.0)
    heat = changed(heat, problem__coefficient=1.0)
    for name, spec in (("heat", heat), ("law", other)):
        assert not pdemill.generate(changed(spec, certify__refine=0), tmp_path / f"{name}.zarr", workers=0).failures
    one, two = (arrays(tmp_path / f"{name}.zarr")["solution"] for name in ("heat", "law"))
    np.testing.assert_allclose(one, two, atol=3e-4 * np.abs(one).max())


def test_a_coefficient_that_becomes_negative_fails_by_name(tmp_path: Path) -> None:
    spec = changed(FRONT, problem__coefficient={"law": "0.5 - u"}, certify__refine=0)
    (failure,) = pdemill.generate(spec, tmp_path / "s.zarr", workers=0).failures
    assert Result.NOT_ELLIPTIC.value in failure.reason or Result.MISSED_TIME.value in failure.reason


@pytest.mark.slow
@pytest.mark.parametrize("name", ["warmth", "born"])
def test_estimates_of_the_error_in_time_are_honest(name: str) -> None:
    ratios = true_over_estimated(changed(ALL[name], samples=30), finer=3)
    assert_honest(ratios)


@pytest.mark.slow
def test_estimates_from_rough_states_are_honest() -> None:
    """Stages of order 2 leave orders from 2.6 to 3.2 of ark4 there, which are measured."""
    assert_honest(true_over_estimated(changed(ROUGH, samples=30), finer=3))


def test_a_wrong_flux_is_found_by_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mean of k that is wrong, in what is stored and in what verifies it by the same code."""

    def wrong(k: Any, face: Any) -> Any:
        return k[face.before] if isinstance(k, np.ndarray) else k

    spec = changed(FRONT, problem__coefficient={"law": "1 + u"}, certify__refine=0)
    with monkeypatch.context() as patch:
        patch.setattr(NonlinearBoxEquation, "_mean", staticmethod(wrong))
        assert not pdemill.generate(spec, tmp_path / "s.zarr", workers=0).failures
        told = pdemill.verify(tmp_path / "s.zarr").faults
    assert any("by the reference" in fault for fault in told), told


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"problem__coefficient": 1.0}, "coefficient: should be a law"),
        ({"problem__coefficient": {"law": "1 + v"}}, r"coefficient\.law"),
        ({"problem__coefficient": {"law": ["u", "v"]}}, r"coefficient\.law"),
        (
            {"problem__factor": None, "problem__discretiser": "spectral"},
            "term, which the discretiser spectral does not",
        ),
        ({"solver__method": "multigrid"}, "solver"),
        ({"problem__factor": 0.0}, "must be positive"),
    ],
)
def test_what_is_not_supported_is_refused(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        validate(changed(WARMTH, **keys))
