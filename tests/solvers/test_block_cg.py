"""Blocks of right-hand sides in recycled CG: as right as one by one, for fewer products, and not to be broken."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import batched

import numpy as np
import pytest

from pdemill.points import Array
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.krylov.block_kernels import LANES
from pdemill.solvers.krylov.deflation import Deflation
from pdemill.solvers.krylov.recycled_cg import LEAST, RecycledCgSolver
from pdemill.solvers.krylov.small_blocks import factor, inverse
from pdemill.solvers.krylov.triangular import TriangularPreconditioned
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.solvers.solution import Result, Solution
from pdemill.spec import validate
from pdemill.spec.problem import Properties

RTOL = 1e-9
SPEC = {
    "problem": {
        "family": "poisson",
        "resolution": [24, 24],
        "source": {"field": "gaussian", "alpha": 1, "tau": 3},
    },
    "samples": 24,
    "solver": {"method": "cg", "recycle": 8, "rtol": RTOL, "guess": "zero"},
}


def _solver(preconditioner: str = "icc", recycle: int = 8, limit: int = 2000) -> RecycledCgSolver:
    return RecycledCgSolver([partial(TriangularPreconditioned, preconditioner=preconditioner)], recycle, RTOL, limit)


@pytest.fixture(scope="module")
def systems() -> list[System]:
    job = FieldJob(validate(SPEC))
    found = [job.discretisation.assemble(job.instance("train", i)) for i in range(24)]
    return [replace(system, matrix=found[0].matrix) for system in found]


def _solved(systems: list[System], many: int, solver: RecycledCgSolver) -> list[Solution[Deflation | None]]:
    state: Deflation | None = None
    found: list[Solution[Deflation | None]] = []
    for some in batched(systems, many):
        found += solver.solve_batch(list(some), state)
        state = found[-1].state
    return found


def _certified(systems: list[System], solutions: list[Solution[Deflation | None]]) -> None:
    A = systems[0].matrix.sparse().toarray()
    for system, solution in zip(systems, solutions, strict=True):
        assert solution.result is Result.CONVERGED
        assert np.linalg.norm(system.rhs - A @ solution.value) <= RTOL * np.linalg.norm(system.rhs)
        exact = np.linalg.solve(A, system.rhs)
        assert np.linalg.norm(solution.value - exact) <= 1e-6 * np.linalg.norm(exact)


@pytest.mark.parametrize("preconditioner", ["none", "jacobi", "sor", "icc"])
def test_blocks_are_as_right_as_one_by_one_for_fewer_products(systems: list[System], preconditioner: str) -> None:
    alone = _solved(systems, 1, _solver(preconditioner))
    blocks = _solved(systems, LANES, _solver(preconditioner))
    _certified(systems, alone)
    _certified(systems, blocks)
    counts = [sum(one.stats.iterations for one in some) for some in (alone, blocks)]
    assert counts[1] <= 0.9 * counts[0]


def test_what_a_block_learns_are_the_smallest_eigenvectors(systems: list[System]) -> None:
    A = systems[0].matrix.sparse().toarray()
    diagonal = np.sqrt(np.diag(A))
    state = _solved(systems, LANES, _solver("jacobi"))[-1].state
    assert state is not None
    exact = np.linalg.eigvalsh(A / diagonal / diagonal[:, None])
    assert (exact[:4] <= state.theta[:4]).all()
    assert state.theta[:4] == pytest.approx(exact[:4], rel=0.1)
    assert np.abs(state.U @ A @ state.U.T - np.eye(len(state.U))).max() <= 1e-9
    later = _solved(systems[:LANES], LANES, _solver("jacobi")), _solver("jacobi").solve_batch(systems[:LANES], state)
    first, deflated = (sum(one.stats.iterations for one in some) for some in later)
    assert deflated < 0.9 * first


def test_one_state_gives_the_same_bits_whatever_was_solved_before(systems: list[System]) -> None:
    used = _solver()
    states = [_solved(systems[:8], LANES, used)[-1].state, None]
    for state in states:
        for other in (used, _solver()):
            _solved(systems[8:20], LANES, other)
            one, again = other.solve_batch(systems[16:], state), _solver().solve_batch(systems[16:], state)
            for a, b in zip(one, again, strict=True):
                assert np.array_equal(a.value, b.value)
                assert a.stats == b.stats
            assert one[-1].state is not None
            assert again[-1].state is not None
            assert np.array_equal(one[-1].state.U, again[-1].state.U)


def test_equal_right_hand_sides_cost_one(systems: list[System]) -> None:
    same = [replace(systems[0], rhs=factor * systems[0].rhs) for factor in (1.0, 1.0, -2.0, 1e-9, 1e9, 1.0, 3.0, 0.5)]
    found = _solver().solve_batch(same, None)
    _certified(same, found)
    harvest = 8
    alone = _solver().solve(systems[0], None).stats.iterations
    assert sum(one.stats.iterations for one in found) <= alone + harvest


def test_dependent_zero_and_nearly_equal_right_hand_sides(systems: list[System]) -> None:
    rhs = [system.rhs for system in systems[:LANES]]
    rhs[2] = rhs[0] + 2.0 * rhs[1]
    rhs[3] = np.zeros_like(rhs[0])
    rhs[5] = rhs[4] * (1.0 + 1e-7) + 1e-5 * rhs[6]
    rhs[7] = systems[0].matrix.sparse() @ rhs[6]
    these = [replace(systems[0], rhs=b) for b in rhs]
    found = _solver().solve_batch(these, None)
    assert not found[3].value.any()
    _certified(
        [one for one in these if one.rhs.any()], [s for s, one in zip(found, these, strict=True) if one.rhs.any()]
    )


def test_those_that_are_there_already_are_dropped(systems: list[System]) -> None:
    A = systems[0].matrix.sparse().toarray()
    these = [replace(s, guess=np.linalg.solve(A, s.rhs)) if i % 2 else s for i, s in enumerate(systems[:LANES])]
    found = _solver().solve_batch(these, None)
    _certified(these, found)
    work = sum(one.stats.iterations for one in found)
    assert work < sum(one.stats.iterations for one in _solver().solve_batch(systems[:LANES], None))


def test_one_that_is_not_finite_harms_no_other(systems: list[System]) -> None:
    bad = systems[1].rhs.copy()
    bad[5] = np.nan
    these = [systems[0], replace(systems[1], rhs=bad), *systems[2:7]]
    found = _solver().solve_batch(these, None)
    assert found[1].result is Result.NOT_FINITE
    _certified(these[:1] + these[2:], found[:1] + found[2:])


def test_failures_are_named_and_small_groups_go_one_by_one(systems: list[System]) -> None:
    assert all(s.result is Result.MAX_ITERATIONS for s in _solver(limit=3).solve_batch(systems[:LANES], None))
    n = 41
    A = np.diag(np.linspace(-1.0, 2.0, n))
    pattern = Pattern(np.arange(0, n * n + 1, n, dtype=np.int32), np.tile(np.arange(n, dtype=np.int32), n))
    matrix = Matrix(pattern, A.ravel(), Properties(symmetric=True, definite=True, constant=True, dimension=2))
    rhs = np.random.default_rng(0).standard_normal((LANES, n))
    broken = _solver("none").solve_batch([System(matrix, b) for b in rhs], None)
    assert all(s.result is Result.BREAKDOWN for s in broken)
    few, solver = systems[: LEAST - 1], _solver()
    for one, other in zip(solver.solve_batch(few, None), _solved(few, 1, _solver()), strict=True):
        assert np.array_equal(one.value, other.value)


def test_other_matrices_begin_other_blocks(systems: list[System]) -> None:
    other = Matrix(systems[0].matrix.pattern, 1.5 * systems[0].matrix.values, systems[0].matrix.properties)
    mixed = systems[:5] + [replace(system, matrix=other) for system in systems[5:10]]
    found = _solver().solve_batch(mixed, None)
    _certified(mixed[:5], found[:5])
    _certified(mixed[5:], found[5:])


def test_factors_of_gram_matrices() -> None:
    rng = np.random.default_rng(0)
    V = rng.standard_normal((50, 8))
    V[:, 3], V[:, 5] = V[:, 1] - V[:, 0], 0.0
    V[:, 2] *= 1e-6
    S, T = np.zeros((8, 8)), np.zeros((8, 8))
    rank, _ = factor(V.T @ V, S, T)
    Q: Array = V @ T
    assert rank == 6
    assert np.abs(Q.T @ Q - np.diag([1.0] * 6 + [0.0] * 2)).max() <= 1e-13
    assert np.abs(Q @ S - V).max() <= 1e-13
    assert factor(-np.eye(8), S, T)[0] == -1
    assert factor(np.full((8, 8), np.nan), S, T)[0] == -1
    D, out = np.zeros((8, 8)), np.zeros((8, 8))
    D[:6, :6] = V[:6].T[:, :6].T @ V[:6].T[:, :6] + np.eye(6)
    assert inverse(D, 6, out)
    assert np.abs(out[:6, :6] @ D[:6, :6] - np.eye(6)).max() <= 1e-12
    assert not inverse(-D, 6, out)


def test_a_job_solves_a_constant_matrix_in_blocks() -> None:
    job = FieldJob(validate(SPEC))
    sequence = job.sequence()
    pattern = job.discretisation.pattern
    assert sequence.batch(pattern, constant=True) == LANES
    assert sequence.batch(pattern, constant=False) == 1
