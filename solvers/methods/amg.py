"""Algebraic multigrid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, Protocol

import numpy as np
from pydantic import Field

from pdemill.errors import Fault, MissingExtra
from pdemill.points import Array
from pdemill.solvers.installed import needs_petsc
from pdemill.solvers.methods.gmres import Iteration
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.solvers.solution import REDUCTION, Result, Solution, Solver, Stats, reduced
from pdemill.spec.method import Iterations, LinearMethod
from pdemill.spec.model import AsNumber
from pdemill.spec.problem import Problem
from pdemill.spec.shown import needs_definite, undecided

MOVING = 2.3
"""Times as long as for a scalar on a grid, apart from its entries, it takes for a weak form with its corrections."""
FORM_BYTES = {2: 1200.0, 3: 3000.0}
"""What the rows of weak forms and their hierarchy take, by dimension."""
STEP, ROUNDS = 1e-2, 8
"""What one step of a correction leaves of the energy of an error, about, and most steps."""


class Amg(LinearMethod):
    """Conjugate gradients with algebraic multigrid by smoothed aggregation, Vaněk, Mandel, Brezina 1996, by PETSc
    (GAMG), on grids and meshes. Symmetric positive definite matrices only.

    The interpolation is made from the first matrix of a shard and kept for the next ones, for which only the coarse
    matrices are made anew; it is made again from the next matrix when a solve takes more than ``rebuild`` times the
    iterations that the matrix it was made from took, and at once for a matrix that it fails. Of weak forms, the motions
    of a rigid body are kept on all levels.
    """

    method: Literal["amg"]
    rebuild: Annotated[float, Field(ge=1, le=1000), AsNumber] = 1.5
    max_iterations: Iterations = 1000
    within: ClassVar[float | None] = 0.3

    @classmethod
    def candidates(cls, problem: Problem, unknowns: int) -> Sequence[Mapping[str, Any]]:
        """Of weak forms once their matrices have shown, or are likely, to be definite."""
        return () if undecided(problem) else ({},)

    def objection(self, problem: Problem) -> Fault | None:
        return needs_definite(self.method, problem)

    def missing(self) -> MissingExtra | None:
        return needs_petsc(f"solver.method {self.method}")

    def seconds(self, problem: Problem, unknowns: int) -> float:
        fixed = problem.properties.constant
        each = 2.8e-7 if fixed else 3.9e-7 if problem.dimension < 3 else 7e-7
        seconds = 3e-5 + each * unknowns + (1.2e-9 if fixed else 1.9e-9) * unknowns**1.5
        return float(MOVING * seconds if problem.weak else seconds)

    def memory(self, problem: Problem, unknowns: int) -> float:
        return (FORM_BYTES[problem.dimension] if problem.weak else 500.0) * unknowns

    def solver(self) -> AmgSolver:
        from pdemill.solvers.aggregation import Aggregation  # late: a spec must not load PETSc

        return AmgSolver(Aggregation, self.rebuild, self.rtol, self.max_iterations)


@dataclass(frozen=True)
class Interpolation:
    """The matrix that an interpolation was made from, and the iterations that it took with it."""

    matrix: Matrix
    iterations: int


class Hierarchy(Iteration, Protocol):
    """An iteration whose interpolation is made from one matrix, ``made``, and used for those that follow."""

    made: Matrix | None

    def make(self, matrix: Matrix) -> None: ...

    def correct(self, matrix: Matrix, rhs: Array, reduction: float, limit: int) -> tuple[Array, Result, int]: ...


class AmgSolver(Solver[Interpolation | None]):
    """State: the interpolation to go on with, or none where the next matrix should get its own. It is told by its
    matrix, from which it is made again where it is not at hand: a solve depends on system and state alone."""

    def __init__(self, make: Callable[[Pattern], Hierarchy], rebuild: float, rtol: float, limit: int) -> None:
        self._make, self._rebuild, self._rtol, self._limit = make, rebuild, rtol, limit
        self._hierarchy: Hierarchy | None = None

    def start(self) -> None:
        return None

    def solve(self, system: System, state: Interpolation | None) -> Solution[Interpolation | None]:
        before = 0
        if state is not None:
            value, result, before = self._iterate(system, state.matrix)
            if result.ok or state.matrix is system.matrix:
                worn = state.matrix is not system.matrix and before > self._rebuild * state.iterations
                return Solution(value, result, Stats(before), None if worn or not result.ok else state)
        value, result, iterations = self._iterate(system, system.matrix)
        fresh = Interpolation(system.matrix, max(iterations, 1)) if result.ok else None
        return Solution(value, result, Stats(before + iterations), fresh)

    def correct(self, systems: list[System], residuals: list[Array], reduction: float) -> list[Array | None] | None:
        """Where the motions that energies hardly feel are known, so that the hierarchy holds errors of all kinds: until
        what is added is a tenth of what there was. It holds no vector of an eigenvalue nearby, whose error has next to
        no residual: where terms may bring one, until what is left of the residual tells that it is none."""
        if any(system.matrix.motions is None for system in systems):
            return None
        return [self._corrected(system, rhs) for system, rhs in zip(systems, residuals, strict=True)]

    def _corrected(self, system: System, rhs: Array) -> Array | None:
        hierarchy, matrix, whole, left = self._ready(system.matrix), system.matrix, np.zeros_like(rhs), rhs
        inverse = self._inverse_norm(hierarchy, matrix) if matrix.pattern.reactive else 0.0
        for _ in range(ROUNDS):
            more, result, _ = hierarchy.correct(matrix, left, STEP, self._limit)
            if not result.ok:
                self._hierarchy = None
                return None
            whole, before = whole + more, two_norm(whole)
            if not inverse and two_norm(more) <= REDUCTION * before:
                return reduced(replace(system, rhs=rhs), Solution(whole, result, Stats(), None))
            left = replace(system, rhs=rhs, guess=None).precise_residual(whole)
            if two_norm(more) <= REDUCTION * before and inverse * two_norm(left) <= REDUCTION * two_norm(whole):
                return reduced(replace(system, rhs=rhs), Solution(whole, result, Stats(), None))
        return None

    def _inverse_norm(self, hierarchy: Hierarchy, matrix: Matrix) -> float:
        """The 2-norm of A⁻¹, about: that of A⁻¹ s for random signs s, which hold any unit vector about once."""
        drawn = np.random.Generator(np.random.Philox(key=3))
        signs: Array = drawn.choice(np.array([-1.0, 1.0]), matrix.pattern.size)
        found, result, _ = hierarchy.correct(matrix, signs, STEP, self._limit)
        return two_norm(found) if result.ok else float("inf")

    def _ready(self, origin: Matrix) -> Hierarchy:
        """The hierarchy that there is, else one made from a matrix."""
        if self._hierarchy is None:
            self._hierarchy = self._make(origin.pattern)
            self._hierarchy.make(origin)
        return self._hierarchy

    def _iterate(self, system: System, origin: Matrix) -> tuple[Array, Result, int]:
        """Solve with the interpolation of ``origin``."""
        hierarchy = self._ready(origin)
        if hierarchy.made is not origin:
            hierarchy.make(origin)
        found = hierarchy.solve(system.matrix, system.rhs, system.guess, self._rtol, self._limit)
        if not found[1].ok:
            self._hierarchy = None  # PETSc goes on failing after a set-up that failed
        return found
