"""A method at work on one system after another, each answer certified."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pdemill.points import Array
from pdemill.spec.method import LinearMethod
from solvers.job import FAILED
from solvers.methods.direct import Direct
from solvers.operators.equation import relative_residual
from solvers.operators.system import Matrix, Pattern, System
from solvers.solution import Result, Solution, Solver
from solvers.span import spanned
from solvers.stopwatch import Stopwatch

FALLBACK = "direct"
"""The method that solves what another one fails."""
SOME = 256


@dataclass(frozen=True)
class Label:
    """A certified solution, or why there is none; ``seconds`` of CPU time its solves took."""

    unknowns: Array | None
    residual: float
    iterations: int
    method: str
    result: Result
    reason: str = ""
    seconds: float = 0.0


class Sequence:
    """A solver with the state that it carries from one system to the next, and a direct solver to fall back on.

    ``kept``: what is to outlive this sequence, such as the factors of the one matrix of a job, to which it belongs.
    """

    def __init__(self, method: LinearMethod, kept: dict[Any, Any] | None = None) -> None:
        self.method = method
        self._kept = {} if kept is None else kept
        self._solver: Solver[Any] = spanned(method)
        self._solver.keep_in(self._kept)
        self._state: Any = self._solver.start()
        self._fallback: Solver[Any] | None = None
        self._last: Matrix | None = None

    def batch(self, pattern: Pattern, constant: bool) -> int:
        """How many systems it likes to get at once."""
        return self._solver.batch(pattern, constant)

    def labels(self, systems: list[System], watch: Stopwatch) -> list[Label]:
        """Solve and certify systems on one pattern, their common time divided evenly among them; one retry with
        ``direct`` for each that the method fails."""
        before = watch.seconds["solve"]
        with watch.step("solve"):
            systems = [self._recognised(system) for system in systems]
            solutions = self._solver.solve_batch(systems, self._state)
            self._state = solutions[-1].state
        each = (watch.seconds["solve"] - before) / len(systems)
        labels = []
        for system, solution in zip(systems, solutions, strict=True):
            label = replace(self._certify(system, solution, self.method.method, watch), seconds=each)
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
        before = watch.seconds["solve"]
        with watch.step("solve"):
            if self._fallback is None:
                self._fallback = Direct(method="direct").solver()
                self._fallback.keep_in(self._kept)
            retry = self._fallback.solve(system, self._fallback.start())
        seconds = label.seconds + watch.seconds["solve"] - before
        second = self._certify(system, retry, FALLBACK, watch)
        spent = replace(second, iterations=label.iterations + second.iterations, seconds=seconds)
        if second.unknowns is not None:
            return spent
        return replace(spent, result=label.result, reason=f"{label.reason}; then {FALLBACK}: {second.reason}")

    def _certify(self, system: System, solution: Solution[Any], method: str, watch: Stopwatch) -> Label:
        iterations = solution.stats.iterations
        if not solution.result.ok:
            return Label(None, np.nan, iterations, FAILED, solution.result, solution.result.value)
        with watch.step("certify"):
            residual = relative_residual(system, solution.value)
        if not residual <= self.method.rtol:
            missed = Result.MISSED_TOLERANCE if np.isfinite(residual) else Result.NOT_FINITE
            return Label(None, residual, iterations, FAILED, missed, f"{missed.value} (residual {residual:.1e})")
        return Label(solution.value, residual, iterations, method, solution.result)


def _equal(one: Matrix, other: Matrix) -> bool:
    """Whether two matrices on one pattern hold the same values; as a rule the first ones tell that they do not. Values
    that nobody asked for are not made for it."""
    if one is other or not (one.made and other.made):
        return one is other
    a, b = one.values, other.values
    return a is b or (np.array_equal(a[:SOME], b[:SOME]) and np.array_equal(a, b))
