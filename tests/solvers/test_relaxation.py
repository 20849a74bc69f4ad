"""SOR, SSOR-CG, and learning ω along a sequence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import SpecError
from pdemill.points import Array
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.methods.cg import Cg
from pdemill.solvers.methods.sor import Sor
from pdemill.solvers.operators.system import Matrix, System
from pdemill.solvers.relaxation.bandit import tsallis
from pdemill.solvers.relaxation.chebyshev import basis
from pdemill.solvers.relaxation.context import shift_share
from pdemill.solvers.relaxation.learners import GRID, LEARNERS, Learnt, Regressed, drawn
from pdemill.solvers.relaxation.sor import Sor as SorIteration
from pdemill.solvers.relaxation.ssor_cg import SsorCg
from pdemill.solvers.solution import Result, Solver
from pdemill.spec import validate

DARCY = {"family": "darcy", "resolution": [12, 9], "coefficient": {"field": "lognormal", "modes": 6, "std": 0.6}}


def _systems(problem: dict[str, Any], count: int = 1) -> list[System]:
    job = FieldJob(validate({"problem": problem, "samples": count}))
    return [job.discretisation.assemble(job.instance("train", i)) for i in range(count)]


def _shifted(count: int, cells: int = 10) -> list[System]:
    """A + c_t with c_t that moves, and random right-hand sides."""
    base = _systems({"family": "poisson", "resolution": [cells, cells]})[0]
    rng, found = np.random.default_rng(3), []
    unit = float(base.matrix.values.max()) / 4.0
    for c in unit * 0.6 * rng.beta(0.5, 1.5, count):
        values = base.matrix.values.copy()
        values[base.matrix.pattern.diagonals] += c
        properties = replace(base.matrix.properties, constant=False)
        found.append(System(Matrix(base.matrix.pattern, values, properties), rng.standard_normal(cells**2)))
    return found


def test_a_sweep_is_that_of_the_formula() -> None:
    system, omega = _systems(DARCY)[0], 1.3
    A = system.matrix.sparse().toarray()
    D, L = np.diag(np.diag(A)), np.tril(A, -1)
    u = np.zeros_like(system.rhs)
    for _ in range(3):
        u = u + np.linalg.solve(D / omega + L, system.rhs - A @ u)
    found, result, sweeps = SorIteration(system.matrix.pattern).solve(system.matrix, system.rhs, None, omega, 1e-8, 3)
    assert (result, sweeps) == (Result.MAX_ITERATIONS, 3)
    assert np.abs(found - u).max() <= 1e-13 * np.abs(u).max()


def test_sor_is_fastest_at_young_s_omega() -> None:
    """Five-point Laplacian with u = 0 at nodes, n = 20: ω = 2 / (1 + sin πh) = 1.74, and about 1 / h sweeps per e²."""
    n = 20
    T = 2.0 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    system = _systems({"family": "poisson", "resolution": [n, n]})[0]
    A = np.kron(T, np.eye(n)) + np.kron(np.eye(n), T)
    pattern = system.matrix.pattern
    rows = np.repeat(np.arange(n * n), np.diff(pattern.indptr))
    matrix = Matrix(pattern, A[rows, pattern.indices], system.matrix.properties)
    rhs, best = np.ones(n * n), 2.0 / (1.0 + np.sin(np.pi / (n + 1)))
    sweeps = {o: SorIteration(pattern).solve(matrix, rhs, None, o, 1e-8, 9999)[2] for o in (1.0, 1.6, best, 1.85)}
    assert min(sweeps, key=lambda omega: sweeps[omega]) == best
    assert sweeps[1.0] > 10 * sweeps[best]
    assert sweeps[best] <= -np.log(1e-8) / -np.log(best - 1.0) * 1.8  # ρ = ω - 1, with a Jordan block


@pytest.mark.parametrize("omega", [0.7, 1.0, 1.6])
def test_ssor_cg_is_the_method_with_its_preconditioner(omega: float) -> None:
    system = _systems(DARCY)[0]
    A, b = system.matrix.sparse().toarray(), system.rhs
    D, L = np.diag(np.diag(A)), np.tril(A, -1)
    M = omega / (2.0 - omega) * (D / omega + L) @ np.linalg.inv(D) @ (D / omega + L.T)
    x, r = np.zeros_like(b), b.copy()
    p = z = np.linalg.solve(M, r)
    steps = 0
    while np.linalg.norm(r) > 0.98e-9 * np.linalg.norm(b):
        alpha = (r @ z) / (p @ A @ p)
        x, after = x + alpha * p, r - alpha * (A @ p)
        y = np.linalg.solve(M, after)
        p, r, z = y + (after @ y) / (r @ z) * p, after, y
        steps += 1
    found, result, used = SsorCg(system.matrix.pattern).solve(system.matrix, b, None, omega, 1e-9, 999)
    assert result is Result.CONVERGED
    assert used == steps
    assert np.abs(found - x).max() <= 1e-8 * np.abs(x).max()


def test_probabilities_solve_their_equation() -> None:
    losses, rate = np.array([0.0, 0.3, 2.0, 50.0]), 0.8
    p = tsallis(losses, rate)
    roots = 2.0 / (rate * np.sqrt(p))  # L_i - x
    assert p.sum() == pytest.approx(1.0)
    assert np.ptp(roots - losses) <= 1e-9
    assert basis(0.3)[:4] == pytest.approx([1.0, 0.3, 2 * 0.09 - 1, 4 * 0.027 - 0.9])


def _played(name: str, costs: Any, contexts: Array, seed: int = 0) -> tuple[Array, Learnt]:
    state, found = LEARNERS[name](), []
    for t, context in enumerate(contexts):
        p = state.probabilities(context)
        assert p.sum() == pytest.approx(1.0)
        arm = drawn(p, seed, t)
        found.append(costs(context)[arm])
        state = state.told(context, arm, float(p[arm]), float(found[-1]))
    assert state.systems == len(contexts)
    return np.array(found), state


@pytest.mark.parametrize("name", LEARNERS)
def test_learners_find_the_cheapest_omega(name: str) -> None:
    """Costs that do not move: after a tenth, at most 10 % more than the cheapest."""
    costs = 40.0 + 400.0 * np.abs(GRID - 1.6)
    found, _ = _played(name, lambda context: costs, np.full(2000, 0.4))
    assert found[200:].mean() <= 1.1 * costs.min()


def test_contextual_learners_follow_the_context() -> None:
    contexts = np.where(np.random.default_rng(0).random(900) < 0.5, 0.2, 0.7)
    found = {
        name: _played(name, lambda context: 40.0 + 400.0 * np.abs(GRID - (1.8 if context < 0.5 else 1.2)), contexts)[0]
        for name in LEARNERS
    }
    fixed = (40.0 + 200.0 * (np.abs(GRID - 1.8) + np.abs(GRID - 1.2))).min()
    assert found["contextual"][150:].mean() <= 0.5 * fixed
    assert found["chebcb"][150:].mean() <= 0.5 * fixed
    assert found["tsallis_inf"][150:].mean() <= 1.2 * fixed


def _run(solver: Solver[Any], systems: list[System], seed: int) -> tuple[list[int], list[Any]]:
    solver.draw_from(seed)
    state, counts, states = solver.start(), [], []
    for system in systems:
        states.append(state)
        solution = solver.solve(system, state)
        assert solution.result is Result.CONVERGED
        assert np.linalg.norm(system.residual(solution.value)) <= 1e-8 * np.linalg.norm(system.rhs)
        state = solution.state
        counts.append(solution.stats.iterations)
    return counts, states


@pytest.mark.parametrize("learn", LEARNERS)
def test_a_sequence_learns_reproducibly(learn: Any) -> None:
    systems = _shifted(120)
    method = Sor(method="sor", omega="learn", learn=learn)
    counts, states = _run(method.solver(), systems, 5)
    again, _ = _run(method.solver(), systems, 5)
    other, _ = _run(method.solver(), systems, 6)
    assert counts == again
    assert counts[20:] != other[20:]
    late = method.solver()  # a resumed sequence: another solver, the same state
    late.draw_from(5)
    assert late.solve(systems[60], states[60]).stats.iterations == counts[60]


def test_ssor_cg_learns_too_and_a_guess_that_suffices_teaches_nothing() -> None:
    systems = _shifted(60)
    method = Cg(method="cg", preconditioner="ssor", omega="learn")
    counts, states = _run(method.solver(), systems, 0)
    fixed = {o: sum(_run(Cg(method="cg", preconditioner="ssor", omega=o).solver(), systems, 0)[0]) for o in (1.0, 1.9)}
    assert sum(counts) < max(fixed.values())
    solver = method.solver()
    exact = np.linalg.solve(systems[0].matrix.sparse().toarray(), systems[0].rhs)
    solution = solver.solve(replace(systems[0], guess=exact), states[30])
    assert solution.stats.iterations == 0
    assert isinstance(solution.state, Regressed)
    assert solution.state.systems == states[30].systems + 1
    assert np.array_equal(solution.state.costs.plays, states[30].costs.plays)


def test_the_context_is_the_share_of_the_shift() -> None:
    poisson = _systems({"family": "poisson", "resolution": [40, 40]})[0].matrix
    diagonal = Matrix(poisson.pattern, np.where(poisson.values > 0.0, poisson.values, 0.0), poisson.properties)
    assert shift_share(diagonal) == pytest.approx(1.0)
    assert shift_share(poisson) < 0.25
    values = poisson.values.copy()
    values[poisson.pattern.diagonals] += 3.0 * values.max()
    assert 0.8 < shift_share(Matrix(poisson.pattern, values, poisson.properties)) < 1.0


@pytest.mark.parametrize(
    ("solver", "words"),
    [
        ({"method": "sor", "omega": 2}, "solver.omega"),
        ({"method": "sor", "omega": 0.0}, "solver.omega"),
        ({"method": "sor", "omega": "best"}, "should be a number between 0 and 2, or learn"),
        ({"method": "sor", "learn": "contextual"}, "solver.learn"),
        ({"method": "cg", "omega": 1.5}, "solver.omega"),
        ({"method": "cg", "omega": "learn"}, "solver.omega"),
        ({"method": "cg", "preconditioner": "ssor", "recycle": 5}, "solver.recycle"),
        ({"method": "gmres", "preconditioner": "ssor"}, "solver.preconditioner"),
    ],
)
def test_what_means_nothing_is_refused(solver: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words) as refused:
        validate({"problem": DARCY, "samples": 1, "solver": solver})
    assert len(str(refused.value).splitlines()) <= 2


@pytest.mark.slow
def test_from_spec_to_store(tmp_path: Path) -> None:
    """Samples whose shift is drawn, in two shards: workers and order of shards change no bit."""
    spec = {
        "problem": {
            "family": "screened_poisson", "resolution": [12, 12], "screening": {"uniform": [1, 30]},
            "source": {"field": "gaussian", "modes": 6},
        },
        "samples": 24, "store": {"shard": 12}, "certify": {"refine": 0},
        "solver": {"method": "cg", "preconditioner": "ssor", "omega": "learn", "sort": "none"},
    }  # fmt: skip
    for name, workers in (("one", 1), ("two", 2)):
        pdemill.generate(spec, out=tmp_path / name, workers=workers)
        assert pdemill.verify(tmp_path / name).ok
    one, two = (pdemill.open(tmp_path / name, split="train")[list(range(24))] for name in ("one", "two"))
    assert np.array_equal(one["y"], two["y"])
