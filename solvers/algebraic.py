"""The algebraic error of a label: how far u is from the exact solution of its discrete system.

A small residual bounds it only by the condition number, which is 1e10 and more at high contrast. Measured instead: a
correction d with A d = b - A u, the residual in doubled precision, found by a method that is accurate in all directions
(factors, a multigrid hierarchy). It counts only if it reduces the residual tenfold.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil, fsum, inf, log10, sqrt
from typing import Any, Protocol

import numpy as np

from pdemill.points import Array
from pdemill.solvers.methods.amg import Amg
from pdemill.solvers.methods.direct import LARGEST_FACTOR, Direct
from pdemill.solvers.methods.multigrid import LEAST_REDUCTION, Multigrid, missing
from pdemill.solvers.operators.norms import EPSILON, two_norm, unit_scale
from pdemill.solvers.operators.system import Matrix, System
from pdemill.solvers.solution import REDUCTION, Solver, Steps, reduced

PLAIN = 1e2
"""Ratio of entries up to which a tenfold reduction shows all of the error."""
LEVELS = 8
"""Most times that the level of a correction is looked at."""
DRIFT = 2.0
"""Times by which residuals that an iteration carries along may be too large."""
WEAK = 1e-6
"""1ᵀA1 per unknown, in units of the largest entry, below which the level of a correction is looked at by itself; also
below about n^(-2/d), where the longest wave on the grid is stiffer than the level."""


class Measure(Protocol):
    """How large unknowns are: an L2 norm, which is at most ``stretch`` times the 2-norm, that of what varies in them,
    and how large errors are beside that."""

    @property
    def stretch(self) -> float: ...

    def norm(self, unknowns: Array) -> float: ...

    def largest_norm(self, unknowns: Array) -> float: ...

    def variation(self, unknowns: Array) -> float: ...

    def relative(self, error: Array, unknowns: Array) -> float: ...


class Corrector:
    """Corrections of systems that a solver has just solved, by that solver where it has a way of its own, by multigrid
    or factors where it has none or fails."""

    def __init__(self, solver: Solver[Any], kept: dict[Any, Any]) -> None:
        self._solver, self._kept = solver, kept
        self._multigrid: dict[float, Solver[Any]] = {}
        self._direct: Solver[Any] | None = None
        self._aggregation: Solver[Any] | None = None

    def bound(self, system: System, left: float) -> float:
        """A bound on ‖d‖ that costs no solve: ‖A⁻¹‖ times ``left``, the most that ‖b - A u‖ can be, for a matrix that
        all samples share; infinite elsewhere."""
        if not system.matrix.properties.constant:
            return float("inf")
        norm = self._solver.inverse_norm(system.matrix)
        if norm is None and not self._too_large(system):
            norm = self.direct.inverse_norm(system.matrix)
        return float("inf") if norm is None else norm * left

    def shown(self, system: System, steps: Steps | None, left: float) -> float:
        """‖d‖ of an earlier iterate, at most: the last steps of an iteration are its correction once they have reduced
        its residual, to ``left``, as much as is asked of one, and the error that remains is smaller. Infinite where
        they do not show it."""
        if steps is None or _may_hide_a_level(system.matrix) or not system.matrix.properties.definite:
            return inf  # beside a resonance what is off has hardly a residual, and steps need not see it
        size = system.size * (steps.shown or _reduction(system.matrix))
        return steps.since(DRIFT * left / size) if size > 0.0 else inf

    def residual(self, system: System, unknowns: Array, plain: Array) -> Array:
        """b - A u as corrections need it: ``plain``, by float64, where rounding adds no more to it than they may
        leave, else in doubled precision."""
        if not system.matrix.made:
            return plain
        kept = 0.0 if _may_hide_a_level(system.matrix) else _reduction(system.matrix)
        return plain if kept * two_norm(plain) > system.rounding(unknowns) else system.precise_residual(unknowns)

    def corrections(self, systems: list[System], residuals: list[Array]) -> list[Array | None]:
        """d with A d = r for each system, orthogonal to its null space; None where no method reduces its residual
        tenfold."""
        scales = [unit_scale(residual) for residual in residuals]
        sides = [_projected(s.matrix, r * scale) for s, r, scale in zip(systems, residuals, scales, strict=True)]
        reductions = [_reduction(system.matrix) for system in systems]
        corrections: list[Array | None] = [None] * len(systems)
        for reduction in dict.fromkeys(reductions):
            group = [i for i, other in enumerate(reductions) if other == reduction]
            found = self._iterated([systems[i] for i in group], [sides[i] for i in group], reduction)
            for i, first in zip(group, found, strict=True):
                d = first if first is not None else self._by_factors(systems[i], sides[i])
                if d is not None and _may_hide_a_level(systems[i].matrix):
                    d = self._levelled(replace(systems[i], rhs=sides[i]), d, reduction)
                if d is not None:
                    d = _projected(systems[i].matrix, d)
                corrections[i] = None if d is None else d if scales[i] == 1.0 else d / scales[i]
        return corrections

    def rounded(self, system: System, unknowns: Array) -> Array | None:
        """By how much the solution moves where entries of the system change by their rounding, with signs at random;
        None where that is not found. Beside an eigenvalue whose vector has no load the solution holds as much of that
        vector as rounding puts into the system: a correction does not show it."""
        signs = np.random.Generator(np.random.Philox(key=2)).choice([-1.0, 1.0], system.matrix.pattern.size)
        moved = EPSILON * (abs(system.matrix.sparse()) @ np.abs(unknowns) + np.abs(system.rhs))
        (found,) = self.corrections([system], [moved * signs])
        return found

    def _levelled(self, load: System, d: Array, reduction: float) -> Array | None:
        """A correction with the level that its solve missed. What is hardly held is not quite a constant: it is solved
        for again until a tenth of the correction, at most, was missed; None where that does not come."""
        for _ in range(LEVELS):
            level = _level(load, d)
            d = d + level * load.matrix.constants if load.matrix.kept is not None else d + level
            if abs(level) * sqrt(len(d)) <= REDUCTION * two_norm(d):
                return d
            rest = load.precise_residual(d)
            (more,) = self._iterated([load], [rest], reduction)
            more = more if more is not None else self._by_factors(load, rest)
            if more is None:
                return None
            d = d + more
        return None

    def _iterated(self, systems: list[System], sides: list[Array], reduction: float) -> list[Array | None]:
        """By the solver that solved the systems where it has a way of its own, else by smoothed aggregation that knows
        the motions, or by multigrid where that is admitted and not too much is asked of it."""
        found = self._solver.correct(systems, sides, reduction)
        if found is None and all(map(_suits_aggregation, systems)):
            self._aggregation = self._aggregation or Amg(method="amg").solver()
            found = self._aggregation.correct(systems, sides, reduction)
        if found is not None:
            return found
        if reduction < LEAST_REDUCTION or missing(systems[0].matrix.properties, "") is not None:
            return [None] * len(systems)
        if reduction not in self._multigrid:
            self._multigrid[reduction] = Multigrid(method="multigrid", rtol=reduction).solver()
        loads = [replace(system, rhs=side, guess=None) for system, side in zip(systems, sides, strict=True)]
        return [s.value if s.result.ok else None for s in self._multigrid[reduction].solve_batch(loads, None)]

    def _by_factors(self, system: System, side: Array) -> Array | None:
        """By ``direct``; by the solver itself, begun anew, where factors are too large or no matrix is made."""
        solver = self._solver if not system.matrix.made or self._too_large(system) else self.direct
        load = replace(system, rhs=side, guess=None)
        return reduced(load, solver.solve(load, solver.start()))

    def _too_large(self, system: System) -> bool:
        return system.matrix.properties.dimension > 2 and system.matrix.pattern.size > LARGEST_FACTOR

    @property
    def direct(self) -> Solver[Any]:
        """The method ``direct``, made when it is first asked for: one matrix is factorised once, whoever wants it."""
        if self._direct is None:
            self._direct = Direct(method="direct").solver()
            self._direct.keep_in(self._kept)
        return self._direct


def _reduction(matrix: Matrix) -> float:
    """The part of a residual that an iterative correction may leave. A region of large couplings that small ones cut
    off, be it a layer of a stretched box, has an error whose residual is smaller than that of others by their ratio, so
    that much more is asked; in powers of ten. So it is with rooms behind doors, which obstacles may leave: there as
    much is asked as of any iteration. 0 asks for factors."""
    if not matrix.made:
        return REDUCTION
    least, most = matrix.smallest, matrix.largest
    apart = most / least if 0.0 < least <= most < inf else inf
    asked = REDUCTION * 10.0 ** -max(0, ceil(log10(apart / PLAIN))) if apart < inf else 0.0
    return asked if matrix.kept is None else min(asked, LEAST_REDUCTION)


def _suits_aggregation(system: System) -> bool:
    """Whether smoothed aggregation corrects a system, faster than factors."""
    matrix = system.matrix
    return matrix.motions is not None and matrix.pattern.definite and matrix.pattern.dimension > 2


def _may_hide_a_level(matrix: Matrix) -> bool:
    """Whether constants are nearly in the null space, so that the residual of a wrong level is too small for a tenfold
    reduction to show it; told by 1ᵀA1."""
    if matrix.singular or not matrix.made:
        return False
    size = matrix.pattern.size
    weak: float = max(WEAK, size ** (-2.0 / matrix.properties.dimension))
    return abs(matrix.total) <= weak * size * matrix.largest


def _level(system: System, d: Array) -> float:
    """The constant that a correction misses: 1ᵀ(r - A d) / 1ᵀA1, both in doubled precision."""
    one = system.matrix.constants
    weight = -fsum(replace(system, rhs=np.zeros_like(d)).precise_residual(one))
    return fsum(system.precise_residual(d)) / weight if weight else float("inf")


def _projected(matrix: Matrix, values: Array) -> Array:
    """A residual without the part along the null space, which no correction reduces: it is rounding; a correction
    without that part, which is no error."""
    for vector in matrix.null_space:
        values = values - (vector @ values) / (vector @ vector) * vector
    return values
