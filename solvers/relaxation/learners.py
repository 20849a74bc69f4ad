"""Who chooses ω: the state of a learner is a value that goes from system to system."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from pdemill.draws import word
from pdemill.points import Array
from pdemill.solvers.relaxation.bandit import Arms
from pdemill.solvers.relaxation.chebyshev import Polynomials

GRID: Array = np.linspace(1.0, 1.95, 20)
"""The ω to choose from: those of the paper."""
BINS = 24
"""Intervals of equal length of a context in [0, 1], each with arms of its own."""


@dataclass(frozen=True, eq=False)
class Learnt(ABC):
    """What systems so far have taught; ``systems``: how many there were, whose next number is the place of the next
    random decision."""

    systems: int = 0

    @abstractmethod
    def probabilities(self, context: float) -> Array:
        """Those of the entries of ``GRID`` for a system whose matrix has this ``shift_share``."""

    @abstractmethod
    def told(self, context: float, arm: int, probability: float, cost: float) -> Self:
        """With one more system, which took so many iterations."""

    def next(self) -> Self:
        """With one more system, which taught nothing."""
        return replace(self, systems=self.systems + 1)


@dataclass(frozen=True, eq=False)
class Unaware(Learnt):
    """Tsallis-INF, which sees costs alone."""

    arms: Arms = field(default_factory=lambda: Arms.of(len(GRID)))

    def probabilities(self, context: float) -> Array:
        return self.arms.probabilities()

    def told(self, context: float, arm: int, probability: float, cost: float) -> Self:
        return replace(self, systems=self.systems + 1, arms=self.arms.told(arm, probability, cost))


@dataclass(frozen=True, eq=False)
class Binned(Learnt):
    """Tsallis-INF by itself in every interval of the context."""

    bins: Mapping[int, Arms] = field(default_factory=dict)

    def probabilities(self, context: float) -> Array:
        return self._arms(context).probabilities()

    def told(self, context: float, arm: int, probability: float, cost: float) -> Self:
        told = self._arms(context).told(arm, probability, cost)
        return replace(self, systems=self.systems + 1, bins={**self.bins, int(BINS * context): told})

    def _arms(self, context: float) -> Arms:
        return self.bins.get(int(BINS * context)) or Arms.of(len(GRID))


@dataclass(frozen=True, eq=False)
class Regressed(Learnt):
    """ChebCB."""

    costs: Polynomials = field(default_factory=lambda: Polynomials.of(len(GRID)))

    def probabilities(self, context: float) -> Array:
        return self.costs.probabilities(2.0 * context - 1.0)

    def told(self, context: float, arm: int, probability: float, cost: float) -> Self:
        told = self.costs.told(2.0 * context - 1.0, arm, cost)
        return replace(self, systems=self.systems + 1, costs=told)


LEARNERS: Mapping[str, type[Learnt]] = {"tsallis_inf": Unaware, "contextual": Binned, "chebcb": Regressed}


def drawn(probabilities: Array, seed: int, place: int) -> int:
    """The number of an arm: word 0 of Philox with the key (seed, "omega") and the place in the sequence as counter."""
    key = np.array([seed, word("omega")], dtype=np.uint64)
    bits = np.random.Philox(key=key, counter=np.array([0, 0, place, 0], dtype=np.uint64)).random_raw(1)
    level = (float(bits[0] >> np.uint64(12)) + 0.5) * 2.0**-52
    return min(int(np.searchsorted(np.cumsum(probabilities), level)), len(probabilities) - 1)
