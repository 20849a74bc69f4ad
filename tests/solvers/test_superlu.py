"""Factors by SuperLU: every kind of matrix that ``direct`` takes, and what it says of those that it cannot solve."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from pdemill.points import Array
from pdemill.solvers.methods.direct import BLOCK, DirectSolver
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.solvers.solution import Result
from pdemill.solvers.superlu import Direct
from pdemill.spec.problem import Properties

N = 30
CONSTANTS = np.full(N, N**-0.5)


def _matrix(A: Array, definite: bool = False, constant: bool = False, free: bool = False) -> Matrix:
    sparse = csr_array(A)
    sparse.setdiag(sparse.diagonal())
    sparse.sort_indices()
    pattern = Pattern(sparse.indptr.astype(np.int32), sparse.indices.astype(np.int32))
    properties = Properties(bool((A == A.T).all()), definite, constant, dimension=1)
    return Matrix(pattern, sparse.data, properties, (CONSTANTS,) if free else ())


def _line(shift: float = 0.0, wind: float = 0.0) -> Array:
    """-u'' + wind u' - shift u on a line."""
    off = np.ones(N - 1)
    return np.asarray(np.diag(np.full(N, 2.0 - shift)) - np.diag((1 - wind) * off, 1) - np.diag((1 + wind) * off, -1))


@pytest.mark.parametrize(
    ("A", "definite"),
    [(_line(), True), (_line(shift=0.4), False), (_line(wind=5.0), False), (2.0 * np.eye(N)[::-1], False)],
    ids=["definite", "indefinite", "convection", "zero diagonal"],
)  # fmt: skip
def test_it_solves(A: Array, definite: bool) -> None:
    rhs = np.random.default_rng(0).standard_normal(N)
    x, result = Direct((matrix := _matrix(A, definite)).pattern).solve(matrix, rhs)
    assert result is Result.CONVERGED
    assert np.linalg.norm(x - np.linalg.solve(A, rhs)) <= 1e-12 * np.linalg.norm(x)


def test_where_constants_are_free_it_solves_up_to_a_constant() -> None:
    A = _line()
    A[0, 0] = A[-1, -1] = 1.0
    matrix = _matrix(A, definite=True, free=True)
    rhs = np.random.default_rng(1).standard_normal(N)
    rhs -= rhs.mean()
    x, result = Direct(matrix.pattern).solve(matrix, rhs)
    assert result is Result.CONVERGED
    assert np.linalg.norm(A @ x - rhs) <= 1e-12 * np.linalg.norm(rhs)


def test_what_has_no_solution_is_told_and_does_not_spoil_the_next() -> None:
    good = _matrix(_line(), definite=True)
    singular = Matrix(good.pattern, np.zeros_like(good.values), good.properties)
    unknown = Matrix(good.pattern, np.full_like(good.values, np.nan), good.properties)
    factors, rhs = Direct(good.pattern), np.ones(N)
    expected = Direct(good.pattern).solve(good, rhs)[0]
    for matrix, reason in ((singular, Result.SINGULAR), (unknown, Result.NOT_FINITE)):
        x, result = factors.solve(matrix, rhs)
        assert result is reason
        assert np.isnan(x).all()
        assert np.array_equal(factors.solve(good, rhs)[0], expected)


def test_a_solution_has_the_same_bits_in_any_company() -> None:
    matrix = _matrix(_line(), definite=True, constant=True)
    sides = list(np.random.default_rng(2).standard_normal((BLOCK + 3, N)))
    together = DirectSolver(Direct).solve_batch([System(matrix, rhs) for rhs in sides], None)
    for rhs, solution in zip(sides, together, strict=True):
        alone = DirectSolver(Direct).solve(System(matrix, rhs), None)
        assert alone.result is solution.result is Result.CONVERGED
        assert np.array_equal(alone.value, solution.value)
