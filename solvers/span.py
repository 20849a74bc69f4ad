"""Systems of one matrix, begun in the span of the solutions that there are already.

Right-hand sides that differ by a few numbers lie in a space of few dimensions, and so do their solutions: once a basis
is solved, the others are combinations. Fischer 1998, "Projection techniques for iterative solution of Ax = b with
successive right-hand sides"; here the combination is read from sketches, so that a sequence without such a space costs
hardly more than without looking.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from pdemill.points import Array
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.solvers.sketch import Sketch
from pdemill.solvers.solution import Result, Solution, Solver, Stats
from pdemill.spec.method import LinearMethod

LIMIT = 32
"""Most vectors of a span."""
ENTRIES = 4_000_000
"""Most numbers in them: 32 MB, and once more while they are combined."""
SAFETY = 0.5
"""Part of the tolerance within which a combination is a solution: the certificate has the last word, and is close."""
NEAR = 1e-4
"""A remainder of a right-hand side below this part of it comes from the tolerance of earlier solves. It is solved for
in full, not down to the tolerance: one such solve serves all that follow."""


@dataclass(frozen=True)
class Span:
    """Solutions of one matrix A. The sketches of A times them are the rows of ``triangle``ᵀ ``basis``, ``basis`` being
    orthonormal; none are expected to help in a ``closed`` one."""

    matrix: Matrix
    solutions: tuple[Array, ...] = ()
    basis: Array = field(default_factory=lambda: np.empty((0, 0)))
    triangle: Array = field(default_factory=lambda: np.empty((0, 0)))
    closed: bool = False

    @property
    def full(self) -> bool:
        return len(self.solutions) >= min(LIMIT, ENTRIES // self.matrix.pattern.size)

    def split(self, sketch: Array) -> tuple[Array, Array]:
        """The part of a sketch along the basis, and what is left of it: Gram-Schmidt, twice."""
        along = np.zeros(len(self.solutions))
        for _ in range(2 if self.solutions else 0):
            more = self.basis @ sketch
            along, sketch = along + more, sketch - more @ self.basis
        return along, sketch

    def combine(self, along: Array) -> Array:
        """The combination of solutions whose image has this part along the basis."""
        return np.asarray(np.linalg.solve(self.triangle, along) @ self._rows)

    @cached_property
    def _rows(self) -> Array:
        return np.stack(self.solutions)

    def extended(self, solution: Array, image: Array) -> Span:
        """With one more solution and the sketch of A times it; as it is where there is no room or nothing new."""
        along, left = self.split(image)
        size, count = two_norm(left), len(self.solutions)
        if self.full or not size > 1e-12 * two_norm(image):
            return self
        triangle = np.zeros((count + 1, count + 1))
        triangle[:count, :count], triangle[:count, count], triangle[count, count] = self.triangle, along, size
        basis = np.vstack([self.basis.reshape(count, len(left)), left / size])
        return replace(self, solutions=(*self.solutions, solution), basis=basis, triangle=triangle)


@dataclass(frozen=True)
class SpanState:
    """The state of the solver inside, the span of the last matrix, and how many systems were in it; ``alone``: the
    solution of the only system of that matrix so far, which is not yet in the span: most matrices never come again."""

    inner: Any
    span: Span | None = None
    found: int = 0
    alone: Array | None = None


def spanned(method: LinearMethod) -> Solver[Any]:
    """The solver of a method, which looks in the span first where the method says that this pays."""
    solver: Solver[Any] = method.solver()
    if method.guess == "zero" or method.within is None:
        return solver
    return SpanSolver(solver, method.rtol, max(method.within, SAFETY * method.rtol))


class SpanSolver(Solver[SpanState]):
    """A solver that looks in the span first. State: that of the solver inside, and the span.

    A combination that meets ``rtol`` is the solution; one that leaves at most ``within`` of the right-hand side is
    where the solver inside begins. Looking ends when a span is full and was never enough. Systems that are seen to be
    independent reach the solver inside together.
    """

    def __init__(self, inner: Solver[Any], rtol: float, within: float) -> None:
        self.inner, self._rtol, self._within = inner, rtol, within
        self._sketch: Sketch | None = None

    def keep_in(self, kept: dict[Any, Any]) -> None:
        self.inner.keep_in(kept)

    def draw_from(self, seed: int) -> None:
        self.inner.draw_from(seed)

    def start(self) -> SpanState:
        return SpanState(self.inner.start())

    def batch(self, pattern: Pattern, constant: bool) -> int:
        return self.inner.batch(pattern, constant)

    def inverse_norm(self, matrix: Matrix) -> float | None:
        return self.inner.inverse_norm(matrix)

    def correct(self, systems: list[System], residuals: list[Array], reduction: float) -> list[Array | None] | None:
        return self.inner.correct(systems, residuals, reduction)

    def solve(self, system: System, state: SpanState) -> Solution[SpanState]:
        return self.solve_batch([system], state)[0]

    def solve_batch(self, systems: list[System], state: SpanState) -> list[Solution[SpanState]]:
        solved: list[Solution[SpanState]] = []
        while len(solved) < len(systems):
            left = systems[len(solved) :]
            matrix = left[0].matrix
            known = state.span is not None and state.span.matrix is matrix
            count = 0 if known else _alone(left)
            if count:
                solved += self._of_their_own(left[:count], state)
            else:
                state = self._opened(state) if known else SpanState(state.inner, Span(matrix))
                assert state.span is not None
                count = self._independent(left, state.span)
                many = self._anew(left[:count], state, state.span) if count else None
                solved += many or [self._in(left[0], state, state.span)]
            state = solved[-1].state
        return solved

    def _independent(self, systems: list[System], span: Span) -> int:
        """How many, from the first on, have the matrix of the span and are out of its reach and of each other's."""
        for count, system in enumerate(systems):
            if system.matrix is not span.matrix:
                return count
            if not span.closed:
                image = self._image(system.rhs)
                if span.solutions and two_norm(span.split(image)[1]) <= self._within * two_norm(image):
                    return count
                span = span.extended(system.rhs, image)
        return len(systems)

    def _of_their_own(self, systems: list[System], state: SpanState) -> list[Solution[SpanState]]:
        """Solve systems of as many matrices, of none of which another one is known."""
        found = []
        for system, solution in zip(systems, self.inner.solve_batch(systems, state.inner), strict=True):
            alone = solution.value if solution.result.ok else None
            found.append(replace(solution, state=SpanState(solution.state, Span(system.matrix), alone=alone)))
        return found

    def _opened(self, state: SpanState) -> SpanState:
        """The state of a matrix that has come again, with its first solution in the span."""
        if state.span is None or state.alone is None:
            return state
        return replace(state, span=self._kept(state.span, state.alone), alone=None)

    def _anew(self, systems: list[System], state: SpanState, span: Span) -> list[Solution[SpanState]]:
        """Solve systems that are out of reach."""
        solutions = self.inner.solve_batch(systems, state.inner)
        if span.full and not state.found:
            span = Span(span.matrix, closed=True)
        if not span.closed:
            for solution in solutions:
                span = self._kept(span, solution.value) if solution.result.ok else span
        state = SpanState(solutions[-1].state, span, state.found)
        return [replace(solution, state=state) for solution in solutions]

    def _in(self, system: System, state: SpanState, span: Span) -> Solution[SpanState]:
        """Solve a system that is in reach, so far as there is anything left to solve."""
        guess = span.combine(span.split(self._image(system.rhs))[0])
        residual = system.residual(guess)
        left, size = two_norm(residual), two_norm(system.rhs)
        if left <= SAFETY * self._rtol * size:
            return Solution(guess, Result.CONVERGED, Stats(), replace(state, found=state.found + 1))
        if left <= NEAR * size:
            solution = self.inner.solve(replace(system, rhs=residual), state.inner)
            solution = replace(solution, value=guess + solution.value)
        else:
            solution = self.inner.solve(replace(system, guess=guess) if left < size else system, state.inner)
        if solution.result.ok:
            span = self._kept(span, solution.value - guess)
        return replace(solution, state=SpanState(solution.state, span, state.found))

    def _kept(self, span: Span, value: Array) -> Span:
        return span if span.full else span.extended(value, self._image(span.matrix.sparse() @ value))

    def _image(self, vector: Array) -> Array:
        if self._sketch is None or self._sketch.size != len(vector):
            self._sketch = Sketch(len(vector))
        return self._sketch(vector)


def _alone(systems: list[System]) -> int:
    """How many systems, from the first on, have a matrix that neither of those beside them has."""
    matrices = [system.matrix for system in systems]
    same = [one is other for one, other in pairwise(matrices)]
    return next((i for i, again in enumerate(same) if again), len(systems))
