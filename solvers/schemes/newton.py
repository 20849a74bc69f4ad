"""Steady nonlinear equations: Newton's iteration, and load steps where it does not get through."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol
from weakref import WeakKeyDictionary

import numpy as np

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.job import FAILED
from pdemill.solvers.operators.equation import DiscreteEquation, NonlinearEquation
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.schemes.in_step import in_step
from pdemill.solvers.schemes.scheme import Scheme
from pdemill.solvers.schemes.steps import Asked, Asking, Servant, StepSolver
from pdemill.solvers.sequence import FALLBACK, Label, Sequence
from pdemill.solvers.solution import Result
from pdemill.solvers.stopwatch import Stopwatch

MOST, MOST_OF_A_LOAD = 50, 15
"""Newton steps, and of one load step."""
DESCENT, SHORTEST = 1e-4, 1e-6
"""The part of what the linear model promises that a step must bring; the shortest part of one."""
FAR = 1e8
"""Times by which a step may make the residual larger for that to tell how much shorter it should be."""
EXACT = 1e-3
"""The forcing term of the steps that certificates are made of."""
ROUNDS, PROGRESS = 8, 0.5
"""Most exact steps at the end; one that leaves more than this part of the one before was the last one."""
MOST_IN_TIME, FURTHER, NEAR = 100, 10.0, 1e-3
"""Steps in pseudo-time, the most by which one may make the residual larger, and where Newton's take over."""
FIRST_LOAD, LEAST_LOAD, LOOSE = 0.25, 2.0**-12, 1e-3
"""Load steps, in units of the whole load, and the residual that one may leave in units of the size."""


class Forcing(Protocol):
    """How exactly the system of the next step is solved."""

    @property
    def first(self) -> float:
        """That of the first step, and the largest."""

    def after(self, forcing: float, ratio: float) -> float:
        """The forcing term after a step with ``forcing`` that left the residual ``ratio`` times as large."""


@dataclass(frozen=True)
class EisenstatWalker:
    """Choice 2 of Eisenstat and Walker 1996, η = γ (‖R‖ / ‖R before‖)², not below γ η² of the step before where that is
    above a tenth."""

    first: float = 0.1
    most: float = 0.1
    gamma: float = 0.9

    def after(self, forcing: float, ratio: float) -> float:
        made, kept = self.gamma * ratio**2, self.gamma * forcing**2
        return min(self.most, max(made, kept if kept > 0.1 else 0.0))


class Stuck(Exception):
    """An iteration does not get further."""

    def __init__(self, result: Result, detail: str = "") -> None:
        super().__init__(result.name)
        self.result, self.detail = result, detail


class Newton(Scheme):
    """u <- u + λ d with J(u) d = -R(u) to within a forcing term; λ is 1, or shorter where ‖R‖ does not fall. It begins
    at a number (``start`` of the equation), whose first step is the solution of the equation linearised there. Where
    steps become too short the load is applied in parts: R(u) = (1 - t) R(start) for t up to 1; where that branch of
    solutions ends before, u_t = -R(u) is followed in large steps to where it rests.

    ‖R‖ in units of its size at the start is at most ``rtol`` of the method; then steps are taken until the next exact
    one is at most ``algebraic_rtol`` of what varies in u, and that is the algebraic error. Of several solutions it is
    the one that this way leads to. Source: Dennis and Schnabel 1983, "Numerical methods for unconstrained optimization
    and nonlinear equations", chapter 6; Kelley 1995, "Iterative methods for linear and nonlinear equations", chapter 8.
    """

    def __init__(self, forcing: Forcing | None = None) -> None:
        self._forcing: Forcing = forcing or EisenstatWalker()
        self._servants: WeakKeyDictionary[Sequence, Servant] = WeakKeyDictionary()

    def labels(self, equations: list[DiscreteEquation], sequence: Sequence, watch: Stopwatch) -> list[Label]:
        servant = self._servants.setdefault(sequence, Servant(sequence.solver, sequence.method))
        before = watch.seconds["solve"]
        with watch.step("solve"):
            tasks = [self.iteration(equation, sequence, servant).label() for equation in equations]
            labels = in_step(tasks, servant.serve)
        each = (watch.seconds["solve"] - before) / len(equations)
        return [replace(label, seconds=each) for label in labels]

    def iteration(self, equation: DiscreteEquation, sequence: Sequence, servant: Servant) -> Iteration:
        """That of one sample."""
        if not isinstance(equation, NonlinearEquation):
            raise SolverError("Newton's scheme solves steady nonlinear equations")
        return Iteration(equation, sequence, servant, self._forcing)


class Iteration:
    """One sample on its way. ``norms``: ‖R‖ in units of the size before every Newton step."""

    def __init__(self, equation: NonlinearEquation, sequence: Sequence, servant: Servant, forcing: Forcing) -> None:
        self.equation, self.sequence, self.forcing = equation, sequence, forcing
        self.systems = StepSolver(equation, servant)
        self.norms: list[float] = []
        self._refused = False  # whether the last path has tried u that cannot be solutions

    def label(self) -> Asking[Label]:
        """Its label."""
        first = self.equation.system_of_start()
        if first is not None:
            found = yield Asked(first.matrix, first.rhs, 0.0, exactly=True)
            self.equation.begin_at(found)
        start = self.equation.start()
        try:
            with np.errstate(all="ignore"):
                if not np.isfinite(self.equation.size()) or self.equation.objection(start):
                    raise Stuck(Result.NO_START)
                u = yield from self._solved(start)
                label = yield from self._certified(u)
                return label
        except Stuck as end:
            reason = f"{end.result.value} ({end.detail})" if end.detail else end.result.value
            last = self.norms[-1] if self.norms else np.nan
            return Label(None, last, self.systems.solved, FAILED, end.result, reason)

    def _solved(self, start: Array) -> Asking[Array]:
        target = self.sequence.method.rtol * self.equation.size()
        try:
            u = yield from self._newton(start, None, target, MOST)
        except Stuck:
            pass
        else:
            return u
        try:
            u = yield from self._loaded(start, target)
        except Stuck as end:
            u = yield from self._timed(start, target, end)
        return u

    def _newton(self, u: Array, shift: Array | None, target: float, most: int) -> Asking[Array]:
        """R(u) = shift, to within a norm ``target``."""
        rest = self._rest(u, shift)
        norm, forcing, self._refused = two_norm(rest), self.forcing.first, False
        for _ in range(most):
            self.norms.append(norm / (self.equation.size() or 1.0))
            if norm <= target:
                return u
            wanted = max(forcing, 0.5 * target / norm)
            d = yield from self.systems.step(u, rest, min(wanted, self.forcing.first))
            if d is None:
                raise Stuck(Result.SINGULAR_JACOBIAN)
            before = norm
            try:
                u, rest, norm = self._searched(u, d, shift, norm, wanted)
            except Stuck:
                if norm <= self._rounding(u):  # there is nothing left to reduce
                    return u
                raise
            forcing = self.forcing.after(forcing, norm / before)
        raise self._stuck()

    def _stuck(self) -> Stuck:
        return Stuck(Result.NOT_ELLIPTIC if self._refused else Result.NO_PATH)

    def _rest(self, u: Array, shift: Array | None) -> Array:
        rest = self.equation.residual(u)
        return rest if shift is None else rest + shift

    def _searched(
        self, u: Array, d: Array, shift: Array | None, norm: float, forcing: float
    ) -> tuple[Array, Array, float]:  # fmt: skip
        """The first of ever shorter steps after which the norm has fallen enough; their lengths by the parabola through
        what is known of ‖R‖², within [0.1, 0.5] of the length before."""
        part = 1.0
        while part >= SHORTEST:
            tried = self.equation.moved(u, d, part)
            refused = bool(self.equation.objection(tried))
            rest, self._refused = self._rest(tried, shift), self._refused or refused
            found = two_norm(rest) if np.isfinite(rest).all() and not refused else np.inf
            if found <= (1.0 - DESCENT * part * (1.0 - forcing)) * norm:
                return tried, rest, found
            ratio = found / norm
            best = part / (2.0 + (ratio**2 - 1.0) / part) if ratio < FAR else 0.0
            part = min(0.5 * part, max(0.1 * part, best))
        raise self._stuck()

    def _loaded(self, start: Array, target: float) -> Asking[Array]:
        """The whole load in steps, each from where the one before came to, or from the line through the last two."""
        load = self.equation.residual(start)
        u, before, t, length, last = start, start, 0.0, FIRST_LOAD, FIRST_LOAD
        while t < 1.0:
            size = min(length, 1.0 - t)
            shift = (t + size - 1.0) * load
            loose = target if t + size >= 1.0 else LOOSE * self.equation.size()
            ahead = u + (u - before) * (size / last)
            begin = ahead if t > 0.0 and not self.equation.objection(ahead) else u
            try:
                found = yield from self._newton(begin, shift, loose, MOST_OF_A_LOAD)
            except Stuck as end:
                length = 0.25 * size
                if length < LEAST_LOAD:
                    raise Stuck(end.result, f"load steps end at {t:.3g} of the load") from None
                continue
            u, before, t, last, length = found, u, t + size, size, 2.0 * size
        return u

    def _timed(self, u: Array, target: float, cause: Stuck) -> Asking[Array]:
        """Steps of u_t = -R(u) by Euler's implicit method, linearised, which grow as the residual falls, until they are
        Newton's. Kelley and Keyes 1998, "Convergence analysis of pseudo-transient continuation"."""
        rest = self.equation.residual(u)
        norm = two_norm(rest)
        shift = norm / np.sqrt(u.size)
        for _ in range(MOST_IN_TIME):
            self.norms.append(norm / self.equation.size())
            d = yield from self.systems.step(u, rest, self.forcing.first, shift)
            tried = u if d is None else u + d
            made = self.equation.residual(tried)
            found = two_norm(made) if np.isfinite(made).all() else np.inf
            if d is None or found > FURTHER * norm or self.equation.objection(tried):
                shift *= 8.0
                continue
            u, rest, shift, norm = tried, made, shift * found / norm, found
            if norm <= NEAR * self.equation.size():
                u = yield from self._newton(u, None, target, MOST)
                return u
        raise cause

    def _rounding(self, u: Array) -> float:
        """The norm below which a residual may be rounding."""
        return self.equation.linearised(u).rounding(u)

    def _certified(self, u: Array) -> Asking[Label]:
        """The label, after exact steps until the next one is small."""
        equation, measure, error = self.equation, self.sequence.measure, np.inf
        for _ in range(1 + ROUNDS):
            rest = equation.residual(u)
            residual = two_norm(rest) / (equation.size() or 1.0)
            d = yield from self.systems.step(u, rest, EXACT) if rest.any() else _nothing(rest)
            if d is None:
                raise Stuck(Result.SINGULAR_JACOBIAN)
            before, error = error, measure.relative(d, u)
            small = self._is_small(u, residual)
            if small and error <= self.sequence.algebraic_rtol:
                method = FALLBACK if self.systems.fell_back else self.sequence.method.method
                return Label(
                    u, residual, self.systems.solved, method, Result.CONVERGED, algebraic_error=error,
                    variation=measure.variation(u),
                )  # fmt: skip
            if not error <= PROGRESS * before or equation.objection(u + d):
                break
            u = u + d
        if small:
            raise Stuck(Result.MISSED_ERROR, f"algebraic error {error:.1e}")
        raise Stuck(Result.MISSED_TOLERANCE, f"residual {residual:.1e}")

    def _is_small(self, u: Array, residual: float) -> bool:
        rounding = self._rounding(u) / (self.equation.size() or 1.0) if self.sequence.to_rounding else 0.0
        return residual <= max(self.sequence.method.rtol, rounding)


def _nothing(rest: Array) -> Asking[Array | None]:
    """The step from a solution."""
    return rest
    yield
