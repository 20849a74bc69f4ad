"""Equations in time on boxes: exact solutions, orders, bits, certificates, what verify finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import SpecError
from pdemill.solvers import formulas
from pdemill.solvers.fields import law
from pdemill.solvers.job import open_job
from pdemill.solvers.opening import open_work
from pdemill.solvers.stepping.job import SteppingJob
from pdemill.solvers.trajectories.check import Checked
from pdemill.solvers.trajectories.differences import differences
from pdemill.solvers.trajectories.ladder import fields_of, marched
from pdemill.solvers.trajectories.shard import Refined
from pdemill.spec import validate
from pdemill.spec.method import methods
from tests.evolving import assert_certified, assert_same_bits, between_discretisers, told_of_stronger_diffusion
from tests.spectral.test_trajectories import arrays, assert_honest, changed, true_over_estimated

WARMTH: dict[str, Any] = {
    "problem": {
        "family": "heat",
        "resolution": [20, 24],
        "coefficient": {"field": "lognormal", "std": 0.5},
        "source": 1.0,
        "initial": {"field": "gaussian", "alpha": 2.5, "tau": 7},
        "boundary": {"default": {"dirichlet": 0}, "top": {"robin": {"coefficient": 2.0, "value": 1.0}}},
        "time": {"end": 0.05, "intervals": 2},
    },
    "samples": 5,
    "certify": {"refine": 0.5},
}
FRONT: dict[str, Any] = {
    "problem": {
        "family": "reaction_diffusion",
        "resolution": [64],
        "coefficient": {"uniform": [0.002, 0.01]},
        "reaction": {"law": "fisher_kpp", "where": {"a": {"uniform": [1, 5]}}},
        "initial": {"field": "expression", "formula": "exp(-100*(x-c)**2)", "where": {"c": {"uniform": [0.2, 0.8]}}},
        "boundary": {"left": {"neumann": 0.001}, "right": {"robin": {"coefficient": 1.0, "value": 0.5}}},
        "time": {"times": [0.0, 0.4, 1.0]},
    },
    "samples": 6,
    "certify": {"refine": 0.5},
}
SPOTS: dict[str, Any] = {
    "problem": {
        "family": "reaction_diffusion",
        "resolution": [16, 16],
        "coefficient": [0.02, {"uniform": [0.01, 0.03]}],
        "reaction": {
            "law": ["u*v**2 - F*(1 - u)", "-u*v**2 + (F + 0.06)*v"],
            "where": {"F": {"uniform": [0.03, 0.05]}},
        },
        "initial": [
            {"field": "expression", "formula": "1 - 0.5*cos(pi*x)*cos(pi*y)"},
            {"field": "expression", "formula": "0.5 + a*cos(2*pi*x)", "where": {"a": {"uniform": [0.1, 0.4]}}},
        ],
        "boundary": {"default": {"neumann": 0}},
        "time": {"end": 2.0, "intervals": 2},
    },
    "samples": 4,
    "certify": {"refine": 0.5},
}
ALL = {"warmth": WARMTH, "front": FRONT, "spots": SPOTS}


@pytest.mark.parametrize(("name", "cells"), [("warmth", [10, 12]), ("front", [32]), ("spots", [8, 8])])
def test_a_store_is_certified_and_verified(name: str, cells: list[int], tmp_path: Path) -> None:
    columns = assert_certified(changed(ALL[name], problem__resolution=cells), tmp_path / "s.zarr")
    assert columns["algebraic_error"].max() <= 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_bits_depend_on_neither_shards_nor_workers(name: str, tmp_path: Path) -> None:
    assert_same_bits(ALL[name], tmp_path)


def mode(cells: int, sides: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """A mode of the discrete operator on a line as the initial state."""
    problem: dict[str, Any] = {
        "family": "heat", "resolution": [cells], "coefficient": 0.5, "reaction": 1.0, "boundary": sides,
        "initial": {"field": "expression", "formula": keys.pop("formula")}, "time": {"times": [0.1]},
    }  # fmt: skip
    return {"problem": problem, "samples": 1, "solver": {"method": "ark4", **keys}, "store": {"dtype": "float64"}}


@pytest.mark.parametrize(
    ("sides", "formula", "waves"),
    [
        ({"default": {"dirichlet": 0}}, "sin(3*pi*x)", 1.5),
        ({"default": {"neumann": 0}}, "cos(2*pi*x)", 1.0),
        ({"left": {"dirichlet": 0}, "right": {"neumann": 0}}, "sin(1.5*pi*x)", 0.75),
        ({"default": "periodic"}, "sin(4*pi*x)", 2.0),
    ],
)
@pytest.mark.parametrize(("method", "order"), [("ark4", 4), ("ark3", 3), ("ars2", 2)])
def test_modes_decay_as_they_must_and_errors_have_the_order(
    sides: dict[str, Any], formula: str, waves: float, method: str, order: int
) -> None:
    cells = 32
    rate = 1.0 + 0.5 * 4.0 * cells**2 * np.sin(np.pi * waves / cells) ** 2
    errors = []
    for steps in (8, 16):
        spec = mode(cells, sides, formula=formula, method=method, step=0.1 / steps)
        spec["problem"]["discretiser"] = "box"
        job = open_job(validate(spec))
        assert isinstance(job, SteppingJob)
        start = job.start_of(job.instance("train", 0), 0)
        end = marched(job, [start], 1).frames[0, 0]
        errors.append(np.abs(end - np.exp(-0.1 * rate) * start.state).max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.45)
    assert errors[1] < 1e-2


def test_fluxes_through_closed_sides_keep_the_mass() -> None:
    spec = changed(WARMTH, problem__source=0, problem__boundary={"default": {"neumann": 0}}, solver={"step": 0.005})
    job = open_job(validate(spec))
    assert isinstance(job, SteppingJob)
    starts = [job.start_of(job.instance("train", n), n) for n in range(3)]
    frames = marched(job, starts, 1).frames
    size = np.abs(frames).mean(axis=2)
    assert (np.abs(frames.mean(axis=2) - frames[:, :1].mean(axis=2)) <= 1e-8 * size).all()


def test_a_travelling_wave_moves_as_it_must(tmp_path: Path) -> None:
    """Ablowitz and Zeppetella 1979: u = (1 + exp((x - 5 t / sqrt(6)) / sqrt(6)))^-2 solves u_t = u_xx + u (1 - u)."""
    problem = {
        "family": "reaction_diffusion", "resolution": [512], "domain": {"lengths": [60]},
        "reaction": {"law": "logistic"},
        "initial": {"field": "expression", "formula": "(1 + exp((x - 20)/sqrt(6)))**(-2)"},
        "boundary": {"left": {"dirichlet": 1}, "right": {"dirichlet": 0}}, "time": {"times": [2.0, 4.0]},
    }  # fmt: skip
    pdemill.generate({"problem": problem, "samples": 1, "certify": {"refine": 1}}, tmp_path / "s.zarr", workers=0)
    columns = arrays(tmp_path / "s.zarr")
    x = (np.arange(512) + 0.5) * 60 / 512
    for frame, t in enumerate((2.0, 4.0)):
        wanted = (1.0 + np.exp((x - 20.0 - 5.0 * t / 6**0.5) / 6**0.5)) ** -2
        off = np.linalg.norm(columns["solution"][0, 0, frame] - wanted) / np.linalg.norm(wanted - wanted.mean())
        assert off < 2.0 * columns["error_estimate"][0] + 1e-3
        assert off < 2e-3


def test_both_discretisers_solve_one_equation(tmp_path: Path) -> None:
    problem = {
        "family": "heat", "resolution": [64], "coefficient": 0.02, "reaction": 0.5,
        "initial": {"field": "fourier", "waves": 3}, "time": {"end": 0.5, "intervals": 1},
    }  # fmt: skip
    coarse, fine = (apart.max() for apart in between_discretisers(problem, tmp_path, (32, 64), frame=1))
    assert coarse / fine == pytest.approx(4.0, rel=0.15)


def test_the_discretiser_is_chosen_by_sides_and_coefficients() -> None:
    periodic = {"family": "heat", "resolution": [16], "initial": 1.0, "time": {"end": 1, "intervals": 1}}
    for keys, wanted in (
        ({}, "spectral"),
        ({"coefficient": {"uniform": [1, 2]}}, "spectral"),
        ({"coefficient": {"field": "lognormal", "std": 0.5}}, "box"),
        ({"boundary": {"left": {"dirichlet": 1}}}, "box"),
        ({"discretiser": "box"}, "box"),
    ):
        spec = validate({"problem": {**periodic, **keys}, "samples": 1})
        assert spec.problem.discretisation.name == wanted
    forced = validate({"problem": {**periodic, "discretiser": "spectral"}, "samples": 1})
    assert forced.sha256() == validate({"problem": periodic, "samples": 1}).sha256()
    other = validate({"problem": {**periodic, "discretiser": "box"}, "samples": 1})
    assert other.sha256() != forced.sha256()


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_estimates_of_the_error_in_time_are_honest(name: str) -> None:
    """Against a run with an eighth of the step."""
    ratios = true_over_estimated(changed(ALL[name], samples=50), finer=3)
    assert len(ratios) == 50
    assert_honest(ratios)


def test_errors_in_space_are_estimated_against_the_truth() -> None:
    spec = changed(FRONT, problem__resolution=[32], solver={"step": 0.02}, samples=3)
    job, fine = (open_job(validate(changed(spec, problem__resolution=[n]))) for n in (32, 256))
    assert isinstance(job, SteppingJob)
    assert isinstance(fine, SteppingJob)
    refined = Refined(job, next(job.layout.shards()))
    for number in range(3):
        start, there = (one.start_of(one.instance("train", number), number) for one in (job, fine))
        fields = fields_of(job, marched(job, [start], 1).frames[0])
        exact = fields_of(fine, marched(fine, [there], 1).frames[0])
        means = exact.reshape(*exact.shape[:2], 32, 8)
        at_centres = 0.5 * (means[..., 3] + means[..., 4])
        true = float(differences(fields, at_centres).max())
        assert refined.error_of(start, fields, 1, 1.0) == pytest.approx(true, rel=0.3)


@pytest.mark.parametrize("name", ["warmth", "front"])
def test_verify_finds_a_frame_that_was_changed(name: str, tmp_path: Path) -> None:
    pdemill.generate(changed(ALL[name], certify__refine=0), tmp_path / "s.zarr", workers=0)
    job, _ = open_work(tmp_path / "s.zarr")
    assert isinstance(job, SteppingJob)
    refined = Refined(job, next(job.layout.shards()))
    columns = arrays(tmp_path / "s.zarr")
    for number in range(2):
        stored = {key: values[number] for key, values in columns.items()}
        assert list(Checked(job, refined, number, stored).faults(by_reference=True)) == []
        solution = stored["solution"].copy()
        solution[0, 1] *= 1.001
        assert list(Checked(job, refined, number, stored | {"solution": solution}).faults(by_reference=False))


def test_a_wrong_coefficient_is_found_by_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = told_of_stronger_diffusion(FRONT, tmp_path / "s.zarr", monkeypatch)
    assert any("by the reference" in fault for fault in told), told


def test_a_wrong_sign_of_a_law_is_found_by_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(law, "value_of", lambda tree, names: -np.asarray(formulas.value_of(tree, names)))
        pdemill.generate(changed(FRONT, certify__refine=0), tmp_path / "s.zarr", workers=0)
    assert pdemill.verify(tmp_path / "s.zarr").faults


@pytest.mark.parametrize(
    ("spec", "keys", "told"),
    [
        (FRONT, {"problem__reaction": {"law": "u*v"}}, r"reaction\.law: uses v"),
        (FRONT, {"problem__reaction": {"law": "a*u"}}, "unknown name 'a'"),
        (FRONT, {"problem__reaction": {"law": "gray_scott", "where": {"a": 1}}}, "is no number of gray_scott"),
        (FRONT, {"problem__reaction": {"law": "u.__class__"}}, "may not contain"),
        (FRONT, {"problem__reaction": {"law": "(lambda: u)()"}}, "may not contain"),
        (FRONT, {"problem__reaction": {"law": "u**v"}}, "may raise to a number"),
        (FRONT, {"problem__reaction": {"law": "u**1000"}}, "may raise to a number"),
        (FRONT, {"problem__reaction": {"law": "'u'"}}, "may not contain"),
        (FRONT, {"problem__reaction": {"law": "y*u"}}, "uses y"),
        (FRONT, {"problem__reaction": {"law": "+".join(["u"] * 300)}}, "more than 200 parts"),
        (FRONT, {"problem__reaction": {"law": "import os"}}, "not a formula"),
        (FRONT, {"problem__reaction": {"law": ["u", "v", "w", "u"]}}, "law"),
        (FRONT, {"problem__reaction": {"law": "u", "where": {"u": 1}}}, "not a free name"),
        (FRONT, {"problem__reaction": None}, "reaction"),
        (FRONT, {"solver__method": "etdrk4"}, "is for the discretiser spectral"),
        (FRONT, {"solver__simulate_resolution": [128]}, "is for the discretiser spectral"),
        (FRONT, {"problem__discretiser": "spectral"}, "which the discretiser spectral does not take"),
        (SPOTS, {"problem__coefficient": [0.1, 0.1, 0.1]}, "needs 2 entries, one per unknown"),
        (SPOTS, {"problem__initial": [1.0]}, "needs 2 entries, one per unknown"),
        (SPOTS, {"problem__coefficient": [0.1, -1.0]}, "must be positive"),
        (WARMTH, {"problem__boundary": {"left": "periodic"}}, "must be periodic too"),
        (WARMTH, {"problem__resolution": [2, 2]}, "resolution"),
    ],
)
def test_what_is_not_supported_is_refused(spec: dict[str, Any], keys: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        validate(changed(spec, **keys))


def test_what_grows_is_certified_too(tmp_path: Path) -> None:
    """A reaction that outgrows diffusion: u = exp((5 - rate) t) u_0, rate that of the discrete mode."""
    spec = mode(32, {"default": {"dirichlet": 0}}, formula="sin(pi*x)")
    spec["problem"] |= {"reaction": -5.0, "coefficient": 0.1, "time": {"times": [1.0]}}
    assert not pdemill.generate(spec, tmp_path / "s.zarr", workers=0).failures
    rate = 0.1 * 4.0 * 32**2 * np.sin(np.pi * 0.5 / 32) ** 2
    x = (np.arange(32) + 0.5) / 32
    found = arrays(tmp_path / "s.zarr")["solution"][0, 0, 0]
    np.testing.assert_allclose(found, np.exp(5.0 - rate) * np.sin(np.pi * x), rtol=2e-5)
    assert pdemill.verify(tmp_path / "s.zarr").faults == ()


def test_large_boxes_are_not_integrated_in_another_way() -> None:
    for cells, wanted in ((20_000, True), (20_001, False)):
        job = open_job(validate(changed(FRONT, problem__resolution=[cells])))
        assert isinstance(job, SteppingJob)
        assert (job.reference(job.instance("train", 0)) is not None) == wanted


def test_the_refined_grid_is_marched_by_the_method_of_the_job() -> None:
    job = open_job(validate(changed(FRONT, solver={"method": "ark4", "step": 0.05}, samples=1)))
    assert isinstance(job, SteppingJob)
    start = job.start_of(job.instance("train", 0), 0)
    fourth = job.refined_fields(start, "train", 1)
    second = job.using(methods["ars2"].model_validate({"method": "ars2", "step": 0.05}))
    assert isinstance(second, SteppingJob)
    assert not np.array_equal(second.refined_fields(start, "train", 1), fourth)


def test_one_initial_state_for_all_unknowns_is_one_channel(tmp_path: Path) -> None:
    spec = changed(SPOTS, problem__initial={"field": "gaussian", "alpha": 3, "tau": 5}, samples=2, certify__refine=0)
    assert not pdemill.generate(spec, tmp_path / "s.zarr", workers=0).failures
    columns = arrays(tmp_path / "s.zarr")
    assert columns["input"].shape == (2, 2, 16, 16)
    for channel in (0, 1):
        assert np.array_equal(columns["solution"][:, channel, 0], columns["input"][:, 0])
