"""Several data sets as one, in an order that is a pure function of (seed, step)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from math import inf
from numbers import Real
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pdemill.arguments import listed, whole
from pdemill.errors import StoreError
from pdemill.reader.dataset import Dataset, Sample
from pdemill.reader.windows import Windows

type Readable = Dataset | Windows


class Mixture:
    """A sequence of samples of some data sets: ``len(mixture)``, ``mixture[step]``.

    An epoch is as long as all data sets together. In each one, data set j has as many steps as its share of ``weights``
    (rounded by the largest remainder), shuffled among those of the others; within a data set the samples come
    in shuffled passes, none twice before all came once. Without weights every sample comes once per epoch.
    What step k gives depends on data sets, weights, seed and k alone: ``after(k)`` goes on exactly where step k was.
    """

    def __init__(
        self, datasets: Sequence[Readable], weights: Sequence[float] | None = None, seed: int = 0,
        steps: int | None = None, first: int = 0,
    ) -> None:  # fmt: skip
        self.datasets, self.seed = listed("datasets", datasets, "data sets, as in mix([data])"), whole("seed", seed)
        if texts := [data for data in self.datasets if isinstance(data, str | Path)]:
            raise ValueError(f"datasets should be a list of data sets: open {str(texts[0])!r} first")
        lengths = [len(data) for data in self.datasets]
        weights = lengths if weights is None else listed("weights", weights, "numbers, one for each data set")
        if not lengths or len(weights) != len(lengths):
            raise ValueError(f"expected data sets and as many weights, not {len(lengths)} and {len(weights)}")
        if not all(isinstance(weight, Real) and 0 <= weight < inf for weight in weights) or not 0 < sum(weights) < inf:
            raise ValueError(
                f"weights should be numbers that are not negative, with a sum above 0 and finite, not {list(weights)}"
            )
        if any(weight and not length for weight, length in zip(weights, lengths, strict=True)):
            raise StoreError("a data set without samples cannot be mixed in")
        self.weights = tuple(float(weight) for weight in weights)
        self._epoch = sum(lengths)
        self._counts = _apportioned(self._epoch, self.weights)
        self._bounds = np.cumsum([0, *self._counts])
        self.first = whole("first", first)
        self.steps = self._epoch if steps is None else whole("steps", steps)
        self._order = lru_cache(2 + len(lengths))(self._shuffled)

    def __len__(self) -> int:
        return max(self.steps - self.first, 0)

    def after(self, steps: int) -> Mixture:
        """The same sequence without its first ``steps`` items."""
        return Mixture(self.datasets, self.weights, self.seed, self.steps, self.first + whole("steps", steps))

    def __getitem__(self, step: int) -> Sample:
        number, sample = self.where(step)
        return self.datasets[number][sample]

    def where(self, step: int) -> tuple[int, int]:
        """Which data set, and which of its samples, an item is."""
        position = step + len(self) if step < 0 else step
        if not 0 <= position < len(self):
            raise IndexError(f"item {step} is outside 0..{len(self) - 1}")
        epoch, place = divmod(self.first + position, self._epoch)
        slot = int(self._order("mix", epoch, self._epoch)[place])
        number = int(np.searchsorted(self._bounds, slot, side="right")) - 1
        turn, rank = divmod(epoch * self._counts[number] + slot - int(self._bounds[number]), len(self.datasets[number]))
        return number, int(self._order(str(number), turn, len(self.datasets[number]))[rank])

    def _shuffled(self, name: str, turn: int, length: int) -> NDArray[np.intp]:
        """A permutation: the order of raw Philox words, which no version of numpy changes."""
        word = int.from_bytes(sha256(name.encode()).digest()[:8], "little")
        words = np.random.Philox(key=np.array([self.seed, word], np.uint64), counter=[0, 0, turn, 0]).random_raw(length)
        return np.argsort(words, kind="stable")

    def __reduce__(self) -> tuple[type[Mixture], tuple[object, ...]]:
        return Mixture, (self.datasets, self.weights, self.seed, self.steps, self.first)


def _apportioned(total: int, weights: Sequence[float]) -> list[int]:
    """Whole numbers that sum to ``total``, nearest to the weights' shares (largest remainder)."""
    exact = [total * weight / sum(weights) for weight in weights]
    counts = [int(share) for share in exact]
    for number in sorted(range(len(exact)), key=lambda k: (counts[k] - exact[k], k))[: total - sum(counts)]:
        counts[number] += 1
    return counts


def mix(
    datasets: Sequence[Readable], weights: Sequence[float] | None = None, seed: int = 0, steps: int | None = None
) -> Mixture:
    """Several data sets as one map-style data set of ``steps`` items, by default one epoch; see Mixture."""
    return Mixture(datasets, weights, seed, steps)
