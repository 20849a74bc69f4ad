"""Exact solution of constant coefficients by fast transforms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from pdemill.errors import Fault
from pdemill.kept import SIDE
from pdemill.points import Array
from pdemill.solvers.operators.separable import Separable
from pdemill.solvers.operators.system import Matrix, System
from pdemill.solvers.solution import Result, Solution, Solver, Stats, finite, reduced
from pdemill.spec.field import Scalar
from pdemill.spec.method import LinearMethod
from pdemill.spec.problem import Problem


class Fft(LinearMethod):
    """Sine, cosine and Fourier transforms along the axes of a box grid, one for every kind of side but Robin: they
    diagonalise the assembled matrix when its coefficients are constant in space. Buzbee, Golub, Nielson 1970.

    Exact as a factorisation is. Work grows as n log n; lengths with large prime factors take several times longer.
    Every matrix is first checked against what the transforms make of it.
    """

    method: Literal["fft"]

    @classmethod
    def candidates(cls, problem: Problem, unknowns: int) -> Sequence[Mapping[str, Any]]:
        return ({},)

    def objection(self, problem: Problem) -> Fault | None:
        reason = _reason(problem)
        return None if reason is None else Fault(("method",), f"fft needs {reason}: use direct or auto")

    def seconds(self, problem: Problem, unknowns: int) -> float:
        axes = 1 + problem.dimension
        once = 1.2e-5 * axes + 0.9e-9 * unknowns * float(np.log2(unknowns))
        return once if problem.properties.constant else once + 4e-5 * axes + 2.5e-8 * unknowns

    def memory(self, problem: Problem, unknowns: int) -> float:
        return 50.0 * unknowns

    def solver(self) -> FftSolver:
        return FftSolver()


def _reason(problem: Problem) -> str | None:
    """The first thing that fft misses in a problem; None if it has everything."""
    known = problem.properties
    if known.separable:
        return None
    if not known.structured:
        return f"a box grid, and {problem.family} has a mesh"
    if not problem.symmetric:
        return f"a symmetric operator, and {problem.family} has convection"
    if SIDE in problem.conditions:
        return "a whole box, and this one has obstacles"
    for name in problem.operator_fields:
        if not all(isinstance(value, Scalar) for value in problem.values(name)):
            return f"coefficients that are constant in space, and {name} is a field"
    for side, condition in problem.conditions.items():
        if condition.in_operator:
            return f"dirichlet, neumann or periodic sides, and {side} is {condition.kind()}"
    return f"a matrix that couples a cell with its neighbours along the axes, and that of {problem.family} does not"


class FftSolver(Solver[None]):
    """State: none. What is known of the last matrix is kept inside, and is a function of that matrix."""

    def __init__(self) -> None:
        self._matrix: Matrix | None = None
        self._separable: Separable | None = None
        self._inverse: Array = np.empty(0)
        self._result = Result.CONVERGED

    def start(self) -> None:
        return None

    def solve(self, system: System, state: None) -> Solution[None]:
        if self._matrix is not system.matrix:
            self._matrix, self._result = system.matrix, self._load(system.matrix)
        if self._separable is None or not self._result.ok:
            return Solution(np.full_like(system.rhs, np.nan), self._result, Stats(), None)
        value = self._separable.transformed(system.rhs, self._inverse)
        return Solution(value, finite(value), Stats(), None)

    def inverse_norm(self, matrix: Matrix) -> float | None:
        """From the eigenvalues: the transforms are orthogonal, and the matrix is symmetric."""
        if self._matrix is not matrix:
            self._matrix, self._result = matrix, self._load(matrix)
        return float(np.abs(self._inverse).max()) if self._result.ok else None

    def correct(self, systems: list[System], residuals: list[Array], reduction: float) -> list[Array | None] | None:
        loads = [replace(system, rhs=rhs) for system, rhs in zip(systems, residuals, strict=True)]
        return [reduced(load, self.solve(load, None)) for load in loads]

    def _load(self, matrix: Matrix) -> Result:
        """Take a matrix: its eigenvalues, checked and inverted; constants, where they are free, get no share."""
        if not np.isfinite(matrix.values).all():
            return Result.NOT_FINITE
        if not matrix.pattern.shape:
            return Result.NOT_SEPARABLE
        self._separable = Separable.read(matrix)
        if not self._separable.reproduces(matrix):
            return Result.NOT_SEPARABLE
        eigenvalues = self._separable.eigenvalues.copy()
        if matrix.singular:
            eigenvalues.flat[0] = np.inf
        size = np.abs(self._separable.eigenvalues).max()
        if np.abs(eigenvalues).min() <= np.finfo(float).eps * size:
            return Result.SINGULAR
        self._inverse = 1.0 / eigenvalues
        return Result.CONVERGED
