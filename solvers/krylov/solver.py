"""Recycling behind the contract of all solvers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from pdemill.solvers.krylov.backends import Backends, Maker
from pdemill.solvers.krylov.basis import Basis
from pdemill.solvers.krylov.gcrodr import gcrodr
from pdemill.solvers.krylov.recycle_space import RecycleSpace
from pdemill.solvers.operators.system import System
from pdemill.solvers.solution import Result, Solution, Solver, Stats


class SkrSolver(Solver[RecycleSpace | None]):
    """State: the recycled space, or none before the first system and after a failure.

    ``makes``: makers of A M⁻¹ for one and the same M; a matrix that the first cannot load goes to the next.
    """

    def __init__(self, makes: Sequence[Maker], restart: int, recycle: int, rtol: float, limit: int) -> None:
        self._backends = Backends(makes, partial(Basis, restart=restart, recycle=recycle))
        self._rtol, self._limit = rtol, limit

    def start(self) -> None:
        return None

    def solve(self, system: System, state: RecycleSpace | None) -> Solution[RecycleSpace | None]:
        matrix = system.matrix
        loaded = self._backends.loaded(matrix)
        if loaded is None:
            return Solution(np.full_like(system.rhs, np.nan), Result.SINGULAR, Stats(), None)
        operator, basis = loaded
        rhs, rtol = system.rhs, self._rtol
        if system.guess is not None:
            rhs = operator.residual(system.guess, system.rhs)
            rtol *= float(np.linalg.norm(system.rhs) / np.linalg.norm(rhs))
        value, result, iterations, space = gcrodr(operator, matrix, rhs, state, basis, rtol, self._limit)
        if system.guess is not None:
            value = value + system.guess
        return Solution(value, result, Stats(iterations), space)
