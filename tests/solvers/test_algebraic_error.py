"""The algebraic error of labels: measured, bounded, and true; levels and rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zarr

import pdemill
from benchmarks.shared.truth import errors, true_solution
from benchmarks.shared.truth import solution as system_solution
from pdemill.points import Array
from pdemill.solvers.algebraic import Corrector
from pdemill.solvers.certify import rounding_residual
from pdemill.solvers.doubled import residual
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.operators.equation import LinearEquation
from pdemill.solvers.solution import Result
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.spec import validate
from pdemill.store.layout import Shard
from pdemill.store.store import ShardData
from tests.sampling import sample

type Json = dict[str, Any]

LAYER = {
    "field": "expression", "formula": "1+a+1e6*(1-sign(x-0.125))/2", "where": {"a": {"uniform": [0, 1]}},
}  # fmt: skip
LEVELS = {"field": "threshold", "low": 1e-6, "high": 1e6, "of": {"field": "gaussian", "alpha": 2, "tau": 3}}
THIN = {"diagonal": [1, {**LEVELS, "low": 0.92, "high": 31.4}]}
PROBLEMS: dict[str, Json] = {
    "layer": {"coefficient": LAYER, "source": 1, "boundary": {"left": {"dirichlet": 1}}},
    "levels": {"coefficient": LEVELS, "source": 1, "boundary": {"left": {"dirichlet": 1}}},
    "lognormal": {"coefficient": {"field": "lognormal", "std": 3}, "source": 1, "boundary": {"left": {"dirichlet": 1}}},
    "level": {
        "coefficient": {"field": "lognormal", "std": 0.5}, "source": {"field": "bumps"},
        "boundary": {"default": {"dirichlet": 1e5}},
    },
    "robin": {
        "boundary": {
            "left": {"dirichlet": 1e5}, "right": {"robin": {"coefficient": 3, "value": 3e5}}, "top": {"neumann": 1},
            "bottom": {"neumann": 0},
        },
    },
    "tiny": {"source": 1e-30, "coefficient": LAYER},
    "huge": {"source": 1e30, "coefficient": {"field": "lognormal", "std": 1}},
}  # fmt: skip
METHODS = ["skr", "gmres", "cg", "amg", "multigrid", "direct", "auto"]


def solved(
    problem: Json, method: str = "auto", samples: int = 3, dtype: str = "float64", **rest: Any
) -> tuple[FieldJob, ShardData]:
    spec = validate(
        {
            "problem": {"family": "darcy", "resolution": [32, 32], **problem}, "samples": samples,
            "solver": {"method": method, **rest.pop("solver", {})}, "certify": {"refine": 0, **rest.pop("certify", {})},
            "store": {"dtype": dtype}, **rest,
        }
    )  # fmt: skip
    job = FieldJob(spec)
    return job, job.solve(Shard("train", 0, 0, samples), lambda progress: None)[0]


def true_error(job: FieldJob, data: ShardData, number: int) -> float:
    truth = true_solution(job, number)
    assert truth is not None
    return errors(job, data, number, truth)[0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", sample(PROBLEMS, "layer", "levels", "level"))
def test_no_certified_label_is_off_by_more_than_it_says(name: str, method: str) -> None:
    job, data = solved(PROBLEMS[name], method)
    certified = np.flatnonzero(data.arrays["method"] > 0)
    assert len(certified) == 3, data.failures
    for number in certified.tolist():
        error, stated = true_error(job, data, number), float(data.arrays["stored_error"][number])
        assert data.arrays["algebraic_error"][number] <= min(1e-6, stated)
        assert error <= 3.0 * stated + 1e-14


def test_a_combination_of_earlier_solutions_is_no_solution_by_its_residual() -> None:
    """A thin box, rtol 1e-3: the residual of a label that is off by 210 % passes."""
    boundary = {
        "left": {"neumann": {"normal": [1, 0.1]}}, "right": {"dirichlet": {"uniform": [0.5, 2]}},
        "bottom": {"neumann": {"field": "chebyshev", "terms": 2}}, "top": {"dirichlet": {"uniform": [0.5, 2]}},
    }  # fmt: skip
    problem = {"resolution": [4, 8], "domain": {"lengths": [0.001, 1]}, "boundary": boundary}
    job, data = solved(problem, "direct", samples=8, solver={"rtol": 1e-3})
    assert all(true_error(job, data, number) < 1e-9 for number in range(8))


@pytest.mark.parametrize("method", ["cg", "gmres", "direct", "fft"])
@pytest.mark.parametrize("c", [1e-4, 1e-7, 1e-10])
def test_a_nearly_singular_screen_is_right_or_fails(c: float, method: str) -> None:
    sides = {"default": {"neumann": 0}}
    source = {"field": "gaussian", "alpha": 2, "tau": 3}
    problem = {"family": "screened_poisson", "screening": c, "source": source, "boundary": sides}
    job, data = solved(problem, method)
    certified = np.flatnonzero(data.arrays["method"] > 0).tolist()
    assert len(certified) == (3 if c >= 1e-7 else 0)
    for number in certified:
        assert true_error(job, data, number) <= 3.0 * data.arrays["algebraic_error"][number] + 1e-13


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("method", ["auto", "direct", "cg", "gmres", "skr", "amg"])
def test_meshes_are_measured_by_their_mass(order: int, method: str) -> None:
    outline = [[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]]
    spec = validate(
        {
            "problem": {
                "family": "thermal", "domain": {"shape": "polygon", "outline": outline}, "resolution": {"h": 0.2},
                "order": order, "coefficient": {**LEVELS, "low": 0.01, "high": 100},
                "boundary": {"default": {"dirichlet": {"uniform": [300, 301]}}}, "source": {"uniform": [0, 1]},
            },
            "samples": 3, "store": {"dtype": "float64"}, "certify": {"refine": 0},
            "solver": {"method": method, "rtol": 1e-6},
        }
    )  # fmt: skip
    job = FieldJob(spec)
    data, _ = job.solve(Shard("train", 0, 0, 3), lambda progress: None)
    grid = job.discretisation
    for number in range(3):
        assert true_error(job, data, number) <= 3.0 * data.arrays["algebraic_error"][number] + 1e-13
    one = np.ones(grid.pattern.size)
    assert grid.norm(one) <= grid.stretch * np.sqrt(len(one))


def test_norms_of_elements_are_integrals() -> None:
    """Of x² + xy, which is quadratic, over the unit square."""
    sides = {"default": {"neumann": 0}}
    problem = {"family": "thermal", "resolution": {"h": 0.3}, "order": 2, "boundary": sides, "reaction": 1}
    grid = FieldJob(validate({"problem": problem, "samples": 1})).discretisation
    x, y = (grid.points.coordinates[name] for name in "xy")
    u, square, mean = x**2 + x * y, 1 / 5 + 1 / 4 + 1 / 9, 1 / 3 + 1 / 4
    assert grid.norm(u) == pytest.approx(square**0.5, rel=1e-12)
    assert grid.variation(1e3 + u) == pytest.approx((square - mean**2) ** 0.5, rel=1e-9)
    assert grid.norm(u) <= grid.largest_norm(u) <= 2.0 * grid.norm(u)


def test_an_error_above_the_limit_is_corrected() -> None:
    loose = {"rtol": 1e-2}
    _, allowed = solved(PROBLEMS["levels"], "cg", certify={"algebraic_rtol": 0.1}, solver=loose)
    assert allowed.arrays["method"].tolist() == [1, 1, 1]
    assert allowed.arrays["algebraic_error"].max() > 1e-3
    _, corrected = solved(PROBLEMS["levels"], "cg", solver=loose)
    assert corrected.arrays["method"].tolist() == [1, 1, 1]
    assert (corrected.arrays["algebraic_error"] <= 1e-6).all()


def test_what_no_correction_mends_is_solved_by_direct_then_a_failure() -> None:
    """A screen at the edge of float64: cg is helped out by direct; where not even that has an error that is known to be
    small, there is no label."""
    sides, source = {"default": {"neumann": 0}}, {"field": "gaussian", "alpha": 2, "tau": 3}
    problem = {"family": "screened_poisson", "source": source, "boundary": sides}
    _, data = solved({**problem, "screening": 3e-13}, "cg", solver={"rtol": 0.1})
    assert {f["result"] for f in data.failures} == {Result.MISSED_ERROR.name}
    assert all("then direct" in f["reason"] for f in data.failures)
    assert "algebraic error" in data.failures[0]["reason"]
    assert np.isnan(data.arrays["solution"]).all()


def test_where_nothing_varies_nothing_is_divided_by_it() -> None:
    for level in (0, 1, -1e7):
        _, data = solved({"family": "poisson", "source": 0, "boundary": {"default": {"dirichlet": level}}})
        assert not data.failures
        assert (data.arrays["solution"] == level).all()
        assert (data.arrays["stored_error"] <= 1e-15).all()


def test_what_a_level_rounds_away_counts_for_what_is_stored() -> None:
    """In float64 a signal on a level of 1e9 is known to 5e-6 of itself; on 1e12 it is lost."""
    boundary = {"default": {"dirichlet": 1e9}}
    _, data = solved({"family": "poisson", "boundary": boundary})
    assert (data.arrays["algebraic_error"] < 1e-10).all()
    assert (data.arrays["stored_error"] > 1e-6).all()
    _, lost = solved({"family": "poisson", "boundary": {"default": {"dirichlet": 1e12}}})
    assert [f["result"] for f in lost.failures] == [Result.ROUNDED.name] * 3


def test_what_rounds_away_is_a_failure_with_the_reason() -> None:
    for problem in (PROBLEMS["level"], {"family": "poisson", "source": 1e-43}):
        _, data = solved(problem, dtype="float32")
        assert [f["result"] for f in data.failures] == [Result.ROUNDED.name] * 3
        assert "store.dtype" in data.failures[0]["reason"]
        assert np.isnan(data.arrays["solution"]).all()
    _, allowed = solved(PROBLEMS["level"], dtype="float32", certify={"stored_rtol": 10})
    assert not allowed.failures
    assert (allowed.arrays["stored_error"] > 1e-5).all()


@pytest.mark.parametrize(("method", "limit"), [("direct", 1e-6), ("cg", 1e-6), ("multigrid", 1e-6), ("cg", 1e-12)])
def test_a_ramp_counts_as_variation(method: str, limit: float) -> None:
    """A signal of order 1 on a ramp of 1e7 is right to 1e7 times the stated error, which a smaller limit makes small:
    nothing but a level is subtracted."""
    problem = {
        "family": "poisson", "resolution": [32, 32], "source": {"field": "gaussian", "alpha": 2, "tau": 3, "std": 20},
        "boundary": {"left": {"dirichlet": 0}, "right": {"dirichlet": 1e7}, "default": {"neumann": 0}},
    }  # fmt: skip
    job, data = solved(problem, method, certify={"algebraic_rtol": limit})
    assert not data.failures
    truth = true_solution(job, 0)
    assert truth is not None
    ramp = 1e7 * np.broadcast_to(job.discretisation.points.coordinates["x"], (32, 32)).reshape(-1)
    signal = truth.unknowns + truth.level - ramp
    found = data.arrays["solution"][0].reshape(-1) - ramp
    ratio = job.discretisation.variation(truth.unknowns) / job.discretisation.variation(signal)
    assert 1e6 < ratio < 1e8
    error = job.discretisation.norm(found - signal) / job.discretisation.variation(signal)
    assert error <= 3.0 * data.arrays["stored_error"][0] * ratio + 1e-7
    assert limit > 1e-12 or error < 1e-4


def test_a_level_changes_the_solution_by_itself_alone() -> None:
    def fields(level: float) -> Array:
        boundary: Json = {"left": {"dirichlet": level}, "right": {"robin": {"coefficient": 2, "value": 2 * level}}}
        boundary["default"] = {"neumann": 0}
        problem = {"coefficient": {"field": "lognormal", "std": 0.5}, "boundary": boundary}
        return np.asarray(solved(problem, "direct")[1].arrays["solution"]) - level

    raised, plain = fields(1e6), fields(0.0)
    assert np.abs(raised - plain).max() <= np.spacing(1e6)


def test_a_smooth_error_that_no_residual_shows_in_float32_is_found() -> None:
    job = FieldJob(validate({"problem": {"family": "poisson", "resolution": [256, 256]}, "samples": 1}))
    equation = job.discretisation.equation(job.instance("train", 0))
    assert isinstance(equation, LinearEquation)
    (label,) = job.scheme.labels([equation], job.sequence(), Stopwatch())
    assert label.unknowns is not None
    u = (1.001 * label.unknowns).astype(np.float32).astype(np.float64)
    assert equation.relative_residual(u) <= job.method.rtol + rounding_residual(equation, u, "float32")
    corrector = Corrector(job.method.solver(), job.kept)
    (d,) = corrector.corrections([equation.system], [equation.precise_residual(u)])
    assert d is not None
    assert job.discretisation.relative(d, u) >= 9.9e-4


def test_residuals_are_summed_in_doubled_precision() -> None:
    rng = np.random.default_rng(1)
    indptr, indices = np.array([0, 3], dtype=np.int32), np.arange(3, dtype=np.int32)
    a = np.array([1.0 + 2**-30, 1.0 - 2**-30, 1.0])
    u = np.array([1.0 + 2**-30, -(1.0 - 2**-30), rng.uniform()])
    exact = sum(int(x * 2**60) * int(y * 2**60) for x, y in zip(a, u, strict=True))
    found = residual(indptr, indices, a, u, np.array([float(exact) * 2.0**-120]))
    assert abs(found[0]) <= 2.0**-52
    assert found[0] == float(int(float(exact) * 2.0**-120 * 2**60) * 2**60 - exact) * 2.0**-120


def test_the_store_tells_and_old_limits_leave_the_hash() -> None:
    spec: Json = {"problem": {"family": "poisson", "resolution": [8, 8]}, "samples": 2}
    assert validate({**spec, "certify": {"algebraic_rtol": 1e-6}}).sha256() == validate(spec).sha256()
    assert validate({**spec, "certify": {"algebraic_rtol": 1e-7}}).sha256() != validate(spec).sha256()


def test_columns_are_written(tmp_path: Any) -> None:
    spec: Json = {"problem": {"family": "poisson", "resolution": [8, 8]}, "samples": 2}
    assert pdemill.generate(spec, tmp_path / "s.zarr", workers=0).ok
    group = zarr.open_group(tmp_path / "s.zarr", mode="r")
    assert group.attrs["schema"] == 2
    stored, algebraic = np.asarray(group["train/stored_error"]), np.asarray(group["train/algebraic_error"])
    assert (algebraic > 0).all()
    assert (algebraic < stored).all()
    assert (stored < 1e-6).all()


@pytest.mark.parametrize("name", ["lognormal", "robin", "huge"])
def test_the_last_steps_of_multigrid_are_a_correction_of_what_was_there_before(name: str) -> None:
    """They bound the error without another solve; where they do not go back far enough, there is one."""
    job, _ = solved(PROBLEMS[name], "multigrid", samples=1)
    (system,) = [job.discretisation.equation(job.instance("train", 0)).linearised(np.empty(0))]
    solver = job.method.solver()
    (solution,) = solver.solve_batch([system], None)
    steps = solution.steps
    assert steps is not None
    exact = system_solution(system)
    assert exact is not None
    error = float(np.linalg.norm(solution.value - exact))
    assert (np.diff(np.log(steps.residuals)) < 0).all()
    assert np.isfinite(steps.lengths[-4:]).all()
    for i, size in enumerate(steps.residuals.tolist()):
        assert steps.since(size) == pytest.approx(steps.lengths[i:].sum())
        assert error <= steps.since(size)
    assert steps.since(2.0 * steps.residuals[0]) == np.inf
    corrector = Corrector(solver, {})
    left = float(np.linalg.norm(system.residual(solution.value))) + system.rounding(solution.value)
    shown = corrector.shown(system, steps, left)
    assert error <= shown
    assert (shown < np.inf) == (name != "lognormal")  # whose contrast asks for more than they show
    assert corrector.shown(system, None, left) == np.inf
