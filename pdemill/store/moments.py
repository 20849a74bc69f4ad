"""Running mean and variance per channel, by Welford's method in float64; merged in a fixed order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import frexp, inf, ldexp, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAFE = 1e-140, 1e140
"""Deviations between which squares are precise numbers."""


@dataclass(frozen=True)
class Moments:
    """Count, mean, sum of squared deviations, least and greatest value of a set of numbers.

    ``m2`` is in units of 4^``exponent``, which is 0 unless squares of the deviations overflow or underflow.
    """

    count: int = 0
    mean: float = 0.0
    m2: float = 0.0
    least: float = inf
    greatest: float = -inf
    exponent: int = 0

    @classmethod
    def of(cls, rows: Iterable[NDArray[Any]]) -> Moments:
        """The moments of all numbers in some arrays, taken one by one so that each stays in the cache."""
        total = cls()
        for row in rows:
            exact = row.astype(np.float64).ravel()
            mean = float(exact.mean())
            exact -= mean
            exponent = _exponent(float(np.abs(exact).max()))
            if exponent:
                exact *= 2.0**-exponent
            total += cls(exact.size, mean, float(exact @ exact), float(row.min()), float(row.max()), exponent)
        return total

    def __add__(self, other: Moments) -> Moments:
        """Chan, Golub, LeVeque 1983, equation 2.1."""
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        delta = other.mean - self.mean
        sizes = [part.exponent for part in (self, other) if part.m2] + ([_exponent(abs(delta))] if delta else [])
        exponent = max(sizes, default=0)
        apart = ldexp(delta, -exponent)
        return Moments(
            count,
            self.mean + delta * other.count / count,
            self._m2(exponent) + other._m2(exponent) + apart * apart * self.count * other.count / count,
            min(self.least, other.least),
            max(self.greatest, other.greatest),
            exponent,
        )

    def _m2(self, exponent: int) -> float:
        """``m2`` in other units, which are not smaller."""
        return ldexp(self.m2, 2 * (self.exponent - exponent)) if self.m2 else 0.0

    def to_json(self) -> dict[str, Any]:
        """As a manifest holds it; an empty set has no least and greatest value."""
        told = {key: value for key, value in asdict(self).items() if value not in (inf, -inf)}
        return told if self.exponent else {key: value for key, value in told.items() if key != "exponent"}

    def summary(self) -> dict[str, Any]:
        """Mean, standard deviation and range."""
        if not self.count:
            return {"count": 0}
        std = ldexp(sqrt(self.m2 / self.count), self.exponent)
        return {"count": self.count, "mean": self.mean, "std": std, "min": self.least, "max": self.greatest}


def _exponent(largest: float) -> int:
    """The power of two above a deviation whose square may be no number; 0 for others."""
    return 0 if largest == 0.0 or SAFE[0] < largest < SAFE[1] else frexp(largest)[1]


def merge(parts: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """The statistics of all shards together, per channel."""
    total: dict[str, Moments] = {}
    for part in parts:
        for channel, numbers in part.items():
            total[channel] = total.get(channel, Moments()) + Moments(**numbers)
    return {channel: moments.summary() for channel, moments in total.items()}
