"""The linear systems of Newton's iterations: J d = -R, by GCR with a method as the preconditioner.

J is always the exact Jacobian. The preconditioner solves with a matrix near it, by multigrid, or with an earlier
Jacobian, by its factors, and is kept while a few steps suffice; other methods solve with J itself. GCR: Eisenstat,
Elman, Schultz 1983; it may change its preconditioner from step to step.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from math import floor, log10
from typing import Any

import numpy as np

from pdemill.points import Array
from pdemill.solvers.methods.direct import LARGEST_FACTOR, Direct, DirectSolver
from pdemill.solvers.methods.multigrid import LEAST_REDUCTION, MultigridSolver
from pdemill.solvers.operators.equation import Frozen, NonlinearEquation
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.operators.system import Matrix, System
from pdemill.solvers.solution import Solver
from pdemill.solvers.span import SpanSolver
from pdemill.spec.method import LinearMethod

MOST = 16
"""Steps of one system."""
KEPT = 4
"""Steps up to which the next system has the same preconditioner."""
ENOUGH = 1e-2
"""The part of a residual that a solve with a matrix near the Jacobian may leave."""


@dataclass(frozen=True)
class Asked:
    """M z = r, to within ``reduction`` of r; ``exactly``: by factors, whatever the method."""

    matrix: Matrix
    rhs: Array
    reduction: float
    exactly: bool = False


type Asking[Found] = Generator[Asked, Array | None, Found]


class Servant:
    """Answers what the iterations of several samples ask for at a time, with the solver of a method. ``seed``: for its
    random decisions."""

    def __init__(self, solver: Solver[Any], method: LinearMethod, seed: int = 0) -> None:
        self._seed = seed
        self._method, self._solver = method, solver.inner if isinstance(solver, SpanSolver) else solver
        self.preconditions = isinstance(self._solver, MultigridSolver)
        self.factorises = isinstance(self._solver, DirectSolver)
        self._own: dict[float, Solver[Any]] = {}
        self._state: Any = None
        self._direct: Solver[Any] | None = self._solver if self.factorises else None

    def serve(self, asked: list[Asked]) -> list[Array | None]:
        """z for each; None where it is not found."""
        found: dict[int, Array | None] = {}
        for key in dict.fromkeys((one.reduction, one.exactly) for one in asked):
            numbers = [i for i, one in enumerate(asked) if (one.reduction, one.exactly) == key]
            found |= dict(zip(numbers, self._solved([asked[i] for i in numbers], *key), strict=True))
        return [found[i] for i in range(len(asked))]

    def _solved(self, asked: list[Asked], reduction: float, exactly: bool) -> list[Array | None]:
        systems, sides = [System(one.matrix, one.rhs) for one in asked], [one.rhs for one in asked]
        if exactly or self.factorises:
            return self._exactly(systems)
        if self.preconditions:
            return self._solver.correct(systems, sides, reduction) or [None] * len(asked)
        return [self._iterated(system, reduction) for system in systems]

    def _exactly(self, systems: list[System]) -> list[Array | None]:
        matrix = systems[0].matrix
        if matrix.properties.dimension > 2 and matrix.pattern.size > LARGEST_FACTOR:
            return [None] * len(systems)
        if self._direct is None:
            self._direct = Direct(method="direct").solver()
        found = self._direct.correct(systems, [system.rhs for system in systems], 0.0)
        return found or [None] * len(systems)

    def _iterated(self, system: System, reduction: float) -> Array | None:
        """By a method of any kind, whose state goes from system to system."""
        if reduction not in self._own:
            self._own[reduction] = self._method.model_copy(update={"rtol": reduction}).solver()
            self._own[reduction].draw_from(self._seed)
        solver = self._own[reduction]
        solution = solver.solve(system, solver.start() if self._state is None else self._state)
        self._state = solution.state
        return solution.value if solution.result.ok else None


class StepSolver:
    """The systems of one sample's iteration. ``solved``: how many there were; ``fell_back``: whether the method failed
    one, so that it was solved by factors."""

    def __init__(self, equation: NonlinearEquation, servant: Servant) -> None:
        self._equation, self._servant = equation, servant
        self._kept: Frozen | None = None
        self._jacobian: Matrix | None = None
        self._shift = 0.0
        self._steps = 0
        self.solved, self.fell_back = 0, False

    def step(self, u: Array, rest: Array, forcing: float, shift: float = 0.0) -> Asking[Array | None]:
        """d with ‖(J(u) + shift) d - rest‖ at most ``forcing`` times ‖rest‖; None where there is none, or where it is
        so long that rounding of J d is more than the rest."""
        jacobian = self._equation.jacobian(u, shift)
        self.solved += 1
        if not np.isfinite(jacobian.values).all():
            return None
        d = yield from self._step(u, jacobian, rest, forcing, shift)
        return d if d is not None and System(jacobian, rest).rounding(d) <= two_norm(rest) else None

    def chord(self, u: Array, rest: Array, forcing: float, shift: float, renew: bool) -> Asking[Array | None]:
        """The same with the Jacobian of an earlier u, unless it is to be renewed, or was of another shift."""
        if self._jacobian is None or renew or shift != self._shift:
            self._jacobian, self._shift, self._steps = self._equation.jacobian(u, shift), shift, KEPT + 1
            self.solved += 1
        if not np.isfinite(self._jacobian.values).all():
            return None
        d = yield from self._step(u, self._jacobian, rest, forcing, shift)
        return d

    def _step(self, u: Array, jacobian: Matrix, rest: Array, forcing: float, shift: float) -> Asking[Array | None]:
        fresh = (
            self._kept is None or self._steps > KEPT or not (self._servant.factorises or self._servant.preconditions)
        )
        for renewed in (True,) if fresh else (False, True):
            if renewed:
                near = self._equation.frozen(u, shift) if self._servant.preconditions else Frozen(jacobian)
                self._kept = near
            assert self._kept is not None
            d, self._steps = yield from _conjugated(jacobian, self._kept, rest, forcing)
            if d is not None:
                return d
        self._kept, self.fell_back = None, True
        exact = yield Asked(jacobian, rest, 0.0, exactly=True)
        return exact


def _conjugated(matrix: Matrix, near: Frozen, rhs: Array, forcing: float) -> Asking[tuple[Array | None, int]]:
    """The solution of A d = b by GCR, and the steps it took; None where these are too many or one breaks down."""
    size, product = two_norm(rhs), matrix.sparse()
    least = forcing if near.matrix is matrix or (near.scale is None and matrix.properties.symmetric) else ENOUGH
    d, rest, basis = np.zeros_like(rhs), rhs.copy(), list[tuple[Array, Array]]()
    for count in range(1, MOST + 1):
        reduction = _ladder(max(least, 0.5 * forcing * size / two_norm(rest)))
        z = yield Asked(near.matrix, rest, reduction)
        if z is None:
            return None, MOST
        p = near.scaled(z)
        image = product @ p
        for other, known in basis:
            part = known @ image
            p, image = p - part * other, image - part * known
        norm = two_norm(image)
        if not 0.0 < norm < np.inf:
            return None, MOST
        p, image = p / norm, image / norm
        basis.append((p, image))
        part = image @ rest
        d, rest = d + part * p, rest - part * image
        if two_norm(rest) <= forcing * size:
            return d, count
    return None, MOST


def _ladder(reduction: float) -> float:
    """A power of ten that is at most so large, within what a solve may be asked for."""
    return float(min(0.1, max(LEAST_REDUCTION, 10.0 ** floor(log10(reduction) + 1e-9))))
