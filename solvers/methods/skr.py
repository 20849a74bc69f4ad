"""Sorting and Krylov recycling."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from pdemill.errors import Fault
from pdemill.points import Array
from pdemill.spec.method import LinearMethod, Preconditioner, krylov_seconds, needs_symmetry
from pdemill.spec.model import refuse
from pdemill.spec.problem import Problem
from solvers.krylov.gcrodr import RecycleSpace, RightPreconditioned, gcrodr
from solvers.operators.system import Pattern, System
from solvers.solution import Result, Solution, Solver, Stats


class Skr(LinearMethod):
    """Sorted GCRO-DR(restart, recycle): similar samples are solved one after another, each starting from the
    deflation space of the one before. Wang et al. 2024, "Accelerating data generation for neural operators via
    Krylov subspace recycling" (ICLR), algorithm 1 and appendix B; Parks et al. 2006.

    Pays for one or slowly changing matrices that converge slowly, and for indefinite ones; for independent
    random fields other methods are faster (see the page on recycling).
    """

    method: Literal["skr"]
    preconditioner: Preconditioner = "ilu"
    restart: Annotated[int, Field(ge=4, le=1000)] = 40
    recycle: Annotated[int, Field(ge=1, le=500)] = 20
    max_iterations: Annotated[int, Field(ge=1)] = 10_000
    recycles: ClassVar[bool] = True

    @model_validator(mode="after")
    def _room(self) -> Skr:
        if self.recycle > self.restart - 2:
            raise refuse(("recycle",), f"must be at most restart - 2 = {self.restart - 2}", self.recycle)
        return self

    def objection(self, problem: Problem) -> Fault | None:
        return needs_symmetry(self.preconditioner, problem)

    def seconds(self, problem: Problem, unknowns: int) -> float:
        return krylov_seconds(self.preconditioner, problem, unknowns, per_step=4e-8)

    def solver(self) -> SkrSolver:
        from solvers import petsc  # late: a spec must not load PETSc

        return SkrSolver(self, partial(petsc.Preconditioned, preconditioner=self.preconditioner))


class SkrSolver(Solver[RecycleSpace | None]):
    """State: the recycled space, or none before the first system and after a failure."""

    def __init__(self, options: Skr, make: Callable[[Pattern], RightPreconditioned]) -> None:
        self._options, self._make = options, make
        self._operator: RightPreconditioned | None = None
        self._work: Array = np.empty((0, 0))

    def start(self) -> None:
        return None

    def solve(self, system: System, state: RecycleSpace | None) -> Solution[RecycleSpace | None]:
        if self._operator is None:
            self._operator = self._make(system.matrix.pattern)
            self._work = np.zeros((self._options.restart + 1, system.matrix.pattern.size))
        if not self._operator.load(system.matrix):
            return Solution(np.full_like(system.rhs, np.nan), Result.SINGULAR, Stats(), None)
        value, result, iterations, space = gcrodr(
            self._operator,
            system.matrix,
            system.rhs,
            state,
            self._work,
            self._options.recycle,
            self._options.rtol,
            self._options.max_iterations,
        )
        return Solution(value, result, Stats(iterations), space)
