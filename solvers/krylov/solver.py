"""Recycling behind the contract of all solvers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

import numpy as np

from pdemill.points import Array
from pdemill.solvers.krylov.backends import Backends, Maker
from pdemill.solvers.krylov.block_gcrodr import BlockBasis, block_gcrodr
from pdemill.solvers.krylov.block_kernels import LANES
from pdemill.solvers.krylov.carrying import Carrying
from pdemill.solvers.krylov.evened import evened, restored
from pdemill.solvers.krylov.gcrodr import gcrodr
from pdemill.solvers.krylov.recycle_space import RecycleSpace
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.solvers.solution import Result, Solution, Solver, Stats

LEAST = 6
"""Systems from which on a block is faster than one after another."""


@dataclass(frozen=True, eq=False)
class Left:
    """What one system leaves to the next: the recycled space, none before the first system and after a failure, and
    whether such spaces pay."""

    space: RecycleSpace | None
    carrying: Carrying


class SkrSolver(Solver[Left]):
    """State: the recycled space, and what it has been worth so far.

    ``makes``: makers of A M⁻¹ for one and the same M; a matrix that the first cannot load goes to the next. ``always``:
    a space is carried to the next matrix whether that pays or not. Systems of one matrix that come together are solved
    as a block, at least ``LEAST`` of them, when there is nothing left to learn about the matrix; ``in_blocks``: most
    unknowns of such a matrix.
    """

    def __init__(
        self, makes: Sequence[Maker], restart: int, recycle: int, rtol: float, limit: int, always: bool = False,
        in_blocks: int = 0,
    ) -> None:  # fmt: skip
        self._backends = Backends(makes, partial(BlockBasis, restart=restart, recycle=recycle))
        self._rtol, self._limit, self._always, self._in_blocks = rtol, limit, always, in_blocks

    def start(self) -> Left:
        return Left(None, Carrying())

    def batch(self, pattern: Pattern, constant: bool) -> int:
        return LANES if constant and pattern.size <= self._in_blocks else 1

    def solve(self, system: System, state: Left) -> Solution[Left]:
        system, scale = evened(system)
        return restored(self._alone(system, state, 0), scale)

    def _alone(self, system: System, state: Left, used: int) -> Solution[Left]:
        """Solve a system for which so many products were made already."""
        matrix, space = system.matrix, state.space
        another = space is None or space.matrix is not matrix
        if another and not (self._always or state.carrying.pays):
            space = None
        solutions = self._solutions(space, matrix) if space is not None and another else None
        loaded = self._backends.loaded(matrix)
        if loaded is None:
            unsolved = Left(None, state.carrying)
            return Solution(np.full_like(system.rhs, np.nan), Result.SINGULAR, Stats(), unsolved)
        operator, work = loaded
        rhs, rtol = system.rhs, self._rtol
        if system.guess is not None:
            rhs = operator.residual(system.guess, system.rhs)
            rtol *= float(np.linalg.norm(system.rhs) / np.linalg.norm(rhs))
        carried, basis, limit = space is not None, work.alone, self._limit - used
        value, result, iterations, space = gcrodr(operator, matrix, rhs, space, solutions, basis, rtol, limit)
        if system.guess is not None:
            value = value + system.guess
        carrying = state.carrying.after(carried, iterations) if another else state.carrying
        return Solution(value, result, Stats(used + iterations), Left(space, carrying))

    def solve_batch(self, systems: list[System], state: Left) -> list[Solution[Left]]:
        found: list[Solution[Left]] = []
        systems, scales = map(list, zip(*map(evened, systems), strict=True))
        for _, group in groupby(systems, key=lambda system: system.matrix):
            waiting = list(group)
            while waiting:
                some = self._block(waiting[:LANES], state) or [self._alone(waiting[0], state, 0)]
                state, waiting = some[-1].state, waiting[len(some) :]
                found += some
        return [restored(*pair) for pair in zip(found, scales, strict=True)]

    def _block(self, systems: list[System], state: Left) -> list[Solution[Left]]:
        """Solve systems of one matrix side by side, and what a block cannot take, or does not finish, alone; nothing
        where there are too few, or there is something to learn yet."""
        matrix, space = systems[0].matrix, state.space
        chosen = [i for i, system in enumerate(systems) if np.isfinite(system.rhs).all()]
        if space is None or space.matrix is not matrix or not space.learning.settled:
            return []
        if len(chosen) < LEAST or matrix.pattern.size > self._in_blocks:
            return []
        loaded = self._backends.loaded(matrix)
        side_by_side = loaded[0].side_by_side() if loaded is not None else None
        if loaded is None or side_by_side is None:
            return []
        operator, work = loaded
        some = [systems[i] for i in chosen]
        values, products, done = block_gcrodr(operator, side_by_side, some, space, work, self._rtol, self._limit)
        begun = dict(zip(chosen, zip(values, products.tolist(), done.tolist(), strict=True), strict=True))
        solutions: list[Solution[Left]] = []
        for i, system in enumerate(systems):
            value, used, enough = begun.get(i, (system.rhs, 0, False))
            if enough or used >= self._limit:
                result = Result.CONVERGED if enough else Result.MAX_ITERATIONS
                solutions.append(Solution(value, result, Stats(used), state))
            else:
                further = replace(system, guess=value) if used and np.isfinite(value).all() else system
                solutions.append(self._alone(further, state, used))
            state = solutions[-1].state
        return solutions

    def _solutions(self, space: RecycleSpace, matrix: Matrix) -> Array | None:
        """M⁻¹ u for the rows u of the space, with the M of its matrix; None where u itself is carried: measured, M⁻¹ u
        is the better direction for definite matrices, and for waves it is not."""
        if not (matrix.properties.symmetric and matrix.properties.definite):
            return None
        loaded = self._backends.loaded(space.matrix)
        return None if loaded is None else loaded[0].precondition(space.U)
