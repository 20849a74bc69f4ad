"""Matrices that a method cannot take: a named result for them, and nothing left behind for those that follow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.field_shard import solve_shard
from pdemill.solvers.multigrid.solver import GridSolver
from pdemill.solvers.operators.equation import relative_residual
from pdemill.solvers.operators.system import Matrix, System
from pdemill.solvers.solution import Result
from pdemill.spec import validate
from pdemill.spec.method import LinearMethod
from pdemill.store.layout import Shard

WAVES: dict[str, Any] = {
    "family": "helmholtz", "resolution": [8, 8], "wavenumber": 16, "source": {"field": "gaussian"},
    "boundary": {"default": "periodic"},
}  # fmt: skip
"""kappa^2 = 4 / h^2: the diagonal is zero, and so is an eigenvalue."""


def _job(problem: dict[str, Any], solver: dict[str, Any], samples: int = 8, seed: int = 3) -> FieldJob:
    spec = {"problem": problem, "samples": samples, "seed": seed, "solver": solver, "certify": {"refine": 0}}
    return FieldJob(validate(spec))


def _system(job: FieldJob, sample: int = 0) -> System:
    instance = job.instance("train", sample)
    instance.evaluate(job.discretisation.points, job.discretisation.side_points)
    return job.discretisation.assemble(instance)


METHODS: list[dict[str, Any]] = [
    {"method": "direct"}, {"method": "minres"}, {"method": "minres", "preconditioner": "none"},
    {"method": "gmres", "preconditioner": "sor"}, {"method": "gmres"}, {"method": "skr"},
    {"method": "skr", "preconditioner": "sor"}, {"method": "skr", "preconditioner": "jacobi"},
]  # fmt: skip


@pytest.mark.parametrize("solver", METHODS, ids=lambda solver: " ".join(solver.values()))
def test_a_singular_matrix_fails_its_samples_and_not_the_shard(solver: dict[str, Any]) -> None:
    data, _ = solve_shard(_job(WAVES, solver, 3), Shard("train", 0, 0, 3), lambda progress: None)
    assert [failure["sample"] for failure in data.failures] == list(range(3))


@pytest.mark.parametrize("solver", METHODS, ids=lambda solver: " ".join(solver.values()))
def test_a_good_matrix_is_solved_after_bad_ones(solver: dict[str, Any]) -> None:
    job = _job(WAVES, solver)
    bad, method = _system(job), job.method
    assert isinstance(method, LinearMethod)
    pattern, values = bad.matrix.pattern, bad.matrix.values.copy()
    rows = np.repeat(np.arange(pattern.size), np.diff(pattern.indptr))
    values[rows == pattern.indices] += 1000.0
    rhs = bad.rhs + 1.0  # not orthogonal to the eigenvectors of the bad one
    properties = replace(bad.matrix.properties, constant=False)
    good, bad = (System(Matrix(pattern, v, properties), rhs) for v in (values, bad.matrix.values))
    solving = method.solver()
    state = solving.start()
    for system in (bad, good, bad, bad, good):
        solution = solving.solve(system, state)
        state = solution.state
        if system is good:
            assert solution.result is Result.CONVERGED
            assert relative_residual(system, solution.value) <= 1e-8


@pytest.mark.parametrize("solver", [{"method": name, "preconditioner": "bjacobi"} for name in ("cg", "gmres", "skr")])
def test_there_are_no_more_blocks_than_unknowns(solver: dict[str, Any]) -> None:
    problem = {"family": "poisson", "resolution": [4], "source": {"field": "gaussian", "modes": 4}}
    data, _ = solve_shard(_job(problem, solver), Shard("train", 0, 0, 4), lambda progress: None)
    assert not data.failures
    assert (data.arrays["method"] == _job(problem, solver).method_names().index(solver["method"])).all()


@pytest.mark.parametrize("rtol", [1e-6, 1e-8])
@pytest.mark.parametrize("scale", [2.0**-400, 2.0**-40, 2.0**30, 2.0**400, 1e-120, 1e-12, 1e9, 1e120])
def test_minres_does_not_see_the_size_of_the_data(scale: float, rtol: float) -> None:
    """A power of two gives the same bits. Any other size rounds the data, and gives the same number of steps as long as
    rounding does not decide the last of them, in which processors differ."""
    job = _job({"family": "helmholtz", "resolution": [24, 24], "wavenumber": 20}, {"method": "minres", "rtol": rtol})
    system = _system(job)
    solving = job.method.solver()
    first, scaled = (solving.solve(s, None) for s in (system, replace(system, rhs=scale * system.rhs)))
    assert first.result is scaled.result is Result.CONVERGED
    steps = first.stats.iterations, scaled.stats.iterations
    if np.frexp(scale)[0] == 0.5:
        assert np.array_equal(scaled.value / scale, first.value)
        assert steps[0] == steps[1]
    assert steps[0] == steps[1] or (rtol < 1e-6 and abs(steps[0] - steps[1]) <= 1)
    assert np.allclose(scaled.value / scale, first.value, rtol=1e-6, atol=1e-6 * abs(first.value).max())


def test_zero_is_no_solution_for_data_whose_squares_vanish() -> None:
    system = _system(_job({"family": "poisson", "resolution": [8, 8], "source": 1e-200}, {"method": "direct"}))
    assert np.linalg.norm(system.rhs) == 0.0
    assert relative_residual(system, np.zeros(64)) == pytest.approx(1.0)


def test_a_lane_that_may_not_go_on_stays_where_it_is() -> None:
    """At a tolerance that one of eight systems misses with its last step, and would meet with one more."""
    smooth = {"field": "gaussian", "alpha": 1.5, "tau": 3.0}
    problem = {
        "family": "darcy", "resolution": [24, 24],
        "coefficient": {"field": "threshold", "low": 1, "high": 1e3, "of": smooth},
        "source": {"field": "gaussian", "alpha": 2.0, "tau": 3.0},
    }  # fmt: skip
    job = _job(problem, {"method": "multigrid"}, seed=2)
    systems = [_system(job, sample) for sample in range(8)]
    pattern, rtol, limit = systems[0].matrix.pattern, float.fromhex("0x1.4e3d786a5c13ep-41"), 65
    together = GridSolver(pattern, 8).solve(systems, rtol, limit)
    assert max(solution.stats.iterations for solution in together) == limit
    for system, solution in zip(systems, together, strict=True):
        alone = GridSolver(pattern, 1).solve([system], rtol, limit)[0]
        assert (alone.result, alone.stats) == (solution.result, solution.stats)
        assert np.array_equal(alone.value, solution.value)
