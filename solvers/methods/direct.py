"""Sparse direct solution, by Cholesky factors of several matrices at once, by MUMPS, or by SuperLU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np

from pdemill.points import Array
from pdemill.solvers.cholesky import LANES
from pdemill.solvers.installed import has_petsc
from pdemill.solvers.methods.dissection import factor_memory, factor_seconds, factorisation
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.solvers.solution import Result, Solution, Solver, Stats, finite, reduced
from pdemill.spec.method import LinearMethod
from pdemill.spec.problem import Problem

if TYPE_CHECKING:
    from pdemill.solvers.cholesky.factors import Cholesky

LARGEST_FACTOR = 250_000 if has_petsc() else 120_000
"""Unknowns above which the factors of a 3D matrix do not fit a worker."""
SLOWER, SLOWER_TO_SOLVE = 3.5, 2.0
"""How many times as long as MUMPS SuperLU takes for a system, and for one of a matrix that was factorised before."""
LEAST_LANCZOS = 16
"""Unknowns below which corrections are solved for instead."""
LARGEST_BY_SIDE = {1: 100_000, 2: 100_000, 3: 5_000}
"""Unknowns of definite matrices that are factorised side by side, by dimension: in three, dense kernels win."""
SIDE_SECONDS = {
    (1, True): 0.0, (1, False): 0.0, (2, True): 1.05e-9, (2, False): 1.75e-9, (3, True): 1.9e-8, (3, False): 2.5e-8
}  # fmt: skip
"""What they cost each, by dimension and whether they are on a grid, in units of the power 3/2 of the unknowns."""
BLOCK = 8
"""Right-hand sides that MUMPS solves for at once; in larger blocks (16, 32) the last bit depends on the column."""


class Direct(LinearMethod):
    """Cholesky, LDL^T or LU factorisation by MUMPS (Amestoy et al. 2001), through PETSc; by SuperLU (Li 2005), through
    SciPy, where PETSc is not installed. Definite matrices that differ between samples, of not too many unknowns, are
    factorised by four at once, in compiled code of our own (multifrontal: Duff and Reid 1983).

    The pattern is analysed once per shard. A matrix that is the same for all samples is factorised once per process,
    and solved with for eight samples at once. Work grows as n^(3/2) in 2D and n^2 in 3D.
    """

    method: Literal["direct"]
    within: ClassVar[float | None] = 0.0

    @classmethod
    def candidates(cls, problem: Problem, unknowns: int) -> Sequence[Mapping[str, Any]]:
        return ({},) if problem.dimension < 3 or unknowns <= LARGEST_FACTOR else ()

    @property
    def title(self) -> str:
        return self.method if has_petsc() else "direct by SuperLU"

    def seconds(self, problem: Problem, unknowns: int) -> float:
        if _definite_by_side(problem, unknowns):
            each = SIDE_SECONDS[problem.dimension, problem.structured]
            return float(7e-5 + 8e-8 * unknowns + each * unknowns**1.5)
        slower = 1.0 if has_petsc() else SLOWER_TO_SOLVE if problem.properties.constant else SLOWER
        return slower * self._seconds_of_mumps(problem, unknowns)

    @staticmethod
    def _seconds_of_mumps(problem: Problem, unknowns: int) -> float:
        if problem.properties.constant:
            return float(1.2e-5 + 3.6e-8 * unknowns + (1e-10 if problem.dimension < 3 else 4.5e-10) * unknowns**1.5)
        if problem.dimension < 3:
            fill = 2.2e-9 if problem.structured else 5e-9
            return float(5e-5 + 3.2e-7 * unknowns + fill * unknowns**1.5)
        return 5e-5 + 7e-7 * unknowns + 3.2e-10 * unknowns**2

    def setup_seconds(self, problem: Problem, unknowns: int) -> float:
        slower = 1.0 if has_petsc() else SLOWER
        return slower * factor_seconds(problem.properties, unknowns) if problem.properties.constant else 0.0

    def factor_bytes(self, problem: Problem, unknowns: int) -> float:
        return self._factors * factorisation(problem.properties, unknowns).bytes

    def memory(self, problem: Problem, unknowns: int) -> float:
        known = problem.properties
        may = problem.weak and not known.constant and by_side(known.dimension, unknowns)
        many = LANES if may or _definite_by_side(problem, unknowns) else self._factors
        return many * factor_memory(problem.properties, unknowns)

    @property
    def _factors(self) -> int:
        """SuperLU keeps two of them also where one is the transpose of the other."""
        return 1 if has_petsc() else 2

    def solver(self) -> DirectSolver:
        if not has_petsc():
            from pdemill.solvers import superlu  # late: as below

            return DirectSolver(superlu.Direct)
        from pdemill.solvers import petsc  # late: a spec must not load PETSc

        return DirectSolver(partial(petsc.Direct, block=BLOCK))


class Factorisation(Protocol):
    """Factors of one matrix after another, on one pattern."""

    def solve(self, matrix: Matrix, rhs: Array) -> tuple[Array, Result]: ...

    def solve_block(self, matrix: Matrix, block: list[Array]) -> list[tuple[Array, Result]]: ...


class DirectSolver(Solver[None]):
    """State: none; factors are kept inside, those of a constant matrix where the job keeps things, and hold no history
    that changes a result. A system of a matrix that is known to be constant is solved in a block, also alone: its bits
    are those of a block."""

    def __init__(self, make: Callable[[Pattern], Factorisation]) -> None:
        self._make = make
        self._kept: dict[Any, Any] = {}
        self._factors: Factorisation | None = None
        self._pattern: Pattern | None = None
        self._cholesky: tuple[Pattern, Cholesky | None] | None = None

    def keep_in(self, kept: dict[Any, Any]) -> None:
        self._kept = kept

    def start(self) -> None:
        return None

    def batch(self, pattern: Pattern, constant: bool) -> int:
        if constant:
            return BLOCK
        return 1 if self._side_by_side(pattern) is None else LANES

    def solve(self, system: System, state: None) -> Solution[None]:
        return self.solve_batch([system], state)[0]

    def solve_batch(self, systems: list[System], state: None) -> list[Solution[None]]:
        cholesky, first = None, systems[0].matrix
        if not first.properties.constant:
            cholesky = self._side_by_side(first.pattern)
        if cholesky is None:
            return self._one_by_one(systems)
        symmetric = [system.matrix.properties.symmetric for system in systems]  # of the other ones only half is read
        found = iter(cholesky.solve([system for system, one in zip(systems, symmetric, strict=True) if one]))
        values = [next(found) if one else None for one in symmetric]
        left = [system for system, value in zip(systems, values, strict=True) if value is None]
        others = iter(self._one_by_one(left))
        return [next(others) if value is None else Solution(value, finite(value), Stats(), None) for value in values]

    def _one_by_one(self, systems: list[System]) -> list[Solution[None]]:
        solutions: list[Solution[None]] = []
        for matrix, group in groupby(systems, key=lambda system: system.matrix):
            factors, sides = self._factors_of(matrix), [system.rhs for system in group]
            if matrix.properties.constant:
                parts = [factors.solve_block(matrix, sides[i : i + BLOCK]) for i in range(0, len(sides), BLOCK)]
                found = [pair for part in parts for pair in part]
            else:
                found = [factors.solve(matrix, rhs) for rhs in sides]
            solutions += [Solution(value, result, Stats(), None) for value, result in found]
        return solutions

    def inverse_norm(self, matrix: Matrix) -> float | None:
        """Of a constant symmetric one, by Lanczos with its factors, once per job."""
        if not (matrix.properties.constant and matrix.properties.symmetric) or matrix.pattern.size < LEAST_LANCZOS:
            return None
        key = ("inverse norm", matrix.pattern)
        if key not in self._kept:
            self._kept[key] = self._lanczos(matrix)
        return float(self._kept[key])

    def _lanczos(self, matrix: Matrix) -> float:
        """The largest eigenvalue of A^-1 by absolute value and a tenth more; infinite if it was not found."""
        from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh  # late: a tenth of the time to start

        def inverse(vector: Array) -> Array:
            for null in matrix.null_space:
                vector = vector - (null @ vector) / (null @ null) * null
            value = self.solve(System(matrix, vector), None).value
            for null in matrix.null_space:
                value = value - (null @ value) / (null @ null) * null
            return value

        start = np.random.Generator(np.random.Philox(key=1)).standard_normal(matrix.pattern.size)
        operator = LinearOperator((matrix.pattern.size,) * 2, matvec=inverse, dtype=np.float64)
        try:
            (found,) = eigsh(operator, k=1, which="LM", v0=start, tol=1e-3, return_eigenvectors=False)
        except ArpackError:
            return float("inf")
        return 1.1 * abs(float(found)) if np.isfinite(found) else float("inf")

    def correct(self, systems: list[System], residuals: list[Array], reduction: float) -> list[Array | None] | None:
        sides = [replace(system, rhs=rhs) for system, rhs in zip(systems, residuals, strict=True)]
        return [reduced(*pair) for pair in zip(sides, self.solve_batch(sides, None), strict=True)]

    def _side_by_side(self, pattern: Pattern) -> Cholesky | None:
        """What factorises the matrices of a pattern side by side, where that is worth trying."""
        if not pattern.definite or not by_side(pattern.dimension, pattern.size):
            return None
        if self._cholesky is None or self._cholesky[0] is not pattern:
            from pdemill.solvers.cholesky.factors import Cholesky, fits  # late: a spec must load no compiler
            from pdemill.solvers.cholesky.ordering import fronts_of

            key = ("fronts", pattern)
            if key not in self._kept:
                self._kept[key] = fronts_of(pattern)
            fronts = self._kept[key]
            self._cholesky = pattern, Cholesky(fronts) if fits(fronts) else None
        return self._cholesky[1]

    def _factors_of(self, matrix: Matrix) -> Factorisation:
        if self._factors is None or self._pattern is not matrix.pattern:
            self._pattern = matrix.pattern
            if matrix.properties.constant:
                key = ("factors", matrix.pattern)
                if key not in self._kept:
                    self._kept[key] = self._make(matrix.pattern)
                self._factors = self._kept[key]
            else:
                self._factors = self._make(matrix.pattern)
        return self._factors


def by_side(dimension: int, unknowns: int) -> bool:
    """Whether definite matrices are factorised side by side, if their fronts are not too large."""
    return unknowns <= LARGEST_BY_SIDE.get(dimension, 0)


def _definite_by_side(problem: Problem, unknowns: int) -> bool:
    known = problem.properties
    return known.symmetric and known.definite and not known.constant and by_side(known.dimension, unknowns)


def is_definite(matrix: Matrix) -> bool:
    """Whether a symmetric matrix has Cholesky factors, of such a pattern; False of others."""
    if not by_side(matrix.pattern.dimension, matrix.pattern.size):
        return False
    from pdemill.solvers.cholesky.factors import Cholesky  # late: a spec must load no compiler
    from pdemill.solvers.cholesky.ordering import fronts_of

    (found,) = Cholesky(fronts_of(matrix.pattern)).solve([System(matrix, np.zeros(matrix.pattern.size))])
    return found is not None
