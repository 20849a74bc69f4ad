"""Marching samples on a box grid by an additive Runge-Kutta scheme."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from pdemill.points import Array
from pdemill.solvers.compiled import compiled
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.operators.system import System
from pdemill.solvers.stepping.iterated import Iterated
from pdemill.solvers.stepping.linear import StageSystems
from pdemill.solvers.tableaus import Tableau
from pdemill.spec.method import LinearMethod

ROUNDING = 1e-12
"""Part of what a stage starts from below which its defect is rounding."""


@dataclass(frozen=True, eq=False)
class BoxEquation:
    """u' = b - A u - N(u, t) of one sample: ``systems`` hold A and b of every unknown, ``tendency`` is -N for the
    unknowns [C, n] at a time, or None where there is none; ``longest``: the longest step from a state [C, n] in which
    it makes no oscillations; ``load`` is b [C, n] at a time, or None where it stays the same; ``moving``: A and b at a
    time, where A depends on it."""

    systems: tuple[System, ...]
    tendency: Callable[[Array, float], Array] | None
    longest: Callable[[Array], float] = lambda u: inf
    load: Callable[[float], Array] | None = None
    moving: Callable[[float], tuple[System, ...]] | None = None


class BoxMarch:
    """The scheme at work on equations, one row each. ``tolerance``: the most that the defects of the systems of a unit
    of time may add up to in each unknown, relative to what varies in it. ``iterated``: ``method`` where it has a state
    that goes from stage to stage."""

    def __init__(
        self, equations: Sequence[BoxEquation], tableau: Tableau, method: LinearMethod, exact: LinearMethod,
        tolerance: float, iterated: Iterated | None = None,
    ) -> None:  # fmt: skip
        self._iterated = iterated
        self.equations, self.tableau, self._method, self._exact = equations, tableau, method, exact
        self._parts = [system for one in equations for system in one.systems]
        self._channels = len(equations[0].systems)
        self._loads = np.stack([system.rhs for system in self._parts])
        self._slopes = np.empty((2 * tableau.stages, *self._loads.shape))
        self._sparse = [system.matrix.sparse() for system in self._parts]
        self._explicit = any(one.tendency is not None for one in equations)
        self._tolerance = tolerance
        self._step = 0.0
        self._systems: StageSystems | None = None
        self.left = np.zeros((len(equations), self._channels))

    def advance(self, u: Array, interval: float, steps: int, begin: float = 0.0) -> None:
        """Advance the states u [rows, C n] in place by so many equal steps from the time ``begin``."""
        step, parts = interval / steps, u.reshape(len(self._parts), -1)
        for number in range(steps):
            self._advance(parts, begin + number * step, step)

    def _systems_of(self, step: float) -> StageSystems:
        """The systems of the stages of a step."""
        if self._systems is None or step != self._step:
            matrices, shift = [part.matrix for part in self._parts], 1.0 / (self.tableau.gamma * step)
            made = StageSystems(matrices, shift, self._method, self._exact, iterated=self._iterated)
            self._step, self._systems = step, made
        return self._systems

    def _advance(self, u: Array, t: float, step: float) -> None:
        tableau = self.tableau
        stages, other = tableau.stages, step if self._explicit else 0.0
        slopes = self._slopes
        sizes = np.array([two_norm(part - part.mean()) for part in u])
        share = self._tolerance * step / tableau.amplification[1:].sum()
        self._load(t)
        self._linear(u, slopes[0])
        if self._explicit:
            self._other(u, t, slopes[stages])
        z, left = u, np.zeros(len(u))
        for i in range(1, stages):
            known = _combined(u, slopes, step * tableau.implicit[i, :i], other * tableau.explicit[i, :i], stages)
            self._load(t + tableau.nodes[i] * step)
            systems = self._systems_of(step)
            floors = np.array([ROUNDING * two_norm(part) for part in known])
            expected = known + np.tensordot(tableau.predictor[i, :i], slopes[:i], 1) / systems.shift
            z, defects = systems.solve(known, self._loads, (expected, z), np.maximum(share * sizes, floors))
            left += tableau.amplification[i] * defects
            np.multiply(systems.shift, z - known, out=slopes[i])
            if self._explicit:
                self._other(z, t + tableau.nodes[i] * step, slopes[stages + i])
        u[...] = _combined(u, slopes, step * tableau.weights, other * tableau.explicit_weights, stages)
        self.left += left.reshape(self.left.shape)

    def _load(self, t: float) -> None:
        """Let all that depends on the time be as it is at t."""
        for i, one in enumerate(self.equations):
            if one.load is not None:
                self._loads[i * self._channels : (i + 1) * self._channels] = one.load(t)

    def _linear(self, u: Array, out: Array) -> None:
        for i, matrix in enumerate(self._sparse):
            np.subtract(self._loads[i], matrix @ u[i], out=out[i])

    def _other(self, u: Array, t: float, out: Array) -> None:
        for i, one in enumerate(self.equations):
            rows = slice(i * self._channels, (i + 1) * self._channels)
            out[rows] = 0.0 if one.tendency is None else one.tendency(u[rows], t)


def _combined(u: Array, slopes: Array, implicit: Array, explicit: Array, stages: int) -> Array:
    out = np.empty_like(u)
    _combine(out.reshape(-1), u.reshape(-1), slopes.reshape(2 * stages, -1), implicit, explicit, stages)
    return out


@compiled()
def _combine(out, u, slopes, implicit, explicit, stages):  # type: ignore[no-untyped-def]
    """out = u + sum_j implicit_j slopes_j + explicit_j slopes_(stages + j)."""
    for k in range(out.size):
        out[k] = u[k]
    for j in range(implicit.size):
        a, b = implicit[j], explicit[j]
        if a != 0.0:
            for k in range(out.size):
                out[k] += a * slopes[j, k]
        if b != 0.0:
            for k in range(out.size):
                out[k] += b * slopes[stages + j, k]
