"""The blocks of a stream: runs of consecutive samples, and who gives them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Shape:
    """What a block holds: its samples, and shape and type of the arrays of a sample."""

    samples: int
    arrays: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]

    @property
    def bytes(self) -> int:
        """Of one block."""
        return sum(self.samples * int(np.prod(shape)) * kind.itemsize for shape, kind in self.arrays.values())

    def views(self, memory: memoryview) -> dict[str, NDArray[Any]]:
        """The arrays of a block that lies in some memory."""
        found, begin = {}, 0
        for name, (shape, kind) in self.arrays.items():
            length = self.samples * int(np.prod(shape)) * kind.itemsize
            found[name] = np.frombuffer(memory[begin : begin + length], kind).reshape(self.samples, *shape)
            begin += length
        return found


@dataclass(frozen=True)
class Block:
    """A solved block: its number, the certified rows, and the arrays, which hold until the next block is asked for."""

    number: int
    rows: NDArray[np.intp]
    arrays: Mapping[str, NDArray[Any]]


class Feed(Protocol):
    """Blocks in the order in which they were asked for, some of them solved ahead."""

    def __iter__(self) -> Feed: ...

    def __next__(self) -> Block:
        """The next block; waits for it."""
        ...

    def ready(self) -> int:
        """How many of the next blocks are solved already."""
        ...

    def close(self) -> None:
        """Work no further; may be called again."""
        ...


class Source(Protocol):
    """Gives the blocks of a stream."""

    @property
    def shape(self) -> Shape: ...

    @property
    def method(self) -> Mapping[str, Any]: ...

    def blocks(self, numbers: Iterable[int]) -> Feed:
        """These blocks, in this order, until the feed is closed."""
        ...
