"""The algebraic error of a label: how far u is from the exact solution of its discrete system.

A small residual bounds it only by the condition number, which is 1e10 and more at high contrast. Measured instead: a
correction d with A d = b - A u, the residual in doubled precision, found by a method that is accurate in all directions
(factors, a multigrid hierarchy). It counts only if it reduces the residual tenfold.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from pdemill.points import Array
from solvers.methods.direct import LARGEST_FACTOR, Direct
from solvers.methods.multigrid import Multigrid, missing
from solvers.operators.norms import two_norm, varying
from solvers.operators.system import Matrix, System
from solvers.solution import REDUCTION, Solver, reduced


class Measure(Protocol):
    """How large unknowns are: an L2 norm, which is at most ``stretch`` times the 2-norm, and that of what varies in
    them."""

    @property
    def stretch(self) -> float: ...

    def norm(self, unknowns: Array) -> float: ...

    def variation(self, unknowns: Array) -> float: ...


class Euclidean:
    """The 2-norm, and that of u minus its mean; of u itself where that is no more than rounding."""

    stretch = 1.0

    def norm(self, unknowns: Array) -> float:
        return two_norm(unknowns)

    def variation(self, unknowns: Array) -> float:
        return varying(self.norm(unknowns - unknowns.mean()), self.norm(unknowns))


def relative_error(measure: Measure, correction: Array, unknowns: Array) -> float:
    """‖d‖ / ‖u - mean u‖; 0 where nothing is to be corrected."""
    error = measure.norm(correction)
    if error == 0.0:
        return 0.0
    size = measure.variation(unknowns)
    return error / size if size > 0.0 else float("inf")


class Corrector:
    """Corrections of systems that a solver has just solved, by that solver where it has a way of its own, by multigrid
    or factors where it has none or fails."""

    def __init__(self, solver: Solver[Any], kept: dict[Any, Any]) -> None:
        self._solver, self._kept = solver, kept
        self._multigrid: Solver[Any] | None = None
        self._direct: Solver[Any] | None = None

    def bound(self, system: System, residual: Array, unknowns: Array) -> float:
        """A bound on ‖d‖ that costs no solve: ‖A⁻¹‖ times the largest that ‖b - A u‖ can be, for a matrix that all
        samples share; infinite elsewhere."""
        if not (system.matrix.properties.constant and system.matrix.made):
            return float("inf")
        norm = self._solver.inverse_norm(system.matrix)
        if norm is None and not self._too_large(system):
            norm = self._factors().inverse_norm(system.matrix)
        return float("inf") if norm is None else norm * (two_norm(residual) + system.rounding(unknowns))

    def corrections(self, systems: list[System], residuals: list[Array]) -> list[Array | None]:
        """d with A d = r for each system; None where no method reduces its residual tenfold."""
        scales = [_scale(residual) for residual in residuals]
        sides = [_projected(s.matrix, r * scale) for s, r, scale in zip(systems, residuals, scales, strict=True)]
        found = self._solver.correct(systems, sides) or self._by_multigrid(systems, sides)
        corrections: list[Array | None] = []
        for system, side, first, scale in zip(systems, sides, found, scales, strict=True):
            d = first if first is not None else self._by_factors(system, side)
            corrections.append(None if d is None else d if scale == 1.0 else d / scale)
        return corrections

    def _by_multigrid(self, systems: list[System], sides: list[Array]) -> list[Array | None]:
        if missing(systems[0].matrix.properties, "") is not None:
            return [None] * len(systems)
        if self._multigrid is None:
            self._multigrid = Multigrid(method="multigrid", rtol=REDUCTION).solver()
        loads = [replace(system, rhs=side, guess=None) for system, side in zip(systems, sides, strict=True)]
        return [s.value if s.result.ok else None for s in self._multigrid.solve_batch(loads, None)]

    def _by_factors(self, system: System, side: Array) -> Array | None:
        """By ``direct``; by the solver itself, begun anew, where factors are too large or no matrix is made."""
        solver = self._solver if not system.matrix.made or self._too_large(system) else self._factors()
        load = replace(system, rhs=side, guess=None)
        return reduced(load, solver.solve(load, solver.start()))

    def _too_large(self, system: System) -> bool:
        return system.matrix.properties.dimension > 2 and system.matrix.pattern.size > LARGEST_FACTOR

    def _factors(self) -> Solver[Any]:
        if self._direct is None:
            self._direct = Direct(method="direct").solver()
            self._direct.keep_in(self._kept)
        return self._direct


def _scale(residual: Array) -> float:
    """A power of two that brings a residual to size one, where its squares could not be numbers."""
    if 1e-140 < np.linalg.norm(residual) < 1e140:
        return 1.0
    largest = float(np.abs(residual).max(initial=0.0))
    return float(2.0 ** -np.clip(np.frexp(largest)[1], -1000, 1000)) if 0.0 < largest < np.inf else 1.0


def _projected(matrix: Matrix, residual: Array) -> Array:
    """A residual without the part along the null space, which no correction reduces: it is rounding."""
    for vector in matrix.null_space:
        residual = residual - (vector @ residual) / (vector @ vector) * vector
    return residual
