"""What factorisations are estimated to take, against what MUMPS says of them."""

from __future__ import annotations

from typing import Any

import pytest

from pdemill.solvers.estimate import estimate, slowness
from pdemill.solvers.job import open_job
from pdemill.solvers.methods.dissection import Fill, dissect, factorisation
from pdemill.spec.load import validate
from pdemill.spec.method import LinearMethod

pytest.importorskip("petsc4py", reason="petsc4py is not installed")
from pdemill.solvers import petsc

BOX, FLOPS, ENTRIES, MEGABYTES = {"family": "poisson"}, 3, 29, 22
CONVECTION = {"family": "convection_diffusion", "velocity": [1.0, 2.0, 0.5]}
OUTLINE = [[0, 0], [1, 0], [1, 1], [0, 1]]

CASES: dict[str, dict[str, Any]] = {
    "line": {**BOX, "resolution": [20_000]},
    "square": {**BOX, "resolution": [256, 256]},
    "strip": {**BOX, "resolution": [32, 1024]},
    "cube": {**BOX, "resolution": [32, 32, 32]},
    "plate": {**BOX, "resolution": [8, 64, 64]},
    "rod": {**BOX, "resolution": [8, 8, 512]},
    "torus": {
        **BOX, "resolution": [24, 24, 24], "boundary": {"default": "periodic"}, "compatibility": "project"
    },
    "unsymmetric": {**CONVECTION, "resolution": [24, 24, 24]},
    "mesh": {"family": "thermal", "resolution": {"h": 0.012}, "domain": {"shape": "polygon", "outline": OUTLINE}},
}  # fmt: skip


def _spec(problem: dict[str, Any]) -> Any:
    return validate({"problem": problem, "samples": 8, "solver": {"method": "direct"}})


@pytest.mark.parametrize("name", CASES)
def test_entries_and_operations_are_right_within_a_factor_of_two(name: str) -> None:
    """Of one with little to eliminate, a line, the operations are not."""
    spec = _spec(CASES[name])
    job: Any = open_job(spec)
    matrix = job.discretisation.equation(job.instance("train", 0)).linearised(None).matrix
    direct = petsc.Direct(matrix.pattern, 8)
    direct._factorise(matrix)
    factors = direct.ksp.getPC().getFactorMatrix()
    fill, method = factorisation(spec.problem.properties, matrix.pattern.size), spec.solver
    flops = 2 * fill.flops if name == "unsymmetric" else fill.flops
    assert 0.5 < fill.entries / factors.getMumpsInfog(ENTRIES) < 2
    assert name == "line" or 0.5 < flops / factors.getMumpsRinfog(FLOPS) < 2
    assert isinstance(method, LinearMethod)
    assert method.factor_bytes(spec.problem, matrix.pattern.size) == fill.bytes
    megabytes = method.memory(spec.problem, matrix.pattern.size) / 1e6
    assert 0.5 < megabytes / max(factors.getMumpsInfog(MEGABYTES), 4) < 2


def test_one_matrix_of_64_cubed() -> None:
    """It took 35 CPU seconds (39 on a busier machine), 128,817,400 entries, and 1,432 MB more of memory; the estimate
    was 0.1 s."""
    cost = estimate(validate({
        "problem": {**BOX, "resolution": [64, 64, 64], "source": {"field": "gaussian"}}, "samples": 8,
        "certify": {"refine": 0}, "solver": {"method": "direct"},
    }))  # fmt: skip
    assert 35 / 2 < cost.cpu_seconds / slowness() < 39 * 2
    assert 8 * 128_817_400 / 2 < cost.factor_bytes < 8 * 128_817_400 * 2
    assert 1.4e9 < cost.memory < 2 * 1.8e9


def test_a_cube_of_300_needs_more_memory_than_anybody_has() -> None:
    """And one thinks of it no longer than of others."""
    cost = estimate(_spec({**BOX, "resolution": [300, 300, 300]}))
    assert cost.factor_bytes > 5e11
    assert cost.memory > cost.factor_bytes
    assert cost.cpu_seconds / slowness() > 1e5


def test_small_grids_are_dense() -> None:
    assert dissect([1, 1, 1]) == Fill(1.0, 1 / 3, 0.5)
    assert dissect([2, 2]).entries == 10
    assert dissect([3], [True]).entries == 6


def test_the_estimate_of_other_methods_has_no_factors() -> None:
    problem = {**BOX, "resolution": [64, 64], "source": {"field": "gaussian"}}
    cost = estimate(validate({"problem": problem, "samples": 8, "certify": {"refine": 0}, "solver": {"method": "fft"}}))
    assert cost.factor_bytes == 0
    assert 2.5e8 < cost.memory < 1e9
