"""ChebCB: costs of every arm as polynomials of a context, and inverse gap weighting of what they predict.

Khodak et al. 2024, algorithm 3; SquareCB of Foster and Rakhlin 2020, "Beyond UCB", algorithm 1, with ridge regression
on Chebyshev polynomials T_0 .. T_m of a context in [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from pdemill.points import Array

DEGREE = 6
RIDGE = 1e-3
EXPLORATION = 20.0
"""γ_t = so many times √(d t), in units of the range of what is predicted."""


@dataclass(frozen=True, eq=False)
class Polynomials:
    """A value: Gram matrices [arms, m + 1, m + 1] and right-hand sides [arms, m + 1] of the regressions, and how often
    each arm was played. Each is played once, from the middle outwards, before anything is drawn."""

    grams: Array
    moments: Array
    plays: Array

    @classmethod
    def of(cls, count: int) -> Self:
        """Arms that were never played."""
        return cls(np.tile(RIDGE * np.eye(DEGREE + 1), (count, 1, 1)), np.zeros((count, DEGREE + 1)), np.zeros(count))

    def predicted(self, context: float) -> Array:
        """The cost of every arm."""
        return np.asarray(np.linalg.solve(self.grams, self.moments[:, :, None])[:, :, 0] @ basis(context))

    def probabilities(self, context: float) -> Array:
        """p_i = 1 / (d + γ (f_i - f_best)), the best arm has the rest."""
        new, count = np.flatnonzero(self.plays == 0.0), len(self.plays)
        if len(new):
            first = new[np.argmin(np.abs(new - count // 2))]
            return np.asarray(np.eye(count)[first])
        costs = self.predicted(context)
        best, scale = int(costs.argmin()), float(np.ptp(costs))
        if not scale > 0.0:
            return np.full(count, 1.0 / count)
        gamma = EXPLORATION * float(np.sqrt(count * self.plays.sum())) / scale
        found = 1.0 / (count + gamma * (costs - costs[best]))
        found[best] = 0.0
        found[best] = 1.0 - found.sum()
        return np.asarray(found)

    def told(self, context: float, arm: int, cost: float) -> Self:
        """The arm has cost so much in the context."""
        grams, moments, plays, values = self.grams.copy(), self.moments.copy(), self.plays.copy(), basis(context)
        grams[arm] += np.outer(values, values)
        moments[arm] += cost * values
        plays[arm] += 1.0
        return replace(self, grams=grams, moments=moments, plays=plays)


def basis(context: float) -> Array:
    """T_0 .. T_m at a context in [-1, 1]."""
    values = np.ones(DEGREE + 1)
    values[1] = context
    for n in range(2, DEGREE + 1):
        values[n] = 2.0 * context * values[n - 1] - values[n - 2]
    return values
