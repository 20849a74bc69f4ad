"""The stores of a mixture as one data set: balanced sampling, a union of channels with masks, equations as words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from pdemill.arguments import whole
from pdemill.errors import StoreError
from pdemill.numbers_as_words import NUMBERS, number_words
from pdemill.reader.dataset import Dataset
from pdemill.reader.mixture import Mixture, mix

PAD = "<pad>"
"""The word behind the end of an equation, number 0."""

type Sample = dict[str, Any]


class Mixed:
    """A map-style data set over the members of a mixture: ``len(data)``, ``data[step]``.

    ``data[step]`` is {"x": [C, *space], "y": [D, (t,) *space], "x_mask": [C], "y_mask": [D], "prefix": [L], "member",
    "sample"}, and "points" [node, axis] where the mesh is the sample's own. C, D are the unions of members' channels
    (``channels``, ``solution_channels``); channels that the member does not have are 0, and masks are 1 where it has
    them. ``prefix`` are the numbers in ``words`` of the
    words of the sample's equation, with the numbers drawn for it, 0 behind its end. Members are drawn by their
    weights, whatever their sizes; step k is a pure function of stores, weights, seed and k. Members may differ in the
    shapes of their samples: ``batches`` gives batches of one member each.
    """

    def __init__(
        self, datasets: Mapping[str, Dataset], told: Sequence[Mapping[str, Any]], seed: int = 0,
        steps: int | None = None,
    ) -> None:  # fmt: skip
        self.members = tuple(datasets)
        self.weights = {member["name"]: float(member["weight"]) for member in told}
        self.equations = {member["name"]: str(member["equation"]) for member in told}
        self._told = {member["name"]: tuple(member["prefix"]) for member in told}
        self._data = dict(datasets)
        weights = [self.weights[name] for name in self.members]
        self.order: Mixture = mix(list(datasets.values()), weights, seed, steps)
        self.channels = _union(data.channels for data in datasets.values())
        self.solution_channels = _union(data.solution_channels for data in datasets.values())

    def __repr__(self) -> str:
        told = ", ".join(
            f"{name}: {len(data)} samples, weight {self.weights[name]:g}" for name, data in self._data.items()
        )
        return f"Mixed({told})"

    def __len__(self) -> int:
        return len(self.order)

    def dataset(self, name: str) -> Dataset:
        """The data set of one member."""
        return self._data[name]

    @overload
    def __getitem__(self, step: int) -> Sample: ...

    @overload
    def __getitem__(self, step: slice) -> list[Sample]: ...

    def __getitem__(self, step: int | slice) -> Sample | list[Sample]:
        if isinstance(step, slice):
            return self.__getitems__(range(*step.indices(len(self))))
        member, sample = self.order.where(step)
        return self._sample(member, sample, self._data[self.members[member]][sample])

    def __getitems__(self, steps: Sequence[int]) -> list[Sample]:
        """The samples of a batch, those of each member read together: what a PyTorch DataLoader asks for."""
        places = [self.order.where(step) for step in steps]
        found: dict[tuple[int, int], Sample] = {}
        for member in dict.fromkeys(member for member, _ in places):
            numbers = [sample for one, sample in places if one == member]
            for sample, values in zip(numbers, self._data[self.members[member]].__getitems__(numbers), strict=True):
                found[member, sample] = self._sample(member, sample, values)
        return [found[place] for place in places]

    def batches(self, size: int) -> Iterator[list[int]]:
        """The steps of batches of one member each, in the order in which these fill up; those that do not are left
        out. A DataLoader takes them as ``batch_sampler=list(data.batches(16))``."""
        size, open_ = whole("size", size, 1), {member: list[int]() for member in range(len(self.members))}
        for step in range(len(self)):
            batch = open_[self.order.where(step)[0]]
            batch.append(step)
            if len(batch) == size:
                yield list(batch)
                batch.clear()

    def _sample(self, member: int, sample: int, values: Mapping[str, NDArray[Any]]) -> Sample:
        data = self._data[self.members[member]]
        x, x_mask = _widened(values["x"], data.channels, self.channels)
        y, y_mask = _widened(values["y"], data.solution_channels, self.solution_channels)
        return {
            "x": x, "y": y, "x_mask": x_mask, "y_mask": y_mask, "prefix": self._row(self.prefix_of(member, sample)),
            "member": member, "sample": sample, **{key: values[key] for key in ("points",) if key in values},
        }  # fmt: skip

    def prefix(self, step: int) -> tuple[str, ...]:
        """The words of the equation of ``data[step]``."""
        return self.prefix_of(*self.order.where(step))

    def prefix_of(self, member: int, sample: int) -> tuple[str, ...]:
        """The words of the equation of a sample of a member, by its number among those of the data set."""
        name = self.members[member]
        data, words = self._data[name], self._told[name]
        if not words:
            return data.prefix(sample)
        drawn = [word[1:-1] for word in words if word.startswith("{")]
        numbers = self._numbers(data, sample, drawn) if drawn else {}
        found: list[str] = []
        for word in words:
            found += number_words(numbers[word[1:-1]]) if word.startswith("{") else [word]
        return tuple(found)

    @staticmethod
    def _numbers(data: Dataset, sample: int, names: Sequence[str]) -> dict[str, float]:
        """The numbers drawn for a sample, by their names in ``params``."""
        known: list[str] = data.attributes["parameters"]
        if strange := [name for name in names if name not in known]:
            raise StoreError(f"{data.store} does not tell the number {strange[0]} of its samples")
        number = int(data.numbers[sample])
        shard = data.shards[number // len(data.shards[0])]
        row = data.column(shard, "params")[number - shard.start]
        return {name: float(row[known.index(name)]) for name in names}

    @cached_property
    def words(self) -> tuple[str, ...]:
        """All words that equations may have, in the order of their numbers: PAD, those of numbers, then the others."""
        found = dict.fromkeys((PAD, *NUMBERS))
        for name, words in self._told.items():
            if name in self._data:
                found |= dict.fromkeys(word for word in words or self._stored(name) if not word.startswith("{"))
        return tuple(found)

    @cached_property
    def longest(self) -> int:
        """The most words of an equation."""
        lengths = [len(words) + 2 * sum(word.startswith("{") for word in words) for words in self._told.values()]
        lengths += [len(self._data[name].prefix(0)) for name, words in self._told.items() if not words]
        longest: int = max(lengths)
        return longest

    def _stored(self, name: str) -> Sequence[str]:
        """The words of equations that are texts, as their store keeps them."""
        data = self._data[name]
        words: Sequence[str] = data.prefix_words
        return words

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.words)}

    def _row(self, words: Sequence[str]) -> NDArray[np.int64]:
        row = np.zeros(self.longest, np.int64)
        row[: len(words)] = [self._places[word] for word in words]
        return row


def _union(names: Any) -> tuple[str, ...]:
    """All names, in the order in which they come first."""
    return tuple(dict.fromkeys(name for some in names for name in some))


def _widened(
    values: NDArray[Any], names: Sequence[str], union: Sequence[str]
) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """[C, ...] with the channels of the union, and which of them were there."""
    places = [union.index(name) for name in names]
    found, mask = np.zeros((len(union), *values.shape[1:]), values.dtype), np.zeros(len(union), np.float32)
    found[places], mask[places] = values, 1.0
    return found, mask
