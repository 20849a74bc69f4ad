"""The fresh samples of one consumer of a stream, taken one by one from its blocks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import count
from time import perf_counter
from typing import Any

from numpy.typing import NDArray

from pdemill.streaming.blocks import Block, Source
from pdemill.streaming.statistics import Statistics

type Arrays = Mapping[str, NDArray[Any]]


class Flow:
    """Consumer ``consumer`` of ``consumers`` has every one in so many blocks of a source, from sample ``first`` on."""

    def __init__(self, source: Source, first: int, consumer: int, consumers: int, told: Statistics) -> None:
        self.key = (os.getpid(), consumer, consumers)
        self.next, self._told, self._size = first, told, source.shape.samples
        number = first // self._size
        self._number = number + (consumer - number) % consumers
        self._consumer, self._step = consumer, consumers
        self._feed = source.blocks(count(self._number, consumers))
        self._block: Block | None = None
        self._good: set[int] = set()
        self._mark: float | None = None

    def take(self, end: int | None = None) -> tuple[int, Arrays] | None:
        """The number of the next certified sample, and it; None where it is not below ``end``. Waits for it."""
        while True:
            self._pass_on()
            first = self._number * self._size
            if end is not None and max(self.next, first) >= end:
                return None
            if self._block is None:
                self._load()
            stop = first + self._size if end is None else min(end, first + self._size)
            for number in range(max(self.next, first), stop):
                self.next = number + 1
                if number - first in self._good:
                    return number, self._given(number - first)
                self._told.failed += 1

    def _pass_on(self) -> None:
        """Leave a block that is done with."""
        if self.next >= (self._number + 1) * self._size:
            self._block, self._number = None, self._number + self._step

    def goes_on_from(self, first: int) -> bool:
        """Whether a flow that began at this sample would give the same from here on."""
        self._pass_on()
        number = first // self._size
        number += (self._consumer - number) % self._step
        begin = number * self._size
        return number == self._number and max(self.next, begin) == max(first, begin)

    def _load(self) -> None:
        begin = perf_counter()
        block = next(self._feed)
        now = perf_counter()
        self._told.waited(now - begin, first=self._mark is None)
        self._mark = now if self._mark is None else self._mark
        self._block, self._good = block, set(block.rows.tolist())

    def _given(self, row: int) -> Arrays:
        assert self._block is not None
        assert self._mark is not None
        now = perf_counter()
        self._told.seconds, self._mark = self._told.seconds + now - self._mark, now
        found = {key: values[row].copy() for key, values in self._block.arrays.items()}
        self._told.add(found)
        return found

    def ready(self) -> bool:
        """Whether ``take`` has nothing to wait for."""
        return self._left() > 0 or self._feed.ready() > 0

    def _left(self) -> int:
        """Certified samples in the block at hand that were not taken."""
        first = self._number * self._size
        return 0 if self._block is None else sum(row >= self.next - first for row in self._good)

    def waiting(self) -> int:
        """Samples that are solved and not yet taken."""
        return self._left() + self._feed.ready() * self._size

    def close(self) -> None:
        """Work no further."""
        self._feed.close()


def samples(source: Source, numbers: Mapping[int, Any]) -> Iterator[tuple[int, Arrays]]:
    """Certified samples by their numbers, solved anew, block by block."""
    size = source.shape.samples
    feed = source.blocks(sorted({number // size for number in numbers}))
    try:
        for block in feed:
            for row in block.rows.tolist():
                number = block.number * size + row
                if number in numbers:
                    yield number, {key: values[row].copy() for key, values in block.arrays.items()}
    finally:
        feed.close()
