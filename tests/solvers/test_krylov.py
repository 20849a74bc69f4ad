"""The recycled kernel: its relations, its agreement with the plain algorithm, and that it cannot be fooled."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.linalg import eig, subspace_angles

from pdemill.points import Array
from pdemill.solvers.krylov.arnoldi import arnoldi_cycle
from pdemill.solvers.krylov.carrying import Carrying
from pdemill.solvers.krylov.learning import Learning
from pdemill.solvers.krylov.orthonormal import has_drifted, orthonormalise
from pdemill.solvers.krylov.recycle_space import RecycleSpace
from pdemill.solvers.krylov.selection import harmonic_vectors
from pdemill.solvers.krylov.solver import Left, SkrSolver
from pdemill.solvers.krylov.sums import work_rows
from pdemill.solvers.operators.product import LibraryError, check
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.solvers.solution import Result
from pdemill.spec.problem import Properties
from tests.preconditioned import Preconditioned
from tests.solvers.plain_gcrodr import arnoldi, plain_gcrodr

N = 150
PATTERN = Pattern(np.arange(0, N * N + 1, N, dtype=np.int32), np.tile(np.arange(N, dtype=np.int32), N))
GENERAL = Properties(symmetric=False, definite=False, constant=False, dimension=2)


START = Left(None, Carrying())


def _matrix(A: Array) -> Matrix:
    return Matrix(PATTERN, A.ravel().copy(), GENERAL)


def _dense(seed: int, shift: float = 0.0) -> Array:
    """A nonsymmetric matrix with a few small eigenvalues of both signs."""
    rng = np.random.default_rng(seed)
    A = np.diag(np.concatenate([[-0.02, 0.01, 0.03, 0.05], np.linspace(1, 4, N - 4)]))
    return np.asarray(A + 0.01 * rng.standard_normal((N, N)) + shift * np.diag(rng.standard_normal(N)))


def _solver(m: int = 20, k: int = 6, rtol: float = 1e-9, limit: int = 5000) -> SkrSolver:
    return SkrSolver([partial(Preconditioned, preconditioner="none")], m, k, rtol, limit, always=True)


def _rhs(count: int) -> Array:
    return np.random.default_rng(7).standard_normal((count, N))


@pytest.mark.parametrize("changing", [False, True])
def test_it_takes_the_steps_of_the_plain_algorithm(changing: bool) -> None:
    solver, state, U = _solver(), START, None
    A = _dense(0)
    matrix = _matrix(A)
    counts = []
    for i, b in enumerate(_rhs(6)):
        if changing:
            A = _dense(0) + 0.002 * i * _dense(1)
            matrix = _matrix(A)
        solution = solver.solve(System(matrix, b), state)
        x, products, U = plain_gcrodr(A, b, U, 20, 6, 1e-9)
        again = 0 if changing or state.space is None else 6  # the plain one computes the images of U for every system
        state = solution.state
        assert solution.result is Result.CONVERGED
        assert np.linalg.norm(b - A @ solution.value) <= 1e-9 * np.linalg.norm(b)
        assert np.linalg.norm(solution.value - x) <= 1e-6 * np.linalg.norm(x)
        counts.append((solution.stats.iterations, products - again))
    assert all(abs(ours - plain) <= 2 for ours, plain in counts), counts
    assert counts[-1][0] < 0.8 * counts[0][0]


def test_a_cycle_satisfies_the_arnoldi_relation() -> None:
    """A [v_1 .. v_p] = W T with orthonormal W, and z solves the small least-squares problem."""
    rng = np.random.default_rng(3)
    A, k, m = _dense(2), 5, 17
    operator = Preconditioned(PATTERN, "none")
    operator.load(_matrix(A))
    rows = work_rows(m + 1, N)
    W = rows[:, :N]
    handles = operator.handles([*W])
    W[: k + 1] = np.linalg.qr(rng.standard_normal((N, k + 1)))[0].T
    T, z, stuck = arnoldi_cycle(operator.product, rows, N, handles, k, 2.0, 0.0)
    assert T.shape == (m + 1, m - k)
    assert not stuck
    assert np.abs(W @ W.T - np.eye(m + 1)).max() <= 1e-13
    assert np.abs(A @ W[k:m].T - W.T @ T).max() <= 1e-13 * np.abs(A).max() * N
    e = np.zeros(m + 1 - k)
    e[0] = 2.0
    assert z == pytest.approx(np.linalg.lstsq(T[k:], e, rcond=None)[0], rel=1e-9)


def test_a_cycle_stops_at_its_goal_and_at_an_invariant_space() -> None:
    operator = Preconditioned(PATTERN, "none")
    operator.load(_matrix(np.diag(np.repeat([1.0, 2.0, 5.0], N // 3))))
    rows = work_rows(12, N)
    handles = operator.handles([*rows[:, :N]])
    rows[0] = 1.0 / np.sqrt(N)
    T, z, stuck = arnoldi_cycle(operator.product, rows, N, handles, 0, 1.0, 0.0)
    assert stuck
    assert len(z) == 3
    T, z, stuck = arnoldi_cycle(operator.product, rows, N, handles, 0, 1.0, 0.5)
    e = np.eye(len(z) + 1)[0]
    assert np.linalg.norm(e - T @ z) <= 0.5
    assert len(z) < 3


def test_the_kept_vectors_are_the_harmonic_ritz_vectors() -> None:
    """The span of the paper's generalised eigenproblem; images orthonormal, vectors orthogonal and of length 1 / σ."""
    rng = np.random.default_rng(5)
    A, kept, k = (_dense(4) + _dense(4).T) / 2, 4, 5  # symmetric: no conjugate pair can be cut in two
    U = np.linalg.qr(rng.standard_normal((N, kept)))[0]
    left, sigma, right = np.linalg.svd(A @ U, full_matrices=False)
    C, U = left, U @ right.T / sigma
    r = rng.standard_normal(N)
    V, H, B, _ = arnoldi(A, C, r - C @ (C.T @ r), 12, 0.0)
    hat, W = np.hstack([U * sigma, V[:, :-1]]), np.hstack([C, V])
    G = np.block([[np.diag(sigma), B], [np.zeros((13, kept)), H]])
    assert np.abs(A @ hat - W @ G).max() <= 1e-12
    chosen = harmonic_vectors(G, W.T @ hat, kept, k)
    assert chosen is not None
    P, Q, found = chosen
    assert np.abs(G @ P - Q).max() <= 1e-10
    assert np.abs(Q.T @ Q - np.eye(k)).max() <= 1e-12
    new = (hat @ P) * found
    assert np.abs(new.T @ new - np.eye(k)).max() <= 1e-10
    values, vectors = eig(G.T @ G, G.T @ W.T @ hat)
    wanted = vectors[:, np.argsort(np.abs(values))[:k]].real
    assert subspace_angles(P, wanted).max() <= 1e-8


def test_nothing_is_kept_of_numbers_that_are_not_finite() -> None:
    assert harmonic_vectors(np.full((4, 3), np.nan), np.eye(4, 3), 0, 2) is None


def test_rows_are_made_orthonormal_or_called_dependent() -> None:
    rng = np.random.default_rng(6)
    C = np.linalg.qr(rng.standard_normal((N, 6)))[0].T.copy()
    assert not has_drifted(C)
    for size in (1e-9, 1e-3, 10.0):
        D, U = C + size * rng.standard_normal(C.shape), np.eye(6, N)
        before = D.copy()
        assert has_drifted(D)
        assert orthonormalise(D, U)
        assert np.abs(D @ D.T - np.eye(6)).max() <= 1e-11
        assert np.abs(U[:, :6] @ before - D).max() <= 1e-9
    C[3] = C[2]
    assert not orthonormalise(C, np.eye(6, N))


def test_orthogonality_lasts_over_many_systems_and_matrices() -> None:
    solver, state = _solver(), START
    for i, b in enumerate(_rhs(40)):
        A = _dense(0) + 0.001 * i * _dense(1)
        solution = solver.solve(System(_matrix(A), b), state)
        state = solution.state
        assert solution.result is Result.CONVERGED
        assert np.linalg.norm(b - A @ solution.value) <= 1e-9 * np.linalg.norm(b)
        space = state.space
        assert space is not None
        assert np.abs(space.C @ space.C.T - np.eye(6)).max() <= 1e-9
        assert np.abs(space.U @ A.T - space.C).max() <= 1e-9
        assert np.abs(space.C @ space.U.T - space.overlap).max() <= 1e-6 * np.abs(space.U).max()
        scaled = space.sigma[:, None] * space.U
        assert np.abs(scaled @ scaled.T - np.eye(6)).max() <= 1e-6


def test_a_space_settles_on_a_constant_matrix_and_is_then_left_alone() -> None:
    solver, state, matrix = _solver(), START, _matrix(_dense(0))
    states: list[RecycleSpace] = []
    counts = []
    for b in _rhs(20):
        solution = solver.solve(System(matrix, b), state)
        state = solution.state
        counts.append(solution.stats.iterations)
        assert state.space is not None
        states.append(state.space)
    assert states[-1].learning.settled
    assert not states[0].learning.settled
    assert states[-1].U is states[-2].U
    assert states[-1].C is states[-2].C
    assert max(counts[10:]) <= counts[1] + 1 < counts[0]
    other = solver.solve(System(_matrix(_dense(0)), _rhs(1)[0]), state).state.space
    assert other is not None
    assert not other.learning.settled


def test_learning_ends_when_the_singular_values_stand_still() -> None:
    learning = Learning().next_system(np.array([1.0, 2.0]))
    assert learning.refresh
    assert learning.next_system(np.array([0.9, 2.0])).refresh
    settled = learning.next_system(np.array([0.99, 2.0]))
    assert not settled.refresh
    assert settled.next_system(np.array([0.1, 0.1])) is settled


def test_what_a_solver_did_before_changes_no_bit() -> None:
    matrix, (a, b, c) = _matrix(_dense(0)), _rhs(3)
    one = _solver()
    first = one.solve(System(matrix, a), START)
    second = one.solve(System(matrix, b), first.state)
    other = _solver()
    other.solve(System(_matrix(_dense(9)), c), START)
    again = other.solve(System(matrix, b), first.state)
    assert np.array_equal(second.value, again.value)
    assert second.stats == again.stats
    kept, same = second.state.space, again.state.space
    assert kept is not None
    assert same is not None
    assert np.array_equal(kept.U, same.U)
    assert np.array_equal(kept.C, same.C)


@pytest.mark.parametrize("lie", [1e-6, 1e-2, 1.0])
def test_a_space_that_lies_is_found_out(lie: float) -> None:
    """A state whose C is not A M⁻¹ U: the answer is certified all the same, by the true residual."""
    solver, A = _solver(), _dense(0)
    matrix, (a, b) = _matrix(A), _rhs(2)
    state = solver.solve(System(matrix, a), START).state
    space = state.space
    assert space is not None
    wrong = replace(space, U=space.U + lie * np.abs(space.U).max() * np.random.default_rng(1).standard_normal((6, N)))
    solution = solver.solve(System(matrix, b), replace(state, space=wrong))
    assert solution.result is Result.CONVERGED
    assert np.linalg.norm(b - A @ solution.value) <= 1e-9 * np.linalg.norm(b)


def test_a_tolerance_out_of_reach_is_a_named_result() -> None:
    U, _, V = np.linalg.svd(_dense(0))
    A = (U * np.geomspace(1, 1e-15, N)) @ V
    solution = _solver(rtol=1e-13, limit=2000).solve(System(_matrix(A), _rhs(1)[0]), START)
    assert solution.result in (Result.MISSED_TOLERANCE, Result.MAX_ITERATIONS)


def test_numbers_that_are_not_finite_are_a_named_result() -> None:
    A = _dense(0)
    A[3, 4] = np.inf
    solution = _solver().solve(System(_matrix(A), _rhs(1)[0]), START)
    assert solution.result in (Result.NOT_FINITE, Result.BREAKDOWN)
    assert solution.state.space is None


def test_a_library_that_refuses_is_an_error() -> None:
    with pytest.raises(LibraryError, match="code 73"):
        check(73)
