"""Conjugate gradients that learn the smallest eigenvectors from the first systems and deflate the later ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from pdemill.points import Array
from pdemill.solvers.krylov.backends import Backends, Maker
from pdemill.solvers.krylov.basis import RightPreconditioned
from pdemill.solvers.krylov.conjugate import Ending
from pdemill.solvers.krylov.deflation import DeflatedBasis, Deflation
from pdemill.solvers.krylov.learning import Learning
from pdemill.solvers.operators.system import Matrix, System
from pdemill.solvers.solution import Result, Solution, Solver, Stats

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
    """State: the deflation space, or none before the first system and after a failure; ``makes`` as for skr."""

    def __init__(self, makes: Sequence[Maker], recycle: int, rtol: float, limit: int) -> None:
        self._backends = Backends(makes, partial(DeflatedBasis, recycle=recycle))
        self._rtol, self._limit = rtol, limit

    def start(self) -> None:
        return None

    def solve(self, system: System, state: Deflation | None) -> Solution[Deflation | None]:
        matrix = system.matrix
        loaded = self._backends.loaded(matrix)
        if loaded is None:
            return Solution(np.full_like(system.rhs, np.nan), Result.SINGULAR, Stats(), None)
        operator, basis = loaded
        guess = np.zeros_like(system.rhs) if system.guess is None else system.guess
        value, result, used, space = recycled_cg(
            operator, matrix, system.rhs, guess, state, basis, self._rtol, self._limit
        )
        return Solution(value, result, Stats(used), space)
