"""Parts of samples, by way of the chunks that hold them: each is decoded once for all that is asked for together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from threading import local
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.reader.array import PIECE, ArrayReader

KEPT = 2**24
"""Bytes of the chunks read last that are kept, for each thread that reads from a data set."""


@dataclass(frozen=True)
class Part:
    """What is wanted of chunk ``block`` of a sample, by an index into it, and the array that it fills."""

    sample: int
    block: int
    index: Any
    out: NDArray[np.float32]


@dataclass(frozen=True)
class ChunkPiece:
    """Some chunks of one shard, still to be read, with the parts wanted of each, and where those to keep go."""

    array: ArrayReader
    shard: int
    chunks: Sequence[tuple[int, Sequence[Part]]]
    keep: frozenset[int]
    kept: MutableMapping[int, NDArray[np.float32]]

    def fill(self) -> None:
        header = self.array.header
        first = self.shard * header.shard * header.blocks
        whole = [(number, np.empty(header.chunk, np.float32), parts) for number, parts in self.chunks]
        self.array.fill(self.shard, [(number - first, values) for number, values, _ in whole])
        for number, values, parts in whole:
            _hand_out(values, parts)
            if number in self.keep:
                self.kept[number] = values


class ChunkReader:
    """The chunks of one array, those read last kept."""

    def __init__(self, array: ArrayReader) -> None:
        self.array = array
        self._own = local()
        self._most = max(KEPT // (4 * int(np.prod(array.header.chunk))), 1)

    def plan(self, wanted: Iterable[Part]) -> list[ChunkPiece]:
        """Hand out what is kept, and give the reads that hand out the rest. Reads of a plan may run side by side."""
        blocks = self.array.header.blocks
        kept: dict[int, NDArray[np.float32]] = self._own.__dict__.setdefault("kept", {})
        parts: dict[int, list[Part]] = {}
        for part in wanted:
            parts.setdefault(part.sample * blocks + part.block, []).append(part)
        for number in parts.keys() & kept.keys():
            values = kept[number] = kept.pop(number)  # now the last one
            _hand_out(values, parts.pop(number))
        keep = frozenset(islice(reversed(parts), self._most))
        for number in list(islice(kept, max(len(kept) + len(keep) - self._most, 0))):
            del kept[number]
        return list(self._pieces(parts, keep, kept))

    def _pieces(
        self, parts: Mapping[int, Sequence[Part]], keep: frozenset[int], kept: MutableMapping[int, NDArray[np.float32]]
    ) -> Iterator[ChunkPiece]:
        size = self.array.header.shard * self.array.header.blocks
        for shard, group in groupby(sorted(parts), lambda number: number // size):
            chunks = [(number, parts[number]) for number in group]
            for first in range(0, len(chunks), PIECE):
                yield ChunkPiece(self.array, shard, chunks[first : first + PIECE], keep, kept)


def _hand_out(chunk: NDArray[np.float32], parts: Sequence[Part]) -> None:
    for part in parts:
        part.out[...] = chunk[part.index]
