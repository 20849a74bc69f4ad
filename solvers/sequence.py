"""A method at work on one system after another, each answer certified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pdemill.points import Array
from pdemill.solvers.algebraic import Corrector, Measure
from pdemill.solvers.job import FAILED
from pdemill.solvers.operators.equation import relative_residual
from pdemill.solvers.operators.norms import Euclidean
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.solvers.solution import Result, Solution, Solver
from pdemill.solvers.span import spanned
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.spec.certify import ALGEBRAIC_RTOL
from pdemill.spec.method import LinearMethod

FALLBACK = "direct"
"""The method that solves what another one fails."""
SOME = 256


@dataclass(frozen=True)
class Label:
    """A certified solution, or why there is none.

    ``algebraic_error``: its distance to the exact solution of the system, relative to what varies in it; ``rounding``:
    what adding a level to it has rounded away, in the same units; ``variation``: the norm of what varies in the
    unknowns, where it is known; ``seconds`` of CPU time its solves and certificates took.
    """

    unknowns: Array | None
    residual: float
    iterations: int
    method: str
    result: Result
    reason: str = ""
    seconds: float = 0.0
    algebraic_error: float = float("nan")
    rounding: float = 0.0
    variation: float = float("nan")


ROUNDS = 8
"""Most corrections that are added to a solution."""
PROGRESS = 0.5
"""A correction that leaves more than this part of the error was the last one."""


class Sequence:
    """A solver with the state that it carries from one system to the next, and a direct solver to fall back on.

    ``kept``: what is to outlive this sequence, such as the factors of the one matrix of a job, to which it belongs.
    ``measure`` and ``algebraic_rtol``: how algebraic errors are measured, and the largest of a certified label.
    ``to_rounding``: a residual that the rounding of its system explains is small enough, whatever the method's
    ``rtol``: labels of refined problems are held against their algebraic error. ``bounds``: there are so many systems
    that a bound for all of them costs less than a correction for each. ``seed``: for random decisions of the solver.
    ``drawn``: systems to learn from beforehand.
    """

    def __init__(
        self, method: LinearMethod, kept: dict[Any, Any] | None = None, measure: Measure | None = None,
        algebraic_rtol: float = ALGEBRAIC_RTOL, to_rounding: bool = False, bounds: bool = True,
        seed: int = 0, drawn: Callable[[int], System | None] | None = None,
    ) -> None:  # fmt: skip
        self.method, self.to_rounding, self._bounds = method, to_rounding, bounds
        self.measure, self.algebraic_rtol = measure or Euclidean(), algebraic_rtol
        self._kept = {} if kept is None else kept
        self.solver: Solver[Any] = spanned(method)
        self.solver.keep_in(self._kept)
        self.solver.draw_from(seed)
        if drawn is not None:
            self.solver.learn_from(drawn)
        self._state: Any = self.solver.start()
        self._corrector = Corrector(self.solver, self._kept)
        self._fallback: Corrector | None = None
        self._last: Matrix | None = None

    def batch(self, pattern: Pattern, constant: bool) -> int:
        """How many systems it likes to get at once."""
        return self.solver.batch(pattern, constant)

    def labels(self, systems: list[System], watch: Stopwatch) -> list[Label]:
        """Solve and certify systems on one pattern, their common time divided evenly among them; one retry with
        ``direct`` for each that the method fails."""
        before = _spent(watch)
        with watch.step("solve"):
            systems = [self._recognised(system) for system in systems]
            solutions = self.solver.solve_batch(systems, self._state)
            self._state = solutions[-1].state
        certified = self._certify(systems, solutions, self.method.method, self._corrector, watch)
        each = (_spent(watch) - before) / len(systems)
        labels = []
        for system, found in zip(systems, certified, strict=True):
            label = replace(found, seconds=each)
            accepted = label.unknowns is not None or self.method.method == FALLBACK
            labels.append(label if accepted else self._retry(system, label, watch))
        return labels

    def _recognised(self, system: System) -> System:
        """The system with the matrix of the one before, where the values are the same to the bit: what is kept for a
        matrix is kept for the object."""
        last, matrix = self._last, system.matrix
        if last is not None and last.pattern is matrix.pattern and _equal(last, matrix):
            return system if last is matrix else replace(system, matrix=last)
        self._last = matrix
        return system

    def _retry(self, system: System, label: Label, watch: Stopwatch) -> Label:
        before = _spent(watch)
        with watch.step("solve"):
            direct = self._corrector.direct
            retry = direct.solve(system, direct.start())
        if self._fallback is None:
            self._fallback = Corrector(direct, self._kept)
        (second,) = self._certify([system], [retry], FALLBACK, self._fallback, watch)
        seconds = label.seconds + _spent(watch) - before
        spent = replace(second, iterations=label.iterations + second.iterations, seconds=seconds)
        if second.unknowns is not None:
            return spent
        return replace(spent, result=label.result, reason=f"{label.reason}; then {FALLBACK}: {second.reason}")

    def _certify(
        self, systems: list[System], solutions: list[Solution[Any]], method: str, corrector: Corrector, watch: Stopwatch
    ) -> list[Label]:
        """The labels of solutions: those whose residual is small enough get their algebraic errors, measured side by
        side."""
        with watch.step("certify"):
            labels, unsure, residuals = [], [], []
            for i, (system, solution) in enumerate(zip(systems, solutions, strict=True)):
                label, residual = self._small(system, solution, method, corrector)
                labels.append(label)
                if residual is not None:
                    unsure.append(i)
                    residuals.append(residual)
            if unsure:
                found = corrector.corrections([systems[i] for i in unsure], residuals)
                for i, correction in zip(unsure, found, strict=True):
                    labels[i] = self._corrected(systems[i], labels[i], correction, corrector)
        return labels

    def _small(
        self, system: System, solution: Solution[Any], method: str, corrector: Corrector
    ) -> tuple[Label, Array | None]:
        """The label of a solution as far as its residual tells, and that residual where it does not tell enough. Exact
        solvers may miss ``rtol`` by rounding, which a correction mends."""
        iterations, u = solution.stats.iterations, system.matrix.within(solution.value)
        if not solution.result.ok:
            return Label(None, np.nan, iterations, FAILED, solution.result, solution.result.value), None
        rest = system.residual(u)
        left, residual = system.measured(rest)
        small = self._is_small(system, u, residual)
        if not small and not (method == FALLBACK and np.isfinite(residual)):
            return _missed(residual, iterations), None
        label = Label(u, residual, iterations, solution.by or method, solution.result)
        if small and system.matrix.made:
            left += system.rounding(u)
            bound = corrector.shown(system, solution.steps, left)
            if self._bounds and not bound < np.inf:
                bound = corrector.bound(system, left)
            if bound < np.inf:
                bound, size = self.measure.stretch * bound, self.measure.variation(system.matrix.counted(u))
                if bound <= self.algebraic_rtol * size:
                    return replace(label, algebraic_error=bound / size if bound else 0.0, variation=size), None
        return label, corrector.residual(system, u, rest)

    def _is_small(self, system: System, unknowns: Array, residual: float) -> bool:
        """Whether a relative residual is that of a certified label."""
        if residual <= self.method.rtol or not (self.to_rounding and system.matrix.made):
            return residual <= self.method.rtol
        return residual <= system.rounding(unknowns) / (system.size or 1.0)

    def _is_determined(self, system: System, unknowns: Array, corrector: Corrector) -> bool:
        """Whether the rounding of the entries of a system that is not definite leaves its solution what it is."""
        if system.matrix.properties.definite or not system.matrix.made:
            return True
        moved = corrector.rounded(system, unknowns)
        return (
            moved is not None and self.measure.relative(moved, system.matrix.counted(unknowns)) <= self.algebraic_rtol
        )

    def _corrected(self, system: System, label: Label, correction: Array | None, corrector: Corrector) -> Label:
        """The label with its algebraic error; after corrections where that, or the residual, is too large."""
        assert label.unknowns is not None
        u, error, residual = label.unknowns, np.inf, label.residual
        for number in range(1 + ROUNDS):
            if correction is None:
                return _without(label, residual, Result.UNKNOWN_ERROR)
            before, error = error, self.measure.relative(correction, system.matrix.counted(u))
            if error <= self.algebraic_rtol and self._is_small(system, u, residual):
                if number and not self._is_determined(system, u, corrector):
                    return _without(label, residual, Result.UNDETERMINED)
                cut = system.matrix.kept is not None
                varies = self.measure.variation(system.matrix.counted(u)) if cut else label.variation
                return replace(label, unknowns=u, residual=residual, algebraic_error=error, variation=varies)
            if not error <= PROGRESS * before:
                break
            u = system.matrix.within(u + correction)
            residual = relative_residual(system, u)
            (correction,) = corrector.corrections([system], [system.precise_residual(u)])
        if self._is_small(system, u, residual):
            return _without(label, residual, Result.MISSED_ERROR, f"algebraic error {error:.1e}")
        return _missed(residual, label.iterations)


def _spent(watch: Stopwatch) -> float:
    """Seconds of solving and certifying so far."""
    return watch.seconds["solve"] + watch.seconds["certify"]


def _missed(residual: float, iterations: int) -> Label:
    missed = Result.MISSED_TOLERANCE if np.isfinite(residual) else Result.NOT_FINITE
    return Label(None, residual, iterations, FAILED, missed, f"{missed.value} (residual {residual:.1e})")


def _without(label: Label, residual: float, result: Result, detail: str = "") -> Label:
    """A label that failed by its error."""
    reason = f"{result.value} ({detail})" if detail else result.value
    return Label(None, residual, label.iterations, FAILED, result, reason)


def _equal(one: Matrix, other: Matrix) -> bool:
    """Whether two matrices on one pattern hold the same values; as a rule the first ones tell that they do not. Values
    that nobody asked for are not made for it."""
    if one is other or not (one.made and other.made):
        return one is other
    a, b = one.values, other.values
    return a is b or (np.array_equal(a[:SOME], b[:SOME]) and np.array_equal(a, b))
