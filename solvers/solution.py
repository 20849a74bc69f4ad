"""The contract of solvers: what they take and give."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from pdemill.points import Array
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.operators.system import Matrix, Pattern, System

REDUCTION = 0.1
"""The part of a residual that a correction may leave."""


class Result(Enum):
    """How a solve ended; the text says what to do."""

    CONVERGED = "the residual is below the tolerance"
    MAX_ITERATIONS = (
        "the iteration limit was reached: raise solver.max_iterations, choose a stronger solver.preconditioner, or "
        "use solver.method direct"
    )
    BREAKDOWN = "the iteration broke down: the matrix does not suit the method; use solver.method gmres or direct"
    NOT_FINITE = "the solution is not finite: the coefficients of this sample overflow or its matrix is singular"
    SINGULAR = "the matrix is singular: the problem has no unique solution for this sample (an eigenvalue?)"
    NOT_SEPARABLE = (
        "the assembled matrix is not that of constant coefficients on a grid: use solver.method direct, or report this "
        "if the equation has constant coefficients"
    )
    NO_GRID = "the unknowns do not form a grid of two or three axes: use solver.method direct"
    MISSED_TOLERANCE = (
        "the recomputed residual is above solver.rtol: the matrix is too ill-conditioned for this tolerance"
    )
    MISSED_ERROR = (
        "the algebraic error is above certify.algebraic_rtol, though the residual is small: the matrix is too "
        "ill-conditioned; rescale the problem, or use solver.method direct"
    )
    UNKNOWN_ERROR = (
        "the algebraic error is unknown: no solve for a correction converges; use solver.method direct, or rescale the "
        "problem"
    )
    UNDETERMINED = (
        "the rounding of its entries moves the solution of the system by more than certify.algebraic_rtol: the matrix "
        "is nearly singular (an eigenvalue nearby?)"
    )
    ROUNDED = (
        "rounded to store.dtype, the solution is off by more than certify.stored_rtol: set store.dtype to float64, or "
        "rescale the problem"
    )
    UNRESOLVED = (
        "the estimated discretisation error is above certify.error_rtol: refine problem.resolution, or raise the limit"
    )
    UNESTIMATED = (
        "the discretisation error is unknown, and certify.error_rtol cannot be held: the problem on cells of half the "
        "size has no certified solution for this sample"
    )
    TRUNCATED = "more than one walk in a thousand was cut short: raise solver.max_steps or solver.epsilon"
    HEAVY = "the weights of walks grow too large, because the coefficient varies too much: use problem.resolution"
    MISSED_STDERR = "the standard error is above solver.target_stderr: raise solver.max_walks"
    DISAGREES = "walks on the continuous equation disagree with the solution by more than their interval and tolerance"
    MISSED_TIME = (
        "the estimated error in time is above solver.time_rtol after the last halving of the step: raise time_rtol, or "
        "say by certify.valid_until how far the trajectory has to be right"
    )
    TOO_COARSE = (
        "the smallest modes that the grid resolves hold more than a hundredth of the solution: raise "
        "problem.resolution or solver.simulate_resolution"
    )
    NO_START = (
        "the laws are not finite, or k(u) is not positive, at the numbers that Newton's iteration may begin at: 0, the "
        "mean of u on Dirichlet sides, 1"
    )
    NOT_ELLIPTIC = (
        "k(u) is not positive along the way to a solution: the law of problem.coefficient must be positive for all "
        "values that u takes"
    )
    SINGULAR_JACOBIAN = (
        "the Jacobian is singular, or no method solves with it: the solution is not unique nearby, or the laws have no "
        "derivative there"
    )
    NO_PATH = (
        "neither Newton's steps, nor load steps, nor steps in pseudo-time lead to a solution: there may be none, or "
        "the laws change too fast"
    )
    UNBALANCED = (
        "what the solution gains is not what the terms of the equation give, by more than its errors explain: lower "
        "solver.time_rtol, and report this if that does not help"
    )
    INVALID = "the drawn coefficients do not make an equation of this family"

    @property
    def ok(self) -> bool:
        return self is Result.CONVERGED


@dataclass(frozen=True)
class Stats:
    """``iterations``: products with the matrix inside the iteration, those for recycled vectors included."""

    iterations: int = 0


@dataclass(frozen=True)
class Steps:
    """The last steps of an iteration that reduces errors in all directions alike: ``residuals``, ‖b - A u‖ / ‖b‖ before
    each, and ``lengths``, the 2-norms of what they added to u. ``shown``: the part of a residual
    after which what was added since is what u was off by, where that does not hang on how far apart entries are; else
    0."""

    residuals: Array
    lengths: Array
    shown: float = 0.0

    def since(self, residual: float) -> float:
        """How far u has moved, at most, since its residual was at least so large; infinite where the steps do not go
        back so far."""
        far = np.flatnonzero(self.residuals >= residual)
        return float(self.lengths[far[-1] :].sum()) if len(far) else float("inf")


@dataclass(frozen=True)
class Solution[State]:
    """``value``: the unknowns; ``state``: what the next solve may build on; ``steps``: the last ones that led to
    them, where the method's reduce errors in all directions alike; ``by``: the name of a method that stood in for the
    one that was asked, one of its ``stand_ins``."""

    value: Array
    result: Result
    stats: Stats
    state: State
    steps: Steps | None = None
    by: str = ""


def finite(value: Array) -> Result:
    """How an exact solve ended, by what came out."""
    return Result.CONVERGED if np.isfinite(value).all() else Result.NOT_FINITE


def reduced(system: System, solution: Solution[Any]) -> Array | None:
    """A solution that leaves at most ``REDUCTION`` of the right-hand side, recomputed; else None."""
    if not solution.result.ok:
        return None
    left = two_norm(system.residual(solution.value))
    return solution.value if left <= REDUCTION * two_norm(system.rhs) else None


class Solver[State](ABC):
    """Solves a sequence of systems on one pattern.

    Recycled knowledge goes in and comes out as ``state``; a state is a value: the solver never changes one that
    it was given. Work space and factorisations stay inside and never change what a solve returns.
    """

    def keep_in(self, kept: dict[Any, Any]) -> None:  # noqa: B027 - most have nothing to keep
        """Take a place for what outlives the solver: it belongs to the job, and what is in it must be a function of
        the job alone. Most solvers keep nothing."""

    def learn_from(self, drawn: Callable[[int], System | None]) -> None:  # noqa: B027 - most learn nothing beforehand
        """Take a way to systems like those that will come, by number: of samples that are drawn for this alone, None
        where one is not valid. Systems, and so what is learnt, must be a function of the job alone."""

    def draw_from(self, seed: int) -> None:  # noqa: B027 - most draw nothing
        """Take the job's seed, for random decisions: those are functions of the seed and of the place of a system in
        the sequence, which is part of the state."""

    @abstractmethod
    def start(self) -> State:
        """The state before the first system."""

    @abstractmethod
    def solve(self, system: System, state: State) -> Solution[State]:
        """Solve one system; failure is a result, not an exception."""

    def batch(self, pattern: Pattern, constant: bool) -> int:
        """How many systems of a pattern it likes to get at once; ``constant``: all have one matrix."""
        return 1

    def inverse_norm(self, matrix: Matrix) -> float | None:
        """The 2-norm of A^-1 (orthogonal to the null space) of a constant matrix, not too small, where it is known or
        cheap; None where it is not."""
        return None

    def correct(self, systems: list[System], residuals: list[Array], reduction: float) -> list[Array | None] | None:
        """Vectors d with A d = r to within ``reduction`` of r (``REDUCTION`` for exact methods), recomputed in float64,
        for systems just solved: by factors or hierarchies, at a small part of the price of a solve. None for one that
        fails; None at all where the method has no cheap way whose errors are small in all directions: Krylov methods
        have none, nor has smoothed aggregation that was told of no motions."""
        return None

    def solve_batch(self, systems: list[System], state: State) -> list[Solution[State]]:
        """Solve systems on one pattern, one after another or side by side; the last solution holds the next state.

        A system is solved to the same bits whatever shares its batch, as far as the state allows.
        """
        solutions = []
        for system in systems:
            solutions.append(self.solve(system, state))
            state = solutions[-1].state
        return solutions
