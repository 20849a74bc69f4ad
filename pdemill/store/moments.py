"""Running mean and variance per channel, by Welford's method in float64; merged in a fixed order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import inf, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Moments:
    """Count, mean, sum of squared deviations, least and greatest value of a set of numbers."""

    count: int = 0
    mean: float = 0.0
    m2: float = 0.0
    least: float = inf
    greatest: float = -inf

    @classmethod
    def of(cls, rows: Iterable[NDArray[Any]]) -> Moments:
        """The moments of all numbers in some arrays, taken one by one so that each stays in the cache."""
        total = cls()
        for row in rows:
            exact = row.astype(np.float64).ravel()
            mean = float(exact.mean())
            exact -= mean
            total += cls(exact.size, mean, float(exact @ exact), float(row.min()), float(row.max()))
        return total

    def __add__(self, other: Moments) -> Moments:
        """Chan, Golub, LeVeque 1983, equation 2.1."""
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        delta = other.mean - self.mean
        return Moments(
            count,
            self.mean + delta * other.count / count,
            self.m2 + other.m2 + delta * delta * self.count * other.count / count,
            min(self.least, other.least),
            max(self.greatest, other.greatest),
        )

    def to_json(self) -> dict[str, Any]:
        """As a manifest holds it; an empty set has no least and greatest value."""
        return {key: value for key, value in asdict(self).items() if value not in (inf, -inf)}

    def summary(self) -> dict[str, Any]:
        """Mean, standard deviation and range."""
        if not self.count:
            return {"count": 0}
        std = sqrt(self.m2 / self.count)
        return {"count": self.count, "mean": self.mean, "std": std, "min": self.least, "max": self.greatest}


def merge(parts: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """The statistics of all shards together, per channel."""
    total: dict[str, Moments] = {}
    for part in parts:
        for channel, numbers in part.items():
            total[channel] = total.get(channel, Moments()) + Moments(**numbers)
    return {channel: moments.summary() for channel, moments in total.items()}
