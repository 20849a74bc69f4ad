"""Counter-based random draws: what sample i draws depends on (seed, split, i, name) and on nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

ONE = np.float64(1.0).view(np.uint64)
SCHEME = "philox4x64-10; key = (seed, sha256(name)); counter = (draw, 0, sample, sha256(split)); Box-Muller"


@lru_cache(maxsize=1024)
def word(text: str) -> int:
    """The word of a key or a counter that stands for a name."""
    return int.from_bytes(sha256(text.encode()).digest()[:8], "little")


class Place(NamedTuple):
    """Where a design puts a number that would be drawn: its quantile, or its value."""

    level: float | None = None
    value: float | None = None


@dataclass(frozen=True)
class Draw:
    """The random numbers of one sample, told apart by the name of what draws them.

    Draw number j of a name is a fixed function of (seed, split, sample, name, j): asking for more
    numbers, in another order or in another process, never changes the ones before.
    Generator: Philox4x64-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
    ``places``: where the design of the split puts single numbers, by the names of their draws.
    """

    seed: int
    split: str
    sample: int
    name: str = ""
    places: Mapping[str, Place] = field(default_factory=dict, compare=False, repr=False)

    def at(self, name: str | int) -> Self:
        """The draws of a part of this sample."""
        return type(self)(self.seed, self.split, self.sample, f"{self.name}/{name}", self.places)

    def place(self, scalar: object) -> Place | None:
        """Where a design puts the one number of ``scalar``, which asks for it here; None where it is drawn."""
        return self.places.get(self.name)

    def _words(self, count: int) -> NDArray[np.uint64]:
        key = np.array([self.seed, word(self.name)], dtype=np.uint64)
        counter = np.array([0, 0, self.sample, word(self.split)], dtype=np.uint64)
        return np.random.Philox(key=key, counter=counter).random_raw(count)

    def uniform(self, count: int) -> NDArray[np.float64]:
        """``count`` numbers (m + 1/2) 2^-52, uniform on the open interval (0, 1).

        The 52 upper bits m of a word become the fraction of a number 1 + m 2^-52; what is subtracted from it leaves
        no rounding, and no conversion of integers is needed.
        """
        words = self._words(count)
        words >>= np.uint64(12)
        words |= ONE
        level = words.view(np.float64)
        level -= 1.0 - 2.0**-53
        return level

    def normal(self, count: int) -> NDArray[np.float64]:
        """``count`` standard normal numbers, by the Box-Muller transform of consecutive pairs.

        Cosine and sine of 2 pi v come from t = tan(pi v): (1 - t^2) / (1 + t^2) and 2 t / (1 + t^2); as exact, and
        a third of the time. Pairs are taken apart first: functions of numbers side by side take half the time.
        """
        level = self.uniform(count + count % 2)
        radius, tangent = level.reshape(-1, 2).T.copy()
        np.log(radius, out=radius)
        radius *= -2.0
        np.sqrt(radius, out=radius)
        tangent *= np.pi
        np.tan(tangent, out=tangent)
        square = tangent * tangent
        radius /= 1.0 + square
        tangent *= 2.0
        np.multiply(radius, 1.0 - square, out=level[0::2])
        np.multiply(radius, tangent, out=level[1::2])
        return level[:count]
