"""Estimates of discretisation errors: whatever the scale, the order on a third grid, and the limit ``error_rtol``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import pdemill
from pdemill.errors import PdemillError, SpecError
from pdemill.solvers.certify import discretisation_error
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.operators.norms import relative_norm
from pdemill.solvers.solution import Result
from pdemill.solvers.walks.drawn import relative_error
from pdemill.spec import validate
from pdemill.store.layout import Shard
from pdemill.store.root import read_attributes
from pdemill.store.store import ShardData
from tests.command import pdemill as command
from tests.store.forging import array

type Json = dict[str, Any]

SQUARE = {"shape": "polygon", "outline": [[0, 0], [1, 0], [1, 1], [0, 1]]}
CORNER = {"shape": "polygon", "outline": [[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]]}
JUMPS: Json = {
    "family": "darcy", "resolution": [16, 16],
    "coefficient": {"field": "threshold", "low": 1, "high": 100, "of": {"field": "gaussian", "alpha": 2, "tau": 3}},
}  # fmt: skip
LIMIT = 0.08
"""Of the eight first samples of JUMPS some are beyond it."""


def waves(axes: int) -> Json:
    """A source whose solution is a product of sines."""
    product = " * ".join(f"sin(pi*{x})" for x in "xyz"[:axes])
    return {"field": "expression", "formula": f"{axes}*pi**2 * {product}"}


def solved(problem: Json, samples: int = 4, **rest: Any) -> tuple[FieldJob, ShardData]:
    certify = {"refine": 1, **rest.pop("certify", {})}
    spec = validate({"problem": problem, "samples": samples, "certify": certify, **rest})
    job = FieldJob(spec)
    return job, job.solve(Shard("train", 0, 0, samples), lambda progress: None)[0]


@pytest.mark.parametrize("scale", [1e-305, 1e-200, 1e-160, 1.0, 1e160, 1e200, 1e300])
@pytest.mark.parametrize("method", ["direct", "multigrid", "fft"])
def test_numbers_do_not_depend_on_the_scale(scale: float, method: str, tmp_path: Path) -> None:
    """Squares of 1e-160 and 1e160 are no numbers any more."""
    poisson = {"family": "poisson", "resolution": [16, 16], "source": scale}
    darcy = {"family": "darcy", "resolution": [16, 16], "coefficient": 1.0 / scale if scale > 1e-300 else 1e300}
    for problem in (poisson, darcy):
        options: Json = {"store": {"dtype": "float64"}, "solver": {"method": method}}
        _, data = solved(problem, 2, **options)
        _, plain = solved({**problem, "source": 1, **({"coefficient": 1} if problem is darcy else {})}, 2, **options)
        assert not data.failures
        assert data.arrays["error_estimate"] == pytest.approx(plain.arrays["error_estimate"], rel=1e-6)
        assert data.arrays["error_order"] == pytest.approx(plain.arrays["error_order"], rel=1e-6)
        assert (data.arrays["rel_residual"] > 0).all()
        assert (data.arrays["rel_residual"] <= 1e-8).all()
        assert data.arrays["stored_error"] == pytest.approx(plain.arrays["stored_error"], rel=0.1, abs=1e-15)
        bound = 1e-7 if method == "multigrid" else 1e-8  # multigrid states a bound by its last steps
        assert (data.arrays["stored_error"] <= bound).all()


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_stores_of_any_scale_are_verified(scale: float, tmp_path: Path) -> None:
    spec = {
        "problem": {"family": "poisson", "resolution": [8, 8], "source": scale}, "samples": 2,
        "store": {"dtype": "float64"},
    }  # fmt: skip
    assert pdemill.generate(spec, tmp_path / "s.zarr", workers=0).ok
    assert pdemill.verify(tmp_path / "s.zarr", resolve=True).ok


def test_norms_are_relative_whatever_the_scale() -> None:
    u, v = np.array([3.0, 4.0]), np.array([3.0, 4.5])
    for scale in (1e-310, 1e-200, 1.0, 1e200, 1e307):
        assert relative_norm(v * scale, u * scale) == pytest.approx(np.sqrt(29.25) / 5.0, rel=1e-9)
        assert discretisation_error(u * scale, v * scale, 2) == pytest.approx(2 / 3 / np.sqrt(29.25), rel=1e-9)
        assert relative_error(u * scale, 0.01 * v * scale) == pytest.approx(np.sqrt(29.25) / 500, rel=1e-9)
    assert relative_norm(v, 0 * u) == pytest.approx(np.sqrt(29.25), rel=1e-15)
    assert discretisation_error(u * 1e-200, 0 * u, 2) == pytest.approx(4 / 3 * 5e-200, rel=1e-9)


@pytest.mark.parametrize("method", ["fft", "direct", "multigrid"])
def test_a_tolerance_that_the_finer_grid_cannot_reach_leaves_the_estimate(method: str) -> None:
    """Rounding alone leaves residuals of 2e-13 at 256 x 256."""
    problem = {"family": "poisson", "resolution": [128, 128], "source": {"field": "gaussian", "alpha": 2, "tau": 3}}
    options: Json = {"store": {"dtype": "float64"}}
    _, tight = solved(problem, 2, solver={"method": "fft", "rtol": 1e-13}, **options)
    _, loose = solved(problem, 2, solver={"method": method}, **options)
    assert not tight.failures
    assert tight.arrays["error_estimate"] == pytest.approx(loose.arrays["error_estimate"], rel=1e-4)
    assert np.isfinite(tight.arrays["error_order"]).all()


ORDERS: list[tuple[str, Json, float, float, int]] = [
    ("1D, 2h", {"resolution": [32], "source": waves(1)}, 1.95, 2.05, 4),
    ("2D, 2h", {"resolution": [32, 16], "source": waves(2)}, 1.9, 2.1, 4),
    ("3D, 2h", {"resolution": [12, 12, 12], "source": waves(3)}, 1.9, 2.1, 4),
    ("1D, h/4", {"resolution": [33], "source": waves(1)}, 1.95, 2.05, 2),
    ("2D, h/4", {"resolution": [17, 24], "source": waves(2)}, 1.95, 2.05, 2),
    ("3D, h/4", {"resolution": [9, 9, 9], "source": waves(3)}, 1.9, 2.1, 2),
    ("3D, h/4 is too large", {"resolution": [21, 20, 20], "source": waves(3)}, np.nan, np.nan, 0),
    ("a mesh, h/4 is too large for factors", {"family": "thermal", "resolution": {"h": 0.02}, "domain": SQUARE,
     "source": 1}, np.nan, np.nan, 0),
    ("small", {"resolution": [6, 6]}, 1.8, 2.1, 2),
    ("P2", {"family": "thermal", "resolution": {"h": 0.2}, "order": 2, "domain": SQUARE, "source": waves(2)},
     2.8, 3.6, 2),
    ("exact", {"resolution": [16, 16], "source": 0, "boundary": {"left": {"dirichlet": 1}, "right": {"dirichlet": 0},
     "default": {"neumann": 0}}}, np.nan, np.nan, 0),
    ("a corner turned inwards", {"family": "thermal", "resolution": {"h": 0.1}, "domain": CORNER, "source": 1},
     1.2, 1.5, 2),
]  # fmt: skip


@pytest.mark.parametrize(
    ("problem", "low", "high", "count"), [row[1:] for row in ORDERS], ids=[row[0] for row in ORDERS]
)
def test_the_order_that_is_observed_is_the_known_one(problem: Json, low: float, high: float, count: int) -> None:
    job, data = solved({"family": "poisson", **problem}, 5)
    orders = data.arrays["error_order"]
    assert np.isfinite(orders).tolist() == [i < count for i in range(5)]
    assert ((low <= orders[:count]) & (orders[:count] <= high)).all(), orders
    assert np.isfinite(data.arrays["error_estimate"]).all()
    assert job.ordered("test") == 0


def test_an_order_is_observed_in_the_first_split_alone() -> None:
    problem = {"family": "poisson", "resolution": [8, 8]}
    job = FieldJob(validate({"problem": problem, "splits": {"train": 3, "test": 9}}))
    assert (job.ordered("train"), job.ordered("test")) == (3, 0)
    assert job.of_schema(1).ordered("train") == 0
    assert FieldJob(validate({"problem": problem, "samples": 9, "certify": {"refine": 0}})).ordered("train") == 0


def test_a_limit_asks_for_every_estimate() -> None:
    plain: Json = {"problem": JUMPS, "samples": 2}
    assert validate({**plain, "certify": {"error_rtol": 0.1}}).certify.refine == 1
    assert validate({**plain, "certify": {"error_rtol": 0.1, "refine": 0.25}}).certify.refine == 0.25
    again = validate(validate({**plain, "certify": {"error_rtol": 0.1}}).model_dump(mode="json"))
    assert (again.certify.refine, again.certify.error_rtol) == (1, 0.1)
    assert validate(plain).certify.refine == 0.0025
    assert validate({**plain, "certify": {"error_rtol": None}}).sha256() == validate(plain).sha256()
    assert "error_rtol" not in validate(plain).canonical()


POINTS: Json = {"family": "poisson", "domain": {"shape": "disk"}, "points": {"random": 4}}
HUGE: Json = {"family": "convection_diffusion", "resolution": [64, 64, 64], "velocity": [{"uniform": [1, 2]}, 0, 0]}


@pytest.mark.parametrize(
    ("problem", "certify", "message"),
    [
        (JUMPS, {"refine": 0}, "needs estimates, and refine is 0"),
        (POINTS, {}, "use solver.target_stderr"),
        (HUGE, {}, "no method is known to solve 2,097,152 unknowns"),
    ],
)
def test_a_limit_that_nothing_could_be_held_against_is_refused(problem: Json, certify: Json, message: str) -> None:
    with pytest.raises(SpecError, match=message) as found:
        validate({"problem": problem, "samples": 2, "certify": {"error_rtol": 0.1, **certify}})
    assert "certify.error_rtol" in str(found.value)


def test_a_sample_beyond_the_limit_fails_with_the_reason() -> None:
    _, free = solved(JUMPS, 8)
    _, held = solved(JUMPS, 8, certify={"error_rtol": LIMIT})
    beyond = free.arrays["error_estimate"] > LIMIT
    assert 0 < beyond.sum() < 8
    assert [f["sample"] for f in held.failures] == np.flatnonzero(beyond).tolist()
    assert {f["result"] for f in held.failures} == {Result.UNRESOLVED.name}
    assert "limit 8.0e-02" in held.failures[0]["reason"]
    assert np.isnan(held.arrays["solution"][beyond]).all()
    assert np.array_equal(held.arrays["error_estimate"], free.arrays["error_estimate"])
    assert (held.arrays["method"] > 0).tolist() == (~beyond).tolist()
    assert held.summary is not None
    assert held.summary["estimated"] == 8 - beyond.sum()
    assert held.summary["worst_estimate"] <= LIMIT


def test_an_error_that_cannot_be_estimated_is_not_within_the_limit() -> None:
    """The coefficient is positive at the centres of four cells, and not at those of eight."""
    formula = {"field": "expression", "formula": "x - 0.1 + 0*a", "where": {"a": {"uniform": [0, 1]}}}
    problem = {"family": "darcy", "resolution": [4, 4], "coefficient": formula}
    assert not solved(problem, 2)[1].failures
    _, held = solved(problem, 2, certify={"error_rtol": 1})
    assert [f["result"] for f in held.failures] == [Result.UNESTIMATED.name] * 2


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose limit is held against a subset."""
    out = tmp_path_factory.mktemp("limited") / "s.zarr"
    certify = {"error_rtol": 0.6, "refine": 0.1}
    spec = {"problem": JUMPS, "splits": {"train": 40, "test": 5}, "store": {"shard": 16}, "certify": certify}
    assert pdemill.generate(spec, out, workers=0).ok
    return out


def test_all_say_on_how_many_it_was_estimated(store: Path, tmp_path: Path) -> None:
    group = zarr.open_group(store, mode="r")
    known = {split: int(np.isfinite(np.asarray(group[f"{split}/error_estimate"])).sum()) for split in ("train", "test")}
    assert 4 <= known["train"] < 20
    assert known["test"] == 4
    attributes = read_attributes(store)
    assert attributes["estimated_samples"] == known
    assert "uniform(seed, split, i, 'certify') < refine" in attributes["subset_scheme"]
    data = pdemill.open(store, split="test")
    assert data.estimated == 4
    assert repr(data).endswith("'test', 5 samples, discretisation error estimated on 4)")
    told = command("inspect", store).stdout
    assert f"{known['train']} of 40" in told
    assert "4 of 5" in told
    assert "order of convergence (observed), median" in told
    again = command("generate", store_spec(store, tmp_path), "--out", store).stdout
    assert f"discretisation error, estimated on {sum(known.values())} of 45 samples: median" in again
    assert "order of convergence, observed on 4 samples: median" in again


def store_spec(store: Path, folder: Path) -> Path:
    (folder / "spec.json").write_text(json.dumps(read_attributes(store)["spec"]))
    return folder / "spec.json"


def test_verify_estimates_other_samples(store: Path) -> None:
    plain = pdemill.verify(store)
    assert plain.ok
    assert plain.estimates == ()
    found = pdemill.verify(store, samples=0, refine=6)
    assert len(found.estimates) == 6 + 1  # one of the test samples was left
    assert f"7 of 7 more discretisation errors estimated, the largest {max(found.estimates):.1e}" in str(found)
    _, every = solved(JUMPS, 40)
    known = np.asarray(zarr.open_group(store, mode="r")["train/error_estimate"])
    others = every.arrays["error_estimate"][np.isnan(known)]
    for error in found.estimates[:6]:
        assert np.abs(others / error - 1.0).min() < 1e-5
    assert found.ok == (max(found.estimates) <= 0.6)


def test_verify_fails_where_another_sample_is_beyond_the_limit(tmp_path: Path) -> None:
    """The limit is between what the subset reaches and what others do."""
    spec: Json = {"problem": JUMPS, "samples": 24, "certify": {"refine": 0.0025}}
    errors = solved(JUMPS, 24)[1].arrays["error_estimate"]
    subset, others = errors[:4].max(), errors[4:]
    limit = float(np.sort(others[others > subset])[0] + subset) / 2
    spec["certify"]["error_rtol"] = limit
    assert pdemill.generate(spec, tmp_path / "s.zarr", workers=0).ok
    assert pdemill.verify(tmp_path / "s.zarr").ok
    found = pdemill.verify(tmp_path / "s.zarr", refine=100)
    assert len(found.faults) == (others > limit).sum() > 0
    assert "its discretisation error, estimated now, is" in found.faults[0]
    ran = command("verify", tmp_path / "s.zarr", "--refine", "100")
    assert ran.returncode == 1
    assert "20 of 20 more discretisation errors estimated, the largest" in ran.stdout
    assert f"above certify.error_rtol {limit:g}" in ran.stderr


def test_verify_refuses_estimates_of_walks(tmp_path: Path) -> None:
    assert pdemill.generate({"problem": POINTS, "samples": 2}, tmp_path / "s.zarr", workers=0).ok
    with pytest.raises(PdemillError, match="an estimate is for whole fields"):
        pdemill.verify(tmp_path / "s.zarr", refine=1)


@pytest.mark.parametrize(
    ("column", "change", "message"),
    [
        ("error_order", lambda rows: rows * 1.001, "sample 0 of train: its error_order"),
        ("error_order", lambda rows: rows * np.nan, "sample 0 of train: its error_order nan"),
        ("error_estimate", lambda rows: rows * 1.01, "its error_estimate"),
    ],
)  # fmt: skip
def test_what_is_stored_is_recomputed(store: Path, tmp_path: Path, column: str, change: Any, message: str) -> None:
    import shutil

    copied = Path(shutil.copytree(store, tmp_path / "forged.zarr"))
    array(column, change, quiet=True)(copied)
    assert any(message in fault for fault in pdemill.verify(copied).faults)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_values_at_points_whose_squares_are_no_numbers_have_no_standard_error(scale: float, tmp_path: Path) -> None:
    """Of a disk with u = 0 outside and a constant source all walks differ; their standard error was 0."""
    spec = {"problem": {**POINTS, "source": scale}, "samples": 2, "store": {"dtype": "float64"}}
    with np.errstate(over="ignore", invalid="ignore"):
        summary = pdemill.generate(spec, tmp_path / "s.zarr", workers=0)
    assert [failure.sample for failure in summary.failures] == [0, 1]
    assert all("NOT_FINITE" in failure.reason for failure in summary.failures)


def test_labels_whose_squares_are_no_numbers_are_not_audited(tmp_path: Path) -> None:
    problem = {"family": "poisson", "resolution": [8, 8], "source": 1e-200}
    certify = {"audit": {"samples": 1, "walks": 256}}
    spec = {"problem": problem, "samples": 1, "store": {"dtype": "float64"}, "certify": certify}
    assert pdemill.generate(spec, tmp_path / "s.zarr", workers=0).ok
    assert np.isnan(np.asarray(zarr.open_group(tmp_path / "s.zarr", mode="r")["train/audit_error"])).all()
