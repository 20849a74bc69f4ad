"""The shards of a data set under way: which are finished, which are with workers, which are next."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import accumulate

from pdemill.store.layout import Shard

WAITING, OUT, FINISHED = range(3)


class Shards:
    """Shards by number, split by split as in the spec, one byte each, whatever becomes of them.

    ``each``: samples of a shard, but for the last of its split; of all splits, or by split.
    """

    def __init__(self, splits: Mapping[str, int], each: int | Mapping[str, int]) -> None:
        self._names, self._samples = list(splits), list(splits.values())
        self._each = [each if isinstance(each, int) else each[name] for name in splits]
        counts = [-(-samples // size) for samples, size in zip(self._samples, self._each, strict=True)]
        self._firsts = [0, *accumulate(counts)]
        self._states = bytearray(self._firsts[-1])
        self._next = 0
        self.finished = 0

    def __len__(self) -> int:
        return len(self._states)

    def __getitem__(self, number: int) -> Shard:
        split = bisect_right(self._firsts, number) - 1
        index = number - self._firsts[split]
        start = index * self._each[split]
        return Shard(self._names[split], index, start, min(start + self._each[split], self._samples[split]))

    def number(self, name: str) -> int | None:
        """The number of the shard of this name, if there is one."""
        split, _, index = name.rpartition("-")
        if split not in self._names or not index.isdecimal():
            return None
        place = self._names.index(split)
        number = self._firsts[place] + int(index)
        return number if number < self._firsts[place + 1] and self[number].name == name else None

    @property
    def left(self) -> int:
        """How many are not finished."""
        return len(self._states) - self.finished

    def waiting(self) -> Iterator[int]:
        """The numbers of those that nobody has, in order."""
        number = self._next = self._find(self._next)
        while number < len(self._states):
            yield number
            number = self._find(number + 1)

    def take(self, number: int) -> None:
        """One is handed out."""
        self._set(number, OUT)

    def give_back(self, number: int) -> None:
        """One is to be handed out again."""
        self._set(number, WAITING)
        self._next = min(self._next, number)

    def finish(self, number: int) -> bool:
        """One is finished; whether that is new."""
        if self._states[number] == FINISHED:
            return False
        self._set(number, FINISHED)
        return True

    def is_finished(self, number: int) -> bool:
        return self._states[number] == FINISHED

    def _find(self, begin: int) -> int:
        found = self._states.find(WAITING, begin)
        return found if found >= 0 else len(self._states)

    def _set(self, number: int, state: int) -> None:
        self.finished += (state == FINISHED) - (self._states[number] == FINISHED)
        self._states[number] = state
