"""Conjugate gradients that learn the smallest eigenvectors from the first systems and deflate the later ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import batched, groupby

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.krylov.backends import Backends, Maker
from pdemill.solvers.krylov.basis import RightPreconditioned
from pdemill.solvers.krylov.block_cg import BlockBasis
from pdemill.solvers.krylov.block_conjugate import Ending as BlockEnding
from pdemill.solvers.krylov.block_conjugate import Operator
from pdemill.solvers.krylov.block_kernels import LANES
from pdemill.solvers.krylov.conjugate import Ending
from pdemill.solvers.krylov.deflation import DeflatedBasis, Deflation
from pdemill.solvers.krylov.evened import evened, restored
from pdemill.solvers.krylov.learning import Learning
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.solvers.solution import Result, Solution, Solver, Stats

LEAST = 4
"""Systems from which on a block is faster than one after another."""

MISSES = 3
"""So often the true residual may contradict the one of the recurrence."""


def recycled_cg(
    operator: RightPreconditioned,
    matrix: Matrix,
    b: Array,
    guess: Array,
    space: Deflation | None,
    basis: DeflatedBasis,
    rtol: float,
    limit: int,
) -> tuple[Array, Result, int, Deflation | None]:
    """Solve A x = b for a definite A to ‖b - A x‖ <= rtol ‖b‖, from a guess.

    Deflated CG of Saad et al. 2000, whose vectors come from eigCG, Stathopoulos and Orginos 2010. ``operator`` has
    loaded ``matrix``; ``basis`` is work space. Returns x, how it ended, the number of products with A, those for
    recycled vectors included, and the space for the next system.
    """
    goal = rtol * float(np.linalg.norm(b))
    used, learning = 0, Learning()
    basis.begin(guess, operator.residual(guess, b) if guess.any() else b, space)
    if space is not None:
        if space.matrix is matrix:
            learning = space.learning.next_system(space.theta)
        else:
            used += basis.carry()
        basis.project()
    window = basis.open_window() if learning.refresh else None
    harvest = window
    for _ in range(MISSES + 1):
        if not np.isfinite(basis.norm):
            return basis.x, Result.NOT_FINITE, used, None
        if basis.norm > goal:
            steps, ending = basis.steps(window, 0.98 * goal, max(limit - used, 0))
            used += steps
            if ending is Ending.INDEFINITE or ending is Ending.NOT_FINITE:
                broken = Result.BREAKDOWN if ending is Ending.INDEFINITE else Result.NOT_FINITE
                return basis.x, broken, used, None
            if ending is Ending.PAUSED:
                return basis.x, Result.MAX_ITERATIONS, used, basis.space(matrix, learning)
        x = basis.x
        r = operator.residual(x, b)
        if np.linalg.norm(r) <= goal:
            if harvest is not None and harvest.filled:
                used += basis.learn(harvest)
            return x, Result.CONVERGED, used, basis.space(matrix, learning)
        window = None  # its recurrence ends here
        basis.replace(r)
        basis.project()
    return basis.x, Result.MISSED_TOLERANCE, used, None


class RecycledCgSolver(Solver[Deflation | None]):
    """State: the deflation space, or none before the first system and after a failure; ``makes`` as for skr.

    Systems of one matrix that come together are solved as a block, at least ``LEAST`` of them.
    """

    def __init__(self, makes: Sequence[Maker], recycle: int, rtol: float, limit: int) -> None:
        self._backends = Backends(makes, partial(BlockBasis, recycle=recycle))
        self._rtol, self._limit = rtol, limit

    def start(self) -> None:
        return None

    def batch(self, pattern: Pattern, constant: bool) -> int:
        return LANES if constant else 1

    def solve(self, system: System, state: Deflation | None) -> Solution[Deflation | None]:
        system, scale = evened(system)
        return restored(self._alone(system, state), scale)

    def _alone(self, system: System, state: Deflation | None) -> Solution[Deflation | None]:
        matrix = system.matrix
        loaded = self._backends.loaded(matrix)
        if loaded is None:
            return Solution(np.full_like(system.rhs, np.nan), Result.SINGULAR, Stats(), None)
        operator, work = loaded
        guess = np.zeros_like(system.rhs) if system.guess is None else system.guess
        value, result, used, space = recycled_cg(
            operator, matrix, system.rhs, guess, state, work.alone, self._rtol, self._limit
        )
        return Solution(value, result, Stats(used), space)

    def solve_batch(self, systems: list[System], state: Deflation | None) -> list[Solution[Deflation | None]]:
        found: list[Solution[Deflation | None]] = []
        systems, scales = map(list, zip(*map(evened, systems), strict=True))
        for matrix, group in groupby(systems, key=lambda system: system.matrix):
            for some in batched(group, LANES):
                found += self._block(matrix, list(some), state)
                state = found[-1].state
        return [restored(*pair) for pair in zip(found, scales, strict=True)]

    def _block(
        self, matrix: Matrix, systems: list[System], state: Deflation | None
    ) -> list[Solution[Deflation | None]]:
        """Solve systems of one matrix; those that a block cannot take, or fails, one after another."""
        loaded = self._backends.loaded(matrix) if len(systems) >= LEAST else None
        side_by_side = loaded[0].side_by_side() if loaded is not None else None
        solutions: list[Solution[Deflation | None] | None] = [None] * len(systems)
        chosen = [i for i, system in enumerate(systems) if np.isfinite(system.rhs).all()]
        if loaded is not None and side_by_side is not None and len(chosen) >= LEAST:
            some = [systems[i] for i in chosen]
            solved, state = recycled_block_cg(*loaded, side_by_side, matrix, some, state, self._rtol, self._limit)
            for i, solution in zip(chosen, solved, strict=True):
                solutions[i] = solution if solution.result is not Result.BREAKDOWN else None
        found: list[Solution[Deflation | None]] = []
        for system, known in zip(systems, solutions, strict=True):
            found.append(self._alone(system, state) if known is None else replace(known, state=state))
            state = found[-1].state
        return found


def recycled_block_cg(
    operator: RightPreconditioned,
    work: BlockBasis,
    side_by_side: Operator,
    matrix: Matrix,
    systems: list[System],
    space: Deflation | None,
    rtol: float,
    limit: int,
) -> tuple[list[Solution[Deflation | None]], Deflation | None]:
    """Solve A x_j = b_j for at most ``LANES`` right-hand sides at once, as ``recycled_cg`` does for one.

    A system's iterations are its part of the products with A. What does not get through has the result BREAKDOWN.
    """
    B = np.stack([system.rhs for system in systems])
    X = np.stack([np.zeros_like(s.rhs) if s.guess is None else s.guess for s in systems])
    goals, learning, basis = rtol * np.sqrt([b @ b for b in B]), Learning(), work.alone
    basis.begin(np.zeros(B.shape[1]), np.zeros(B.shape[1]), space)
    products = made = 0
    if space is not None:
        if space.matrix is matrix:
            learning = space.learning.next_system(space.theta)
        else:
            products += basis.carry()
    spent, harvest, ending = np.zeros(len(systems), np.int64), learning.refresh, BlockEnding.REACHED
    for attempt in range(MISSES + 2):
        R = np.stack([operator.residual(x, b) if x.any() else b for x, b in zip(X, B, strict=True)])
        norms = np.sqrt([r @ r for r in R])
        left = np.flatnonzero(~(norms <= goals))
        if not len(left) or ending is not BlockEnding.REACHED or not np.isfinite(norms).all() or attempt > MISSES:
            break
        learn = harvest and not attempt
        more, count, used, ending = work.run(side_by_side, R[left], 0.98 * goals[left], learn, limit - made)
        made += count
        X[left] += more
        _share(used, left, spent)
    failure = Result.MAX_ITERATIONS if ending is BlockEnding.PAUSED else Result.BREAKDOWN
    if harvest and made and not len(left):
        products += basis.learn(work.window)
    _share(products, np.arange(len(systems)), spent)
    solutions: list[Solution[Deflation | None]] = []
    for x, count, missed in zip(X, spent.tolist(), ~(norms <= goals), strict=True):
        solutions.append(Solution(x, failure if missed else Result.CONVERGED, Stats(count), None))
    kept = ending is not BlockEnding.BROKEN and np.isfinite(norms).all()
    return solutions, basis.space(matrix, learning) if kept else None


def _share(products: int, systems: NDArray[np.intp], spent: NDArray[np.int64]) -> None:
    """Products that some systems have in common, divided among them."""
    each, over = divmod(products, len(systems))
    spent[systems] += each
    spent[systems[:over]] += 1
