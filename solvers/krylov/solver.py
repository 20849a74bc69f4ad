"""Recycling behind the contract of all solvers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from pdemill.points import Array
from pdemill.solvers.krylov.backends import Backends, Maker
from pdemill.solvers.krylov.basis import Basis
from pdemill.solvers.krylov.carrying import Carrying
from pdemill.solvers.krylov.gcrodr import gcrodr
from pdemill.solvers.krylov.recycle_space import RecycleSpace
from pdemill.solvers.operators.system import Matrix, System
from pdemill.solvers.solution import Result, Solution, Solver, Stats


@dataclass(frozen=True, eq=False)
class Left:
    """What one system leaves to the next: the recycled space, none before the first system and after a failure, and
    whether such spaces pay."""

    space: RecycleSpace | None
    carrying: Carrying


class SkrSolver(Solver[Left]):
    """State: the recycled space, and what it has been worth so far.

    ``makes``: makers of A M⁻¹ for one and the same M; a matrix that the first cannot load goes to the next. ``always``:
    a space is carried to the next matrix whether that pays or not.
    """

    def __init__(
        self, makes: Sequence[Maker], restart: int, recycle: int, rtol: float, limit: int, always: bool = False
    ) -> None:
        self._backends = Backends(makes, partial(Basis, restart=restart, recycle=recycle))
        self._rtol, self._limit, self._always = rtol, limit, always

    def start(self) -> Left:
        return Left(None, Carrying())

    def solve(self, system: System, state: Left) -> Solution[Left]:
        matrix, space = system.matrix, state.space
        another = space is None or space.matrix is not matrix
        if another and not (self._always or state.carrying.pays):
            space = None
        solutions = self._solutions(space, matrix) if space is not None and another else None
        loaded = self._backends.loaded(matrix)
        if loaded is None:
            unsolved = Left(None, state.carrying)
            return Solution(np.full_like(system.rhs, np.nan), Result.SINGULAR, Stats(), unsolved)
        operator, basis = loaded
        rhs, rtol = system.rhs, self._rtol
        if system.guess is not None:
            rhs = operator.residual(system.guess, system.rhs)
            rtol *= float(np.linalg.norm(system.rhs) / np.linalg.norm(rhs))
        carried = space is not None
        value, result, iterations, space = gcrodr(operator, matrix, rhs, space, solutions, basis, rtol, self._limit)
        if system.guess is not None:
            value = value + system.guess
        carrying = state.carrying.after(carried, iterations) if another else state.carrying
        return Solution(value, result, Stats(iterations), Left(space, carrying))

    def _solutions(self, space: RecycleSpace, matrix: Matrix) -> Array | None:
        """M⁻¹ u for the rows u of the space, with the M of its matrix; None where u itself is carried: measured, M⁻¹ u
        is the better direction for definite matrices, and for waves it is not."""
        if not (matrix.properties.symmetric and matrix.properties.definite):
            return None
        loaded = self._backends.loaded(space.matrix)
        return None if loaded is None else loaded[0].precondition(space.U)
