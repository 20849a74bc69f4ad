"""Spaces that go on to another matrix: as solutions where that is better, and only where they pay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.shared.sequences import Drawn
from pdemill.points import Array
from pdemill.solvers.krylov.basis import RightPreconditioned
from pdemill.solvers.krylov.carrying import Carrying
from pdemill.solvers.krylov.kinds import KINDS
from pdemill.solvers.krylov.solver import SkrSolver
from pdemill.solvers.krylov.triangular import TriangularPreconditioned
from pdemill.solvers.operators.system import Matrix, Pattern, System

DARCY = {
    "family": "darcy", "resolution": [24, 24], "source": 1,
    "coefficient": {"field": "threshold", "low": 3, "high": 12, "of": {"field": "gaussian"}},
}  # fmt: skip


class WithoutM(TriangularPreconditioned):
    """A preconditioner that can be applied, and is not known as a matrix."""

    def images(self, solutions: Array) -> Any:
        return None


def solver(make: type[TriangularPreconditioned], kind: str = "jacobi", k: int = 8, always: bool = True) -> SkrSolver:
    def made(pattern: Pattern) -> RightPreconditioned:
        return make(pattern, kind)

    return SkrSolver([made], 24, k, 1e-8, 2000, always)


def counts(one: SkrSolver, systems: list[System], carried: bool = True) -> list[int]:
    state, found = one.start(), []
    for system in systems:
        solution = one.solve(system, state)
        assert solution.result.ok
        assert np.linalg.norm(system.residual(solution.value)) <= 1e-8 * np.linalg.norm(system.rhs)
        state = solution.state if carried else one.start()
        found.append(solution.stats.iterations)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_m_is_known_as_a_matrix(kind: str) -> None:
    systems = Drawn.of(DARCY, 2).systems
    operator = TriangularPreconditioned(systems[0].matrix.pattern, kind)
    x = np.random.default_rng(0).standard_normal((3, 24 * 24))
    for system in systems:
        assert operator.load(system.matrix)
        products, preconditioned = operator.images(x)
        np.testing.assert_allclose([operator.precondition(y) for y in preconditioned], x, atol=1e-12)
        np.testing.assert_allclose(products, [-operator.residual(v, 0 * v) for v in x], rtol=1e-12, atol=1e-9)


def test_definite_matrices_gain_when_solutions_are_carried() -> None:
    """Mean products beyond those that carry: fewer than when the space of the preconditioned variable is."""
    systems = Drawn.of(DARCY, 10).greedy()
    mine, theirs = (counts(solver(make), systems)[1:] for make in (TriangularPreconditioned, WithoutM))
    assert np.mean(mine) - 8 < 0.85 * (np.mean(theirs) - 8)


def test_it_is_decided_by_counts_whether_carrying_pays() -> None:
    def after(fresh: list[int], carried: list[int]) -> Carrying:
        return Carrying(tuple(fresh), tuple(carried))

    seen, asked = Carrying(), []
    for iterations in (50, 45, 45, 52, 46):
        asked.append(seen.pays)
        seen = seen.after(bool(seen.fresh) and seen.pays, iterations)
    assert seen == after([50, 52], [45, 45, 46])
    assert asked[1:] == [True, True, False, True]  # the fourth system is solved with nothing carried
    assert seen.pays
    assert seen.after(True, 1000) is seen
    assert not after([50, 30], [40, 40, 40]).pays
    assert not after([50, 30], [41, 40, 40]).pays


def test_a_space_that_does_not_pay_is_dropped() -> None:
    """Few iterations, and twelve products to carry: the last systems are solved as with nothing carried."""
    systems = Drawn.of(DARCY | {"resolution": [10, 10]}, 9).greedy()
    dropping = counts(solver(TriangularPreconditioned, kind="ilu", k=12, always=False), systems)
    fresh = counts(solver(TriangularPreconditioned, kind="ilu", k=12), systems, carried=False)
    always = counts(solver(TriangularPreconditioned, kind="ilu", k=12), systems)
    assert dropping[-2:] == fresh[-2:] != always[-2:]
    assert sum(dropping) < sum(always)


def test_a_space_that_pays_is_kept() -> None:
    systems = Drawn.of(DARCY, 8).greedy()
    dropping = counts(solver(TriangularPreconditioned, always=False), systems)
    fresh = counts(solver(TriangularPreconditioned), systems, carried=False)
    assert dropping[3] == fresh[3]
    assert sum(dropping[4:]) < sum(fresh[4:])


def test_decisions_begin_anew_with_every_shard_and_are_the_same_each_time() -> None:
    systems = Drawn.of(DARCY | {"resolution": [10, 10]}, 8).greedy()
    one = solver(TriangularPreconditioned, kind="ilu", k=12, always=False)
    assert counts(one, systems) == counts(one, systems)


@pytest.mark.parametrize("preconditioner", ["none", "jacobi", "ilu"])
@pytest.mark.parametrize("factor", [1e160, 1e200, 1e-160, 1e-200])
def test_spaces_beyond_the_range_of_numbers_are_forgotten(preconditioner: str, factor: float) -> None:
    matrix, one = Drawn.of(DARCY, 1).systems[0].matrix, solver(TriangularPreconditioned, preconditioner)
    state, rng, ends = one.start(), np.random.default_rng(0), []
    for scale in (1.0, factor, 2.0):
        other = Matrix(matrix.pattern, matrix.values * scale, matrix.properties)
        with np.errstate(all="ignore"):
            solution = one.solve(System(other, rng.standard_normal(matrix.pattern.size)), state)
        state = solution.state
        ends.append(solution.result.ok)
    assert ends[0]
    assert ends[2]
