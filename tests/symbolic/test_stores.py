"""Stores of equations as text: certificates, bits, orders, what verify finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import pdemill
from pdemill.solvers.job import open_job
from pdemill.solvers.opening import open_work
from pdemill.solvers.spectral import written
from pdemill.solvers.spectral.means import known_means
from pdemill.solvers.symbolic.equations import Equations
from pdemill.solvers.trajectories.differences import differences
from pdemill.solvers.trajectories.job import TrajectoryJob
from pdemill.solvers.trajectories.ladder import fields_of, marched
from pdemill.spec import validate
from tests.evolving import assert_certified, assert_same_bits, formula
from tests.spectral.test_trajectories import arrays, assert_honest, changed, failures, true_over_estimated

FLAMES: dict[str, Any] = {
    "problem": {
        "family": "spectral",
        "resolution": [96],
        "domain": {"lengths": [22]},
        "equations": "u_t = -0.5*d(u**2, x) - d(u, x, 2) - nu*d(u, x, 4)",
        "where": {"nu": {"uniform": [0.9, 1.1]}},
        "initial": {"field": "sines", "terms": 10, "waves": [1, 3]},
        "time": {"end": 8.0, "intervals": 4},
    },
    "samples": 4,
    "certify": {"refine": 0.5},
}
PHASES: dict[str, Any] = {
    "problem": {
        "family": "spectral",
        "resolution": [48, 32],
        "domain": {"lengths": [2.0, 1.0]},
        "equations": "c_t = lap(c**3 - c - m*lap(c))/100",
        "where": {"m": {"uniform": [0.01, 0.02]}},
        "initial": {"field": "fourier", "waves": 3, "scale": 0.2},
        "time": {"end": 0.5, "intervals": 2},
    },
    "samples": 4,
    "certify": {"refine": 0.5},
}
SPOTS: dict[str, Any] = {
    "problem": {
        "family": "spectral",
        "resolution": [64],
        "equations": [
            "u_t = 2e-3*lap(u) - u*v**2 + F*(1 - u)",
            "v_t = k*lap(v) + u*v**2 - (F + 0.06)*v + 1e-3*d(u, x, 2)",
        ],
        "where": {"F": {"uniform": [0.03, 0.05]}, "k": {"uniform": [1e-3, 2e-3]}},
        "initial": [
            formula("1 - 0.5*exp(-20*(1 - cos(2*pi*(x - c))))", c={"uniform": [0.2, 0.8]}),
            formula("0.25*exp(-20*(1 - cos(2*pi*(x - 0.5))))"),
        ],
        "time": {"end": 4.0, "intervals": 2},
    },
    "samples": 10,
    "certify": {"refine": 0.5},
}
ALL = {"flames": FLAMES, "phases": PHASES, "spots": SPOTS}


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_a_store_is_certified_and_verified(name: str, tmp_path: Path) -> None:
    columns = assert_certified(ALL[name], tmp_path / "s.zarr")
    assert columns["spectral_tail"].max() < 1e-3
    assert np.nanmax(columns["error_estimate"]) < 1e-3
    assert pdemill.open(tmp_path / "s.zarr").solution_channels == {"phases": ("c",), "spots": ("u", "v")}.get(
        name, ("u",)
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_bits_depend_on_neither_shards_nor_workers(name: str, tmp_path: Path) -> None:
    assert_same_bits(ALL[name], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_estimates_of_the_error_in_time_are_honest(name: str) -> None:
    """Against a run with an eighth of the step."""
    assert_honest(true_over_estimated(changed(ALL[name], samples=12), finer=3))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "points"), [("flames", [40]), ("phases", [36, 24])])
def test_estimates_of_the_error_in_space_are_honest(name: str, points: list[int], tmp_path: Path) -> None:
    """Against a grid with four times the points along every axis."""
    solver = {"method": "etdrk4", "first_step": 0.02, "time_rtol": 1e-8}
    found = []
    for times in (1, 4):
        spec = changed(
            ALL[name], problem__resolution=[times * n for n in points], solver=solver, store={"dtype": "float64"},
            certify={"refine": 1.0 if times == 1 else 0.0},
        )  # fmt: skip
        assert not pdemill.generate(spec, tmp_path / f"{times}.zarr", workers=0).failures
        found.append(arrays(tmp_path / f"{times}.zarr"))
    every = (slice(None), slice(None), *(slice(None, None, 4),) * len(points))
    for estimate, coarse, fine in zip(
        found[0]["error_estimate"], found[0]["solution"], found[1]["solution"], strict=True
    ):
        assert 0.5 < differences(coarse, fine[every]).max() / estimate < 2.0


@pytest.mark.parametrize(("method", "order"), [("etdrk4", 4), ("etdrk2", 2)])
@pytest.mark.parametrize(("name", "steps"), [("flames", 400), ("spots", 64)])
def test_errors_in_time_have_the_order_of_the_scheme(name: str, steps: int, method: str, order: int) -> None:
    end = ALL[name]["problem"]["time"]["end"]
    spec = changed(ALL[name], problem__time={"times": [end]}, solver={"method": method, "step": end / steps})
    job = open_job(validate(spec))
    assert isinstance(job, TrajectoryJob)
    start = job.start_of(job.instance("train", 0), 0)
    coarse, middle, fine = (fields_of(job, marched(job, [start], run).frames[0]) for run in (1, 2, 3))
    rate = np.log2(np.abs(coarse - middle).max() / np.abs(middle - fine).max())
    assert rate == pytest.approx(order, abs=0.4)


def test_a_wrong_symbol_is_found_by_verify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other march takes equations as they are written, not as they are taken apart."""
    right = written.weighed

    def wrong(*given: Any) -> Any:
        for body, target, orders, value in right(*given):
            yield tuple((monomial, -c) for monomial, c in body), target, orders, value

    with monkeypatch.context() as patch:
        patch.setattr(written, "weighed", wrong)
        assert not pdemill.generate(SPOTS, tmp_path / "s.zarr", workers=0).failures
        told = pdemill.verify(tmp_path / "s.zarr").faults
    assert any("by the reference" in fault for fault in told), told


def test_a_drawn_number_that_makes_an_equation_ill_posed_fails_its_sample(tmp_path: Path) -> None:
    """Where the ends of what is drawn are not known."""
    where = {"nu": {"normal": [0.0, 1.0]}}
    told = failures(changed(FLAMES, problem__where=where, samples=6), tmp_path / "s.zarr")
    assert len(told) < 6
    assert sum("not well-posed" in reason for reason in told) == 3


def test_products_that_blow_up_fail(tmp_path: Path) -> None:
    spec = changed(FLAMES, problem__equations="u_t = nu*lap(u) + u**3", solver={"method": "etdrk4", "step": 0.1})
    told = failures(spec, tmp_path / "s.zarr")
    assert len(told) == 4


def test_means_are_those_of_their_linear_equations(tmp_path: Path) -> None:
    """Of equations whose products stand under derivatives, exactly; a mean that drifts is found."""
    system = {
        "family": "spectral",
        "resolution": [32],
        "equations": ["u_t = 0.05*d(u, x, 2) - 0.5*d(u**2, x) + v - 0.3*u + b", "v_t = 0.05*d(v, x, 2) - 0.7*u - v"],
        "where": {"b": {"uniform": [0.5, 1.0]}},
        "source": [{"field": "expression", "formula": "1 + sin(2*pi*x)"}, 0.0],
        "initial": {"field": "sines", "waves": [1, 2]},
        "time": {"end": 1.0, "intervals": 4},
    }
    spec = {"problem": system, "samples": 2, "store": {"dtype": "float64"}, "solver": {"time_rtol": 1e-9}}
    assert pdemill.generate(spec, tmp_path / "s.zarr", workers=0).ok
    assert pdemill.verify(tmp_path / "s.zarr").ok
    group: Any = zarr.open_group(tmp_path / "s.zarr", mode="r")["train"]
    assert np.asarray(group["invariant_defect"]).max() < 1e-9
    job, _ = open_work(tmp_path / "s.zarr")
    assert isinstance(job, TrajectoryJob)
    stored = {name: np.asarray(group[name][0]) for name in group.array_keys()}
    for drift, told in ((0.0, []), (1e-3, ["out of balance"])):
        start = job.start_of(job.instance("train", 0), 0)
        moved = stored["solution"] + drift * np.array(job.times)[:, None]
        found = job.check_balances(start, stored | {"solution": moved}, moved, 1, True)
        assert [words for words in told if words in found[0]] == told if told else found == []


@pytest.mark.parametrize(
    ("texts", "known"),
    [
        (("u_t = d(u**3, x, 2) - d(u, x, 4)",), (0,)),
        (("u_t = d(u, x, 2) - u**2",), ()),
        (("u_t = lap(v) - d(u*v, x)", "v_t = u - v**2"), (0,)),
        (("u_t = v + d(u, x, 2)", "v_t = d(v, x, 2) - v**3"), ()),
    ],
)
def test_means_are_known_where_products_stand_under_derivatives(texts: tuple[str, ...], known: tuple[int, ...]) -> None:
    equations = Equations.model_validate({"texts": texts, "where": {}, "dimension": 1})
    assert known_means(equations.split) == known
