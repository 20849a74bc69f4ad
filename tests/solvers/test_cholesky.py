"""Cholesky factors of several matrices side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import block_diag, csr_array, diags_array, eye_array, kron, random_array

from pdemill.solvers.cholesky import LANES
from pdemill.solvers.cholesky.factors import Cholesky, fits
from pdemill.solvers.cholesky.kernels import factorise
from pdemill.solvers.cholesky.ordering import fronts_of
from pdemill.solvers.methods.direct import Direct, is_definite
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.solvers.solution import Result
from pdemill.spec.properties import Properties

DEFINITE = Properties(symmetric=True, definite=True, constant=False, dimension=2)


def grid(*cells: int) -> csr_array:
    """The Laplacian on a grid, a little more than semidefinite."""
    found: Any = csr_array((1, 1))
    for n in cells:
        line = diags_array([-np.ones(n - 1), np.full(n, 2.0), -np.ones(n - 1)], offsets=[-1, 0, 1])
        found = kron(found, eye_array(n)) + kron(eye_array(found.shape[0]), line)
    return csr_array(found + 0.01 * eye_array(found.shape[0]))


def scattered(size: int, seed: int) -> csr_array:
    """A pattern without any order, and two parts that do not know of each other."""
    generator = np.random.default_rng(seed)
    parts = [random_array((n, n), density=3.0 / n, rng=generator) for n in (size // 3, size - size // 3)]
    found = block_diag(parts)
    found = found + found.T
    return csr_array(found + diags_array(1.0 + abs(found).sum(axis=1)))


def like(matrix: csr_array, seed: int, pattern: Pattern | None = None) -> Matrix:
    """D A D with a random D, on the pattern of A."""
    matrix = csr_array(matrix)
    matrix.sum_duplicates()
    scale = np.random.default_rng(seed).uniform(0.5, 2.0, matrix.shape[0])
    scaled = csr_array(diags_array(scale) @ matrix @ diags_array(scale))
    scaled.sort_indices()
    own = Pattern(scaled.indptr.astype(np.int32), scaled.indices.astype(np.int32), definite=True, dimension=2)
    return Matrix(pattern or own, scaled.data, DEFINITE)


def some(matrix: csr_array, count: int) -> list[System]:
    """Systems of as many matrices on one pattern."""
    first = like(matrix, 0)
    matrices = [first, *(like(matrix, seed, first.pattern) for seed in range(1, count))]
    return [System(one, np.random.default_rng(n).standard_normal(one.pattern.size)) for n, one in enumerate(matrices)]


@pytest.mark.parametrize(
    "matrix", [grid(1), grid(2), grid(17), grid(23, 19), grid(6, 7, 8), scattered(200, 1), grid(61, 3)],
    ids=["one", "two", "line", "plane", "space", "scattered", "strip"],
)  # fmt: skip
def test_solutions_are_exact(matrix: csr_array) -> None:
    systems = some(matrix, LANES + 2)
    for system, value in zip(systems, Cholesky(fronts_of(systems[0].matrix.pattern)).solve(systems), strict=True):
        assert value is not None
        error = np.linalg.norm(system.residual(value)) / np.linalg.norm(system.rhs)
        assert error < 1e-13


def test_the_factors_are_those_of_the_reordered_matrix() -> None:
    """det A = prod L_jj^2, for every matrix."""
    systems = some(grid(9, 8), LANES)
    cholesky = Cholesky(fronts_of(systems[0].matrix.pattern))
    cholesky.solve(systems)
    logs = -2.0 * np.log(cholesky._inverse.reshape(-1, LANES)).sum(axis=0)
    dense = [np.linalg.slogdet(system.matrix.sparse().toarray())[1] for system in systems]
    assert logs == pytest.approx(dense, rel=1e-12)


def test_bits_do_not_depend_on_who_is_beside() -> None:
    systems = some(grid(13, 11), 2 * LANES + 1)
    fronts = fronts_of(systems[0].matrix.pattern)
    together = Cholesky(fronts).solve(systems)
    backwards = Cholesky(fronts).solve(systems[::-1])[::-1]
    alone = [Cholesky(fronts).solve([system])[0] for system in systems]
    for one, two, three in zip(together, backwards, alone, strict=True):
        assert one is not None
        assert two is not None
        assert three is not None
        assert one.tobytes() == two.tobytes() == three.tobytes()


def test_factors_are_kept_for_the_matrices_that_came_last(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    def factorised(*given: Any) -> None:
        counted.append(1)
        factorise(*given)

    monkeypatch.setattr("pdemill.solvers.cholesky.factors.factorise", factorised)
    systems = some(grid(7, 7), LANES)
    cholesky = Cholesky(fronts_of(systems[0].matrix.pattern))
    cholesky.solve(systems)
    again = [System(system.matrix, 2.0 * system.rhs) for system in (*systems, *systems)]
    cholesky.solve(again[::-1])
    assert len(counted) == 1


def test_an_indefinite_matrix_is_told_and_harms_nobody() -> None:
    """Nor does one that is not finite; `direct` solves what has no such factors otherwise."""
    systems = some(grid(8, 9), LANES)
    pattern = systems[0].matrix.pattern
    shifted = systems[1].matrix.values.copy()
    shifted[pattern.diagonals] -= 2.0
    bad = np.where(np.arange(len(shifted)) == 40, np.nan, systems[2].matrix.values)
    mixed = [
        systems[0], System(Matrix(pattern, shifted, DEFINITE), systems[1].rhs),
        System(Matrix(pattern, bad, DEFINITE), systems[2].rhs), systems[3],
    ]  # fmt: skip
    peace, found = Cholesky(fronts_of(pattern)).solve(systems), Cholesky(fronts_of(pattern)).solve(mixed)
    assert [value is None for value in found] == [False, True, True, False]
    for n in (0, 3):
        assert found[n] is not None
        assert peace[n] is not None
        assert found[n].tobytes() == peace[n].tobytes()  # type: ignore[union-attr]
    assert not is_definite(mixed[1].matrix)
    assert is_definite(systems[0].matrix)
    direct = Direct(method="direct").solver().solve_batch(mixed, None)
    assert direct[1].result is Result.CONVERGED
    assert np.linalg.norm(mixed[1].residual(direct[1].value)) < 1e-11 * np.linalg.norm(mixed[1].rhs)
    assert not direct[2].result.ok


def test_a_matrix_that_is_not_symmetric_is_left_to_others() -> None:
    """Cholesky factors read half of a matrix: they would be those of another one. The first sample of a weak form may
    have a symmetric matrix, and others not."""
    systems = some(grid(8, 9), LANES)
    pattern, values = systems[1].matrix.pattern, systems[1].matrix.values.copy()
    rows = np.repeat(np.arange(pattern.size), np.diff(pattern.indptr))
    values[pattern.indices > rows] *= 0.5
    plain = Matrix(pattern, values, Properties(symmetric=False, definite=False, constant=False, dimension=2))
    mixed = [systems[0], System(plain, systems[1].rhs), *systems[2:]]
    peace, found = (Direct(method="direct").solver().solve_batch(these, None) for these in (systems, mixed))
    assert all(solution.result is Result.CONVERGED for solution in found)
    for system, solution in zip(mixed, found, strict=True):
        assert np.linalg.norm(system.residual(solution.value)) < 1e-13 * np.linalg.norm(system.rhs)
    for n in (0, 2, 3):
        assert found[n].value.tobytes() == peace[n].value.tobytes()


def test_a_matrix_with_a_null_space_is_pinned() -> None:
    matrix = csr_array(grid(9, 7) - 0.01 * eye_array(63))
    matrix = csr_array(matrix - diags_array(matrix.sum(axis=1)))  # rows sum to zero
    first = like(matrix, 0)
    matrix.sort_indices()
    whole = Matrix(first.pattern, matrix.data, DEFINITE, (np.ones(63),))
    rhs = np.random.default_rng(0).standard_normal(63)
    rhs -= rhs.mean()
    (value,) = Cholesky(fronts_of(first.pattern)).solve([System(whole, rhs)])
    assert value is not None
    assert np.linalg.norm(matrix @ value - rhs) < 1e-12 * np.linalg.norm(rhs)


def test_large_fronts_are_left_to_dense_kernels() -> None:
    assert fits(fronts_of(like(grid(40, 40), 0).pattern))
    assert not fits(fronts_of(like(grid(22, 22, 22), 0).pattern))


def test_direct_asks_for_several_at_a_time_where_matrices_are_definite() -> None:
    solver, pattern = Direct(method="direct").solver(), like(grid(12, 12), 0).pattern
    plain = Pattern(pattern.indptr, pattern.indices, dimension=2)
    assert solver.batch(pattern, constant=False) == LANES
    assert solver.batch(plain, constant=False) == 1
