"""Tsallis-INF: which arm to play where nothing is known but what earlier plays cost.

Zimmert and Seldin 2021, "Tsallis-INF: an optimal algorithm for stochastic and adversarial bandits", JMLR 22, with
learning rate η_t = 8 / √t (4 and 16 take more iterations on the sequences of the paper) and estimates of reduced
variance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from pdemill.points import Array

RATE = 8.0
NEWTON = 60
"""Most steps of Newton's iteration for the normalisation, which converges from above."""


@dataclass(frozen=True, eq=False)
class Arms:
    """A value: ``losses``, estimates of what each arm would have cost so far beyond ``least``, the least cost of all;
    ``plays`` and ``means`` of those played.

    Each arm is played once, from the middle outwards, before anything is drawn.
    """

    losses: Array
    plays: Array
    means: Array
    least: float = np.inf

    @classmethod
    def of(cls, count: int) -> Self:
        """Arms that were never played."""
        return cls(np.zeros(count), np.zeros(count), np.zeros(count))

    @property
    def rate(self) -> float:
        """η_t."""
        return RATE / float(np.sqrt(max(1.0, self.plays.sum() - len(self.plays))))

    def probabilities(self) -> Array:
        """p_i = 4 / (η (L_i - x))², with x such that they add up to 1: the minimiser of p · L - (4 / η) Σ √p. Losses
        are in units of the median of the means, so that η needs no bound on costs."""
        new, count = np.flatnonzero(self.plays == 0.0), len(self.plays)
        if len(new):
            first = new[np.argmin(np.abs(new - count // 2))]
            return np.asarray(np.eye(count)[first])
        scale = float(np.median(self.means)) - self.least
        if not scale > 0.0:
            return np.full(count, 1.0 / count)
        return tsallis(self.losses / scale, self.rate)

    def told(self, arm: int, probability: float, cost: float) -> Self:
        """The arm that was played with a probability has cost so much. Importance weighting relative to a baseline, the
        mean of the arm's earlier costs where the probability is at least η², leaves estimates unbiased."""
        plays, means, losses, least = self.plays.copy(), self.means.copy(), self.losses.copy(), min(self.least, cost)
        if plays.all():
            base = means[arm] - least if probability >= self.rate**2 else 0.0
            losses[arm] += (cost - least - base) / probability + base
        plays[arm] += 1.0
        means[arm] += (cost - means[arm]) / plays[arm]
        return replace(self, losses=losses, plays=plays, means=means, least=least)


def tsallis(losses: Array, rate: float) -> Array:
    """The probabilities p_i = 4 / (η (L_i - x))²."""
    x = float(losses.min()) - 2.0 / rate
    for _ in range(NEWTON):
        weights = 4.0 / np.square(rate * (losses - x))
        step = (float(weights.sum()) - 1.0) / (rate * float((weights**1.5).sum()))
        x -= step
        if abs(step) <= 1e-12 * (1.0 + abs(x)):
            break
    weights = 4.0 / np.square(rate * (losses - x))
    return np.asarray(weights / weights.sum())
