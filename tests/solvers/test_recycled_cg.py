"""Recycled conjugate gradients: what is learnt, that it pays, and that it cannot be fooled."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from pdemill.points import Array
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.krylov.conjugate import EVERY, Ending
from pdemill.solvers.krylov.deflation import DeflatedBasis, Deflation
from pdemill.solvers.krylov.recycled_cg import RecycledCgSolver
from pdemill.solvers.krylov.ritz import restart_vectors, smallest_ritz, whitening
from pdemill.solvers.methods.cg import Cg
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.solvers.solution import Result
from pdemill.spec import load_preset
from pdemill.spec.method import Preconditioner
from pdemill.spec.problem import Properties
from tests.preconditioned import Preconditioned

N = 150
PATTERN = Pattern(np.arange(0, N * N + 1, N, dtype=np.int32), np.tile(np.arange(N, dtype=np.int32), N))
DEFINITE = Properties(symmetric=True, definite=True, constant=False, dimension=2)
SMALL = np.array([0.001, 0.003, 0.006, 0.01, 0.02])


def _matrix(A: Array) -> Matrix:
    return Matrix(PATTERN, A.ravel().copy(), DEFINITE)


def _spd(turn: float = 0.0) -> Array:
    """Five small eigenvalues and the rest in [1, 4]; ``turn`` moves the eigenvectors."""
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.standard_normal((N, N)) + turn * rng.standard_normal((N, N)))[0]
    A = (Q * np.concatenate([SMALL, np.linspace(1, 4, N - 5)])) @ Q.T
    return np.asarray((A + A.T) / 2)


def _solver(recycle: int = 5, rtol: float = 1e-9, limit: int = 2000, preconditioner: str = "none") -> RecycledCgSolver:
    return RecycledCgSolver([partial(Preconditioned, preconditioner=preconditioner)], recycle, rtol, limit)


def _rhs(count: int) -> Array:
    return np.random.default_rng(7).standard_normal((count, N))


def _after(systems: int, solver: RecycledCgSolver, matrix: Matrix) -> Deflation:
    state = None
    for b in _rhs(systems):
        state = solver.solve(System(matrix, b), state).state
    assert state is not None
    return state


@pytest.mark.parametrize("turning", [0.0, 1e-3])
def test_later_systems_take_fewer_iterations_and_are_certified(turning: float) -> None:
    solver, state, counts = _solver(), None, []
    A = _spd()
    matrix = _matrix(A)
    for i, b in enumerate(_rhs(8)):
        if turning:
            A = _spd(turning * i)
            matrix = _matrix(A)
        solution = solver.solve(System(matrix, b), state)
        state = solution.state
        assert solution.result is Result.CONVERGED
        assert np.linalg.norm(b - A @ solution.value) <= 1e-9 * np.linalg.norm(b)
        assert np.linalg.norm(solution.value - np.linalg.solve(A, b)) <= 1e-5 * np.linalg.norm(solution.value)
        counts.append(solution.stats.iterations)
    assert max(counts[1:]) <= counts[0]
    assert counts[-1] <= 0.75 * counts[0]


def test_what_is_learnt_are_the_smallest_eigenvectors() -> None:
    A = _spd()
    state = _after(4, _solver(), _matrix(A))
    assert state.theta == pytest.approx(SMALL, rel=1e-3)
    assert np.abs(state.U @ A @ state.U.T - np.eye(5)).max() <= 1e-10
    assert np.abs(state.U @ A - state.AU).max() <= 1e-12
    unit = state.U / np.linalg.norm(state.U, axis=1, keepdims=True)
    assert np.linalg.norm(unit @ A - state.theta[:, None] * unit) <= 1e-4


def test_eigenvalues_are_those_of_the_preconditioned_operator() -> None:
    rng = np.random.default_rng(1)
    scale = np.diag(np.geomspace(1, 100, N)[rng.permutation(N)] ** 0.5)
    A = scale @ _spd() @ scale
    state = _after(5, _solver(preconditioner="jacobi"), _matrix(A))
    values = np.linalg.eigvals(A / np.diag(A)[:, None]).real
    assert state.theta == pytest.approx(np.sort(values)[:5], rel=1e-3)


def test_one_system_deflated_takes_the_steps_of_a_matrix_without_small_eigenvalues() -> None:
    """Five eigenvalues away: the condition number 4000 becomes 4."""
    A = _spd()
    solver = _solver()
    state = _after(4, solver, _matrix(A))
    operator = Preconditioned(PATTERN, "none")
    matrix = _matrix(A)
    operator.load(matrix)
    basis = DeflatedBasis(operator, N, 5)
    b = _rhs(5)[4]
    basis.begin(np.zeros(N), b, replace(state, matrix=matrix))
    basis.project()
    steps, ending = basis.steps(None, 1e-9 * float(np.linalg.norm(b)), 1000)
    assert ending is Ending.REACHED
    assert EVERY < steps <= 22  # 2 (1/3)^s = 1e-9 at s = 20
    assert np.linalg.norm(b - A @ basis.x) <= 2e-9 * np.linalg.norm(b)


def test_the_window_is_the_projected_operator_also_after_restarts() -> None:
    A = _spd()
    operator = Preconditioned(PATTERN, "none")
    matrix = _matrix(A)
    operator.load(matrix)
    basis = DeflatedBasis(operator, N, 5)
    state = _after(1, _solver(), matrix)  # not yet exact: mu does not vanish
    basis.begin(np.zeros(N), _rhs(2)[1], state)
    basis.project()
    window = basis.open_window()
    basis.steps(window, 0.0, 21)
    rows = window.filled
    V = window.V[:rows, :N]
    assert np.abs(V @ V.T - np.eye(rows)).max() <= 1e-6
    T, mu = window.T[:rows, :rows], window.mu[:rows]
    assert np.abs(V @ state.AU.T - mu).max() <= 1e-8
    assert np.abs(V @ A @ V.T - T - mu @ mu.T).max() <= 1e-6


def test_a_restart_keeps_the_ritz_vectors_of_the_last_two_steps() -> None:
    rng = np.random.default_rng(2)
    T = rng.standard_normal((12, 12))
    T = T @ T.T
    Y, values = restart_vectors(T, 3)
    assert np.abs(Y.T @ Y - np.eye(Y.shape[1])).max() <= 1e-12
    assert np.abs(Y.T @ T @ Y - np.diag(values)).max() <= 1e-10
    assert values[:3] == pytest.approx(np.linalg.eigvalsh(T)[:3])
    for small in (np.linalg.eigh(T)[1][:, 0], np.append(np.linalg.eigh(T[:-1, :-1])[1][:, 0], 0.0)):
        assert np.linalg.norm(Y.T @ small) == pytest.approx(1.0)


def test_ritz_vectors_of_a_space_and_a_window() -> None:
    """With all directions given, they are the eigenvectors."""
    A, k = _spd(), 4
    Q = np.linalg.qr(np.random.default_rng(3).standard_normal((N, N)))[0]
    theta, turn = np.linalg.eigh(Q[:, :k].T @ A @ Q[:, :k])
    U, V = Q[:, :k] @ turn / np.sqrt(theta), Q[:, k:]
    mu = V.T @ A @ U
    Y = smallest_ritz(theta, V.T @ A @ V - mu @ mu.T, mu, 5)
    found = np.hstack([U, V]) @ Y
    assert np.abs(found.T @ A @ found - np.diag(SMALL)).max() <= 1e-10


def test_dependent_directions_are_dropped() -> None:
    rows = np.random.default_rng(4).standard_normal((3, N))
    F = np.vstack([rows, rows[0]]) @ np.vstack([rows, rows[0]]).T
    Y = whitening(F)
    assert Y.shape == (4, 3)
    assert np.abs(Y.T @ F @ Y - np.eye(3)).max() <= 1e-9


def test_a_space_settles_and_is_then_left_alone() -> None:
    solver, matrix = _solver(), _matrix(_spd())
    state = _after(6, solver, matrix)
    assert state.learning.settled
    later = solver.solve(System(matrix, _rhs(8)[7]), state).state
    assert later is not None
    assert later.U is state.U
    assert later.AU is state.AU
    moved = solver.solve(System(_matrix(_spd(1e-3)), _rhs(1)[0]), state).state
    assert moved is not None
    assert not moved.learning.settled


@pytest.mark.parametrize("systems", [1, 6])
def test_what_a_solver_did_before_changes_no_bit_and_no_state(systems: int) -> None:
    matrix, b = _matrix(_spd()), _rhs(8)[7]
    used = _solver()
    state = _after(systems, used, matrix)
    before = state.U.copy(), state.AU.copy(), state.theta.copy()
    first = used.solve(System(matrix, b), state)
    used.solve(System(_matrix(_spd(0.1)), b), first.state)
    for again in (used.solve(System(matrix, b), state), _solver().solve(System(matrix, b), state)):
        assert np.array_equal(first.value, again.value)
        assert first.stats == again.stats
        assert first.state is not None
        assert again.state is not None
        assert np.array_equal(first.state.U, again.state.U)
    assert all(np.array_equal(a, c) for a, c in zip(before, (state.U, state.AU, state.theta), strict=True))


@pytest.mark.parametrize("lie", [1e-6, 1e-2, pytest.param(1.0, marks=pytest.mark.needs("petsc4py"))])
def test_a_space_that_lies_is_found_out(lie: float) -> None:
    A = _spd()
    solver, matrix, b = _solver(), _matrix(A), _rhs(7)[6]
    state = _after(6, solver, matrix)
    noise = np.random.default_rng(1).standard_normal(state.U.shape)
    wrong = replace(state, U=state.U + lie * np.abs(state.U).max() * noise)
    solution = solver.solve(System(matrix, b), wrong)
    if solution.result.ok:
        assert np.linalg.norm(b - A @ solution.value) <= 1e-9 * np.linalg.norm(b)
    else:
        ends = (Result.MISSED_TOLERANCE, Result.MAX_ITERATIONS, Result.BREAKDOWN, Result.NOT_FINITE)
        assert solution.result in ends
        assert lie >= 1e-2


def test_failures_are_named_results() -> None:
    b = _rhs(1)[0]
    indefinite = _spd() - 2.0 * np.eye(N)
    assert _solver().solve(System(_matrix(indefinite), b), None).result is Result.BREAKDOWN
    broken = _spd()
    broken[3, 4] = np.inf
    assert _solver().solve(System(_matrix(broken), b), None).result is Result.NOT_FINITE
    assert _solver(limit=3).solve(System(_matrix(_spd()), b), None).result is Result.MAX_ITERATIONS
    assert _solver(rtol=1e-17).solve(System(_matrix(_spd()), b), None).result in (
        Result.MISSED_TOLERANCE, Result.MAX_ITERATIONS,
    )  # fmt: skip


def test_it_is_sorted_when_it_recycles_only() -> None:
    assert Cg(method="cg", recycle=5).recycles
    assert not Cg(method="cg").recycles


@pytest.mark.parametrize(("preconditioner", "fewer"), [("icc", 3.0), ("jacobi", 2.9)])
def test_it_pays_on_the_thermal_plate(preconditioner: Preconditioner, fewer: float) -> None:
    """skr-thermal, n = 11,024, one matrix: after six systems so many times fewer iterations than CG."""
    job = FieldJob(
        load_preset("skr-thermal", [f"solver={{method: cg, preconditioner: {preconditioner}, recycle: 20}}"])
    )
    systems = [job.discretisation.assemble(job.instance("train", i)) for i in range(10)]
    recycled, plain = job.method.solver(), Cg(method="cg", preconditioner=preconditioner).solver()
    state, counts = recycled.start(), []
    for system in systems:
        solution = recycled.solve(system, state)
        assert solution.result is Result.CONVERGED
        state = solution.state
        counts.append(solution.stats.iterations)
    needed = plain.solve(systems[-1], None).stats.iterations
    assert needed >= fewer * np.mean(counts[6:])
    assert max(counts[1:]) < 0.6 * counts[0]
