"""Blocks of right-hand sides in recycled GCRO-DR: each as right as alone, with its own steps, and not to be harmed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy.sparse.linalg import spsolve

from pdemill.points import Array
from pdemill.solvers.estimate import estimate
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.field_shard import solve_shard
from pdemill.solvers.krylov.block_gcrodr import BlockBasis, block_gcrodr
from pdemill.solvers.krylov.block_kernels import LANES
from pdemill.solvers.krylov.recycle_space import RecycleSpace
from pdemill.solvers.krylov.solver import LEAST, Left, SkrSolver
from pdemill.solvers.krylov.triangular import TriangularPreconditioned
from pdemill.solvers.methods.skr import Skr
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.solvers.solution import Result, Solution
from pdemill.spec import Spec, validate
from pdemill.spec.problem import Properties
from pdemill.store.layout import Shard

RTOL = 1e-9
SOURCE = {"field": "gaussian", "alpha": 1, "tau": 3}
PROBLEMS: dict[str, dict[str, Any]] = {
    "poisson": {"family": "poisson", "source": SOURCE},
    "wind": {"family": "convection_diffusion", "coefficient": 0.02, "velocity": [1, 0.5], "source": SOURCE},
    "waves": {"family": "helmholtz", "wavenumber": 12, "source": SOURCE},
}
RESTART, RECYCLE = 20, 8


def _spec(kind: str, cells: int = 24, samples: int = 32, **options: Any) -> Spec:
    solver = {"method": "skr", "restart": RESTART, "recycle": RECYCLE, "rtol": RTOL, "guess": "zero", **options}
    return validate({"problem": {**PROBLEMS[kind], "resolution": [cells, cells]}, "samples": samples, "solver": solver})


def _solver(preconditioner: str = "ilu", limit: int = 5000, blocks: bool = True) -> SkrSolver:
    make = partial(TriangularPreconditioned, preconditioner=preconditioner)
    return SkrSolver([make], RESTART, RECYCLE, RTOL, limit, in_blocks=10_000 if blocks else 0)


def _systems(kind: str, count: int) -> list[System]:
    job = FieldJob(_spec(kind))
    found = [job.discretisation.assemble(job.instance("train", i)) for i in range(count)]
    return [replace(system, matrix=found[0].matrix) for system in found]


@pytest.fixture(scope="module")
def systems() -> list[System]:
    return _systems("poisson", 24)


def _settled(systems: list[System], solver: SkrSolver) -> Left:
    """The state when there is nothing left to learn."""
    state = solver.start()
    for system in systems:
        state = solver.solve(system, state).state
        if state.space is not None and state.space.learning.settled:
            return state
    raise AssertionError("never settled")


@pytest.fixture(scope="module")
def state(systems: list[System]) -> Left:
    return _settled(systems, _solver())


def _certified(systems: list[System], solutions: list[Solution[Left]]) -> None:
    A = systems[0].matrix.sparse()
    for system, solution in zip(systems, solutions, strict=True):
        assert solution.result is Result.CONVERGED
        assert np.linalg.norm(system.rhs - A @ solution.value) <= RTOL * np.linalg.norm(system.rhs)
        exact = spsolve(A.tocsc(), system.rhs)
        assert np.linalg.norm(solution.value - exact) <= 1e-6 * np.linalg.norm(exact)


def _counts(solutions: list[Solution[Left]]) -> list[int]:
    return [solution.stats.iterations for solution in solutions]


def _alone(systems: list[System], solver: SkrSolver, state: Left) -> list[Solution[Left]]:
    return [solver.solve(system, state) for system in systems]


KINDS = [("poisson", "none"), ("poisson", "icc"), ("wind", "sor"), ("wind", "ilu"), ("waves", "jacobi")]


@pytest.mark.parametrize(("kind", "preconditioner"), KINDS)
def test_each_takes_the_steps_that_it_takes_alone(kind: str, preconditioner: str) -> None:
    """And those of the slowest: a block steps until all are at their goals."""
    some, solver = _systems(kind, 24), _solver(preconditioner)
    state = _settled(some, solver)
    alone, block = _alone(some[-8:], solver, state), solver.solve_batch(some[-8:], state)
    _certified(some[-8:], block)
    assert max(_counts(block)) <= max(_counts(alone)) + 1
    assert all(b >= a - 1 for a, b in zip(_counts(alone), _counts(block), strict=True))
    for a, b in zip(alone, block, strict=True):
        assert np.linalg.norm(a.value - b.value) <= 1e-6 * np.linalg.norm(a.value)


def test_after_each_cycle_the_residual_is_that_of_the_iterate_and_orthogonal_to_the_space(
    systems: list[System], state: Left
) -> None:
    """What is asked for in one cycle is its least-squares solution, in every place of the block."""
    matrix, space = systems[0].matrix, state.space
    assert space is not None
    operator = TriangularPreconditioned(matrix.pattern, "ilu")
    assert operator.load(matrix)
    basis = BlockBasis(operator, matrix.pattern.size, RESTART, RECYCLE)
    some = systems[-5:]
    X, used, done = block_gcrodr(operator, operator.side_by_side(), some, space, basis, 1e-14, RESTART - RECYCLE)
    assert not done.any()
    assert used.tolist() == [RESTART - RECYCLE] * 5
    A = matrix.sparse()
    for x, system in zip(X, some, strict=True):
        best = _least_squares(operator, space, system.rhs, RESTART - RECYCLE)
        left = system.rhs - A @ x
        assert np.abs(space.C @ left).max() <= 1e-10 * np.linalg.norm(system.rhs)
        assert np.linalg.norm(left) == pytest.approx(best, rel=1e-6)


def _least_squares(operator: TriangularPreconditioned, space: RecycleSpace, b: Array, steps: int) -> float:
    """The smallest residual over the recycled space and a Krylov space of (I - CᵀC) A M⁻¹, in dense arithmetic."""
    zero, C = np.zeros_like(b), space.C
    v = b - C.T @ (C @ b)
    images, V = [], [v / np.linalg.norm(v)]
    for _ in range(steps):
        w = -operator.residual(operator.precondition(V[-1]), zero)
        images.append(w)
        w = w - C.T @ (C @ w)
        for _ in range(2):
            w = w - sum((u @ w) * u for u in V)
        V.append(w / np.linalg.norm(w))
    columns = np.column_stack([*images, *C])
    return float(np.linalg.norm(b - columns @ np.linalg.lstsq(columns, b, rcond=None)[0]))


def test_the_first_systems_are_learnt_from_alone_and_the_others_share_a_block(systems: list[System]) -> None:
    solver, one = _solver(), _solver(blocks=False)
    batched, alone = solver.solve_batch(systems[:16], solver.start()), one.solve_batch(systems[:16], one.start())
    _certified(systems[:16], batched)
    same = [np.array_equal(a.value, b.value) for a, b in zip(batched, alone, strict=True)]
    learnt = same.index(False)
    assert 1 < learnt <= 8
    assert not any(same[learnt : learnt + LEAST])
    before, after = batched[learnt - 1].state.space, batched[-1].state.space
    assert before is not None
    assert after is not None
    assert np.array_equal(before.U, after.U)
    later = solver.solve_batch(systems[16:19], batched[-1].state)
    for a, b in zip(later, _alone(systems[16:19], _solver(), batched[-1].state), strict=True):
        assert np.array_equal(a.value, b.value)


def test_one_state_gives_the_same_bits_whatever_was_solved_before(systems: list[System], state: Left) -> None:
    used = _solver()
    used.solve_batch(systems[:16], used.start())
    used.solve_batch(systems[:LANES], state)
    again = _solver().solve_batch(systems[16:], state)
    for a, b in zip(used.solve_batch(systems[16:], state), again, strict=True):
        assert np.array_equal(a.value, b.value)
        assert a.stats == b.stats


def test_a_shard_is_the_same_when_it_is_solved_again() -> None:
    job = FieldJob(_spec("poisson", 16))
    whole, _ = solve_shard(job, Shard("train", 0, 0, 32), lambda progress: None)
    again, _ = solve_shard(FieldJob(_spec("poisson", 16)), Shard("train", 0, 0, 32), lambda progress: None)
    assert (whole.arrays["method"] == job.method_names().index("skr")).all()
    assert np.array_equal(whole.arrays["solution"], again.arrays["solution"])
    assert np.array_equal(whole.arrays["iterations"], again.arrays["iterations"])


def test_equal_dependent_and_zero_right_hand_sides(systems: list[System], state: Left) -> None:
    rhs = [system.rhs for system in systems[-8:]]
    rhs[1], rhs[2], rhs[3] = rhs[0], -2e9 * rhs[0], rhs[4] + 1e-7 * rhs[5]
    rhs[6], rhs[7] = np.zeros_like(rhs[0]), systems[0].matrix.sparse() @ rhs[0]
    these = [replace(systems[0], rhs=b) for b in rhs]
    found = _solver().solve_batch(these, state)
    assert not found[6].value.any()
    assert found[6].result is Result.CONVERGED
    assert found[6].stats.iterations == 0
    _certified(these[:6] + these[7:], found[:6] + found[7:])
    assert np.array_equal(found[0].value, found[1].value)


def test_guesses_save_steps_and_those_that_are_there_take_none(systems: list[System], state: Left) -> None:
    A = systems[0].matrix.sparse().tocsc()
    exact = [spsolve(A, system.rhs) for system in systems[-8:]]
    far = [replace(s, guess=x) if i == 3 else s for i, (s, x) in enumerate(zip(systems[-8:], exact, strict=True))]
    found = _solver().solve_batch(far, state)
    _certified(far, found)
    assert found[3].stats.iterations == 0
    near = [replace(s, guess=1.0001 * x) for s, x in zip(systems[-8:], exact, strict=True)]
    begun = _solver().solve_batch(near, state)
    _certified(near, begun)
    assert sum(_counts(begun)) < 0.8 * sum(_counts(_solver().solve_batch(systems[-8:], state)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_that_cannot_be_computed_harms_no_other(systems: list[System], state: Left, bad: float) -> None:
    wrong = systems[17].rhs.copy()
    wrong[5] = bad
    these = [*systems[16:23], replace(systems[17], rhs=wrong)]
    with np.errstate(all="ignore"):
        found, alone = _solver().solve_batch(these, state), _solver().solve(these[7], state)
    _certified(these[:7], found[:7])
    assert found[7].result is alone.result is Result.NOT_FINITE


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_one_whose_square_is_no_number_is_solved_beside_the_others(
    systems: list[System], state: Left, size: float
) -> None:
    these = [*systems[16:23], replace(systems[17], rhs=size * systems[23].rhs)]
    found = _solver().solve_batch(these, state)
    _certified(these[:7], found[:7])
    scaled = replace(found[7], value=found[7].value / size)
    _certified([systems[23]], [scaled])


def test_a_space_that_became_invariant_and_a_limit_are_told_as_alone(systems: list[System], state: Left) -> None:
    some = systems[-8:]
    for limit in (1, 13, RESTART + 5):
        block = _solver(limit=limit).solve_batch(some, state)
        alone = _alone(some, _solver(limit=limit), state)
        assert [one.result for one in block] == [one.result for one in alone]
        assert all(abs(a - b) <= 1 for a, b in zip(_counts(block), _counts(alone), strict=True))
    assert state.space is not None
    waves = np.sin(np.pi * 5 * (np.arange(24) + 0.5) / 24)
    eigenvector = np.outer(waves, waves).ravel()
    plain = _solver("none")
    settled = _settled(systems, plain)
    these = [replace(some[0], rhs=eigenvector), *some[1:]]
    _certified(these, plain.solve_batch(these, settled))


def test_a_singular_matrix_is_told_for_all(state: Left) -> None:
    """Its null space was not told, so that it is found out."""
    n = 40
    A = np.diag(np.r_[0.0, np.linspace(1.0, 3.0, n - 1)])
    A[0, 0] = 1e-300
    pattern = Pattern(np.arange(0, n * n + 1, n, dtype=np.int32), np.tile(np.arange(n, dtype=np.int32), n))
    matrix = Matrix(pattern, A.ravel(), Properties(symmetric=True, definite=False, constant=True, dimension=2))
    rng = np.random.default_rng(0)
    solver = _solver("none", limit=200)
    rhs = rng.standard_normal((24, n))
    rhs[:16, 0] = 0.0
    begun = solver.solve_batch([System(matrix, b) for b in rhs[:16]], solver.start())
    assert all(one.result.ok for one in begun)
    ended = solver.solve_batch([System(matrix, b) for b in rhs[16:]], begun[-1].state)
    assert not any(one.result.ok for one in ended)


def test_few_systems_and_other_matrices_are_not_mixed(systems: list[System], state: Left) -> None:
    other = Matrix(systems[0].matrix.pattern, 1.5 * systems[0].matrix.values, systems[0].matrix.properties)
    mixed = systems[:LEAST] + [replace(system, matrix=other) for system in systems[LEAST : 2 * LEAST]]
    solver = _solver()
    found = solver.solve_batch(mixed, state)
    _certified(mixed[:LEAST], found[:LEAST])
    _certified(mixed[LEAST:], found[LEAST:])
    few = systems[: LEAST - 1]
    for a, b in zip(_solver().solve_batch(few, state), _alone(few, _solver(), state), strict=True):
        assert np.array_equal(a.value, b.value)


def test_a_job_asks_for_blocks_where_their_memory_is_told_and_small() -> None:
    job = FieldJob(_spec("poisson"))
    pattern = job.discretisation.pattern
    assert job.sequence().batch(pattern, constant=True) == LANES
    assert job.sequence().batch(pattern, constant=False) == 1
    vectors = RESTART + 1 + 5 * RECYCLE + 8 * (RESTART - RECYCLE + 1) + 80
    assert estimate(_spec("poisson", 512)).recycled_bytes == 8 * vectors * 512**2
    large = _spec("poisson", 1024, restart=120)
    assert estimate(large).recycled_bytes == 8 * (120 + 1 + 5 * RECYCLE) * 1024**2
    wide = replace(pattern, indptr=np.zeros(1024**2 + 1, np.int32))
    method = large.solver.resolve(large.problem)
    assert isinstance(method, Skr)
    assert method.solver().batch(wide, constant=True) == 1
    fetched = _spec("poisson", preconditioner="gamg")
    assert estimate(fetched).recycled_bytes == 8 * (RESTART + 1 + 5 * RECYCLE) * 24**2
