"""The systems of the stages: (c + A) z = c d + b for many samples side by side, A and c the same for all steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pdemill.points import Array
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.operators.system import Matrix, System
from pdemill.solvers.solution import Solver
from pdemill.solvers.stepping.iterated import Iterated
from pdemill.spec.method import LinearMethod

REDUCTIONS = (1e-2, 1e-4)
"""The part of a residual that one correction may leave; the loosest that suffices is taken."""
ROUNDS = 6
"""Most corrections of one system."""
ROUNDING = 1e-14
"""Sums of rows below this part of the largest diagonal entry are 0."""
PROGRESS = 0.5
"""A correction that leaves more than this part of the residual was the last one."""


class StageSystems:
    """Solves the systems of matrices c + A, each time from a guess, by corrections until the defect is small.

    Factors and hierarchies are made once and kept. What a system comes to does not depend on the others. ``method``
    takes all systems at once, and corrects them loosely; where it is ``exact`` itself, and where it fails, every matrix
    has an exact solver of its own. What a closed box holds, loose corrections keep to rounding. ``common``: the solver
    of ``method``, where it was at work on other matrices before; these are for one stage then, and nothing is made in
    advance. ``iterated``: ``method`` at work with a state, in place of both.
    """

    def __init__(
        self, matrices: list[Matrix], shift: float, method: LinearMethod, exact: LinearMethod,
        common: Solver[None] | None = None, iterated: Iterated | None = None,
    ) -> None:  # fmt: skip
        self.shift, self._method, self._exact = shift, method, exact
        made: dict[int, Matrix] = {}
        for matrix in matrices:
            if id(matrix) not in made:
                made[id(matrix)] = shifted(matrix, shift)
        self._systems = [System(made[id(matrix)], np.empty(0)) for matrix in matrices]
        self._sparse = [system.matrix.sparse() for system in self._systems]
        self._closed = [method is not exact and keeps_sums(matrix) for matrix in matrices]
        self._own: dict[int, Solver[None]] = {}
        self._common, self._iterated = common, iterated

    def solve(self, known: Array, loads: Array, guesses: tuple[Array, Array], limits: Array) -> tuple[Array, Array]:
        """z [systems, n] with (c + A) z = c known + load, from the better one of two guesses, and the norms of the
        defects in units of z, which are below ``limits`` where that is possible."""
        z, right = guesses[0].copy(), self.shift * known + loads
        defects, norms = np.empty_like(z), np.full(len(z), np.inf)
        for i, other in enumerate(guesses[1]):
            norms[i] = self._defect(i, right[i], z[i], defects[i])
            second = np.empty_like(other)
            if (norm := self._defect(i, right[i], other, second)) < norms[i]:
                z[i], defects[i], norms[i] = other, second, norm
        going = [i for i in range(len(z)) if norms[i] > limits[i]]
        for _ in range(ROUNDS):
            if not going:
                break
            for i, change in zip(going, self._corrections(going, defects, norms, limits), strict=True):
                z[i] += change
            still = []
            for i in going:
                before, norms[i] = norms[i], self._defect(i, right[i], z[i], defects[i])
                if norms[i] > limits[i] and norms[i] <= PROGRESS * before:
                    still.append(i)
            going = still
        for i, closed in enumerate(self._closed):
            if closed:
                z[i] += right[i].mean() / self.shift - z[i].mean()
        return z, norms

    def _defect(self, number: int, right: Array, z: Array, out: Array) -> float:
        """The defect of a system, and its norm in units of z."""
        np.subtract(right, self._sparse[number] @ z, out=out)
        return two_norm(out) / self.shift

    def _corrections(self, numbers: list[int], defects: Array, norms: Array, limits: Array) -> list[Array]:
        if self._method is self._exact:
            return [self._exactly(i, defects[i]) for i in numbers]
        if self._iterated is not None:
            systems = [replace(self._systems[i], rhs=defects[i].copy()) for i in numbers]
            made = self._iterated.corrections(numbers, systems, norms, limits)
            return [self._exactly(i, defects[i]) if d is None else d for i, d in zip(numbers, made, strict=True)]
        found: dict[int, Array] = {}
        for reduction in REDUCTIONS:
            enough = reduction == REDUCTIONS[-1]
            chosen = [i for i in numbers if i not in found and (enough or reduction * norms[i] <= limits[i])]
            if chosen:
                found |= dict(zip(chosen, self._loosely(chosen, defects, reduction), strict=True))
        return [found[i] for i in numbers]

    def _exactly(self, number: int, defect: Array) -> Array:
        system = self._systems[number]
        solver = self._common if self._method is self._exact else None
        if solver is None:
            solver = self._own[id(system.matrix)] = self._own.get(id(system.matrix)) or self._exact.solver()
        return np.asarray(solver.solve(replace(system, rhs=defect), None).value)

    def _loosely(self, numbers: list[int], defects: Array, reduction: float) -> list[Array]:
        """Corrections of the common solver; exact ones where it fails."""
        if self._common is None:
            self._common = self._method.solver()
            self._common.solve_batch([replace(s, rhs=d) for s, d in zip(self._systems, defects, strict=True)], None)
        made = self._common.correct([self._systems[i] for i in numbers], [defects[i] for i in numbers], reduction)
        found = [None] * len(numbers) if made is None else made
        return [
            self._exactly(i, defects[i]) if change is None else change for i, change in zip(numbers, found, strict=True)
        ]


def keeps_sums(matrix: Matrix) -> bool:
    """Whether the entries of A z add up to 0 whatever z is, to rounding."""
    sums = matrix.sparse() @ np.ones(matrix.pattern.size)
    largest = np.abs(matrix.values[matrix.pattern.diagonals]).max()
    return matrix.properties.symmetric and bool(np.abs(sums).max() <= ROUNDING * largest)


def shifted(matrix: Matrix, shift: float) -> Matrix:
    """c + A."""
    values = matrix.values.copy()
    values[matrix.pattern.diagonals] += shift
    return Matrix(matrix.pattern, values, replace(matrix.properties, constant=False))
