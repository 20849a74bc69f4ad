"""Errors of labels against solutions in rational arithmetic, where float64 has no truth to offer: regions that are cut
off by a high contrast, and levels that are hardly held. Both have errors with next to no residual."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import sqrt
from typing import Any

import numpy as np
import pytest

from benchmarks.shared.truth import true_solution
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.operators.equation import LinearEquation
from pdemill.spec import validate
from pdemill.store.layout import Shard
from tests.sampling import sample

type Json = dict[str, Any]

SIDES: dict[str, Json] = {
    "left": {"left": {"dirichlet": 1}, "default": {"neumann": 0}},
    "held": {"left": {"dirichlet": 1}},
    "weak": {"default": {"robin": {"coefficient": 1e-6, "value": 1}}},
}
CONTRASTS = [1e2, 1e4, 1e5, 1e6, 1e7, 1e9, 1e12]


def exact(equation: LinearEquation) -> list[Fraction]:
    """The solution by Gauss, in rational arithmetic, within the band."""
    matrix = equation.system.matrix.sparse().toarray()
    size, band = len(matrix), int(np.ptp(np.nonzero(matrix[0])))
    rows = [[Fraction(float(x)) for x in row] for row in matrix]
    rhs = [Fraction(float(x)) for x in equation.system.rhs]
    for k in range(size):
        for i in range(k + 1, min(size, k + band + 1)):
            factor = rows[i][k] / rows[k][k]
            rhs[i] -= factor * rhs[k]
            for j in range(k, min(size, k + band + 1)):
                rows[i][j] -= factor * rows[k][j]
    found = [Fraction(0)] * size
    for k in reversed(range(size)):
        rest = sum((rows[k][j] * found[j] for j in range(k + 1, min(size, k + band + 1))), Fraction(0))
        found[k] = (rhs[k] - rest) / rows[k][k]
    level = Fraction(equation.level)
    return [u + level for u in found]


def distance(u: Any, exact: list[Fraction]) -> float:
    """‖u - u*‖ / ‖u* - mean u*‖."""
    mean = sum(exact, Fraction(0)) / len(exact)
    error = sum((Fraction(float(a)) - b) ** 2 for a, b in zip(u, exact, strict=True))
    return sqrt(error / sum((b - mean) ** 2 for b in exact))


def job_of(problem: Json, method: str, rtol: float) -> FieldJob:
    return FieldJob(
        validate(
            {
                "problem": problem, "samples": 3, "solver": {"method": method, "rtol": rtol},
                "store": {"dtype": "float64"}, "certify": {"refine": 0},
            }
        )
    )  # fmt: skip


def equation_of(job: FieldJob, number: int) -> LinearEquation:
    equation = job.discretisation.equation(job.instance("train", number))
    assert isinstance(equation, LinearEquation)
    return equation


def islands(contrast: float, sides: str) -> Json:
    field = {"field": "gaussian", "alpha": 1.2, "tau": 3}
    levels = {"field": "threshold", "low": contrast**-0.5, "high": contrast**0.5, "of": field}
    return {
        "family": "darcy", "resolution": [6, 6], "source": 1, "coefficient": levels, "boundary": SIDES[sides],
    }  # fmt: skip


@cache
def truths(contrast: float, sides: str) -> list[list[Fraction]]:
    job = job_of(islands(contrast, sides), "direct", 1e-8)
    return [exact(equation_of(job, number)) for number in range(3)]


@pytest.mark.parametrize("contrast", sample(CONTRASTS, 1e2, 1e6, 1e7))
@pytest.mark.parametrize("sides", SIDES)
def test_regions_that_are_cut_off_are_no_further_off_than_is_said(contrast: float, sides: str) -> None:
    certified = 0
    for method in ("cg", "gmres", "skr", "amg", "multigrid", "direct"):
        for rtol in (1e-1, 1e-4, 1e-8):
            job = job_of(islands(contrast, sides), method, rtol)
            data, _ = job.solve(Shard("train", 0, 0, 3), lambda progress: None)
            for number in np.flatnonzero(data.arrays["method"] > 0).tolist():
                certified += 1
                error = distance(data.arrays["solution"][number].ravel(), truths(contrast, sides)[number])
                assert error <= 3.0 * data.arrays["stored_error"][number] + 1e-14, (method, rtol, number)
    assert certified >= 18


@pytest.mark.parametrize("screening", sample([1e-8, 1e-10, 3e-12, 1e-12, 3e-13], 1e-10, 3e-12))
@pytest.mark.parametrize("cells", sample([12, 32], 32))
def test_levels_that_are_hardly_held_are_no_further_off_than_is_said(cells: int, screening: float) -> None:
    """What is missed of the level is 1ᵀ(b - A u) / 1ᵀA1, here in rational arithmetic."""
    problem = {
        "family": "screened_poisson", "resolution": [cells, cells], "screening": screening,
        "source": {"field": "gaussian", "alpha": 2, "tau": 3}, "boundary": {"default": {"neumann": 0}},
    }  # fmt: skip
    for method in ("cg", "gmres", "skr", "amg", "multigrid", "direct"):
        for rtol in (1e-1, 1e-4):
            job = job_of(problem, method, rtol)
            data, _ = job.solve(Shard("train", 0, 0, 3), lambda progress: None)
            for number in np.flatnonzero(data.arrays["method"] > 0).tolist():
                system, u = equation_of(job, number).system, data.arrays["solution"][number].ravel()
                A = system.matrix.sparse()
                sums = [sum(map(Fraction, A.data[a:b].tolist())) for a, b in zip(A.indptr, A.indptr[1:], strict=False)]
                left = sum(map(Fraction, system.rhs.tolist())) - sum(
                    a * Fraction(float(b)) for a, b in zip(sums, u, strict=True)
                )
                missed = abs(float(left / sum(sums))) / float(np.std(u))
                assert missed <= 3.0 * data.arrays["stored_error"][number] + 1e-12, (method, rtol, number)


@pytest.mark.parametrize("contrast", CONTRASTS)
@pytest.mark.parametrize("sides", SIDES)
def test_the_truth_of_larger_systems_is_that_of_rational_arithmetic(contrast: float, sides: str) -> None:
    job = job_of(islands(contrast, sides), "direct", 1e-8)
    found = true_solution(job, 0)
    assert found is not None
    u = found.unknowns + found.level
    assert distance(u, truths(contrast, sides)[0]) <= 1e-15 + np.spacing(np.abs(u).max()) / np.std(u)
