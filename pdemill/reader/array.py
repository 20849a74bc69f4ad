"""One array of a split: where its chunks are, and how rows of it are read.

Source: Zarr v3, codec "sharding_indexed" 1.0: a shard is a file of chunks, with an index at its end that holds offset
and length of each (two u64) and a CRC-32C. Here a chunk is a sample, or some times of one. An index is read once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.errors import CorruptStore, StoreError, TooLarge
from pdemill.reader.codec import DECODERS, Damaged, Decoder, check_crc32c
from pdemill.reader.files import Changed, Files

ABSENT = 2**64 - 1
PIECE = 16
"""Chunks of a batch that one thread reads in one go."""

type Wanted = Sequence[tuple[int, NDArray[Any]]]
"""Chunks of a shard, by their places in its index, and the arrays that they fill."""


@dataclass(frozen=True)
class Header:
    """The metadata of an array: samples, shape and type of one, samples per shard, shape of a chunk, how many of
    these a sample has (side by side along its axis 1), how they are decoded."""

    samples: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    shard: int
    chunk: tuple[int, ...]
    blocks: int
    decode: Decoder

    @classmethod
    def parse(cls, name: str, document: Mapping[str, Any]) -> Header:
        """From an array's ``zarr.json``. Raises StoreError for a layout that pdemill does not write."""
        little: Any = {"name": "bytes", "configuration": {"endian": "little"}}
        try:
            samples, *shape = document["shape"]
            shard, *rest = document["chunk_grid"]["configuration"]["chunk_shape"]
            (sharding,) = document["codecs"]
            inner = sharding["configuration"]
            head, codec = inner["codecs"]
            one, *chunk = inner["chunk_shape"]
            blocks = -(-shape[1] // chunk[1]) if len(shape) > 1 else 1
            whole = [length * blocks if axis == 1 else length for axis, length in enumerate(chunk)]
            fits = (
                all(isinstance(length, int) for length in (samples, shard, *shape, *chunk))
                and sharding["name"] == "sharding_indexed"
                and rest == whole
                and one == 1
                and shape[:1] + shape[2:] == chunk[:1] + chunk[2:]
                and (blocks > 1 or chunk == shape)
                and [head, *inner["index_codecs"]] == [little, little, {"name": "crc32c"}]
                and inner.get("index_location", "end") == "end"
                and document["chunk_key_encoding"] == {"name": "default", "configuration": {"separator": "/"}}
            )
            dtype = np.dtype(document["data_type"]).newbyteorder("<")
            decode = DECODERS[codec["name"]]
        except (LookupError, ValueError, TypeError, ZeroDivisionError) as error:
            raise StoreError(f"{name} cannot be read: no metadata of a pdemill store ({error})") from None
        if not fits:
            raise StoreError(f"{name} cannot be read: it is not stored in shards of samples or of their times")
        return cls(samples, tuple(shape), dtype, shard, tuple(chunk), blocks, decode)


@dataclass(frozen=True)
class _Index:
    """Offset and length of every chunk of one file, which has this tag."""

    entries: memoryview
    tag: Hashable


@dataclass(frozen=True)
class Piece:
    """Some chunks of one shard, still to be read."""

    array: ArrayReader
    shard: int
    wanted: Wanted

    def fill(self) -> None:
        self.array.fill(self.shard, self.wanted)


class ArrayReader:
    """Rows of the array ``name`` (``train/input``) of a store. Raises CorruptStore, TooLarge, StoreError."""

    def __init__(self, files: Files, name: str, header: Header) -> None:
        self._files, self.name, self.header = files, name, header
        self._suffix = "/0" * len(header.shape)
        self._indices: dict[int, _Index] = {}

    def row(self, number: int) -> NDArray[np.float32]:
        """One sample in float32."""
        out = np.empty(self.header.shape, np.float32)
        shard, place = divmod(number, self.header.shard)
        self.fill(shard, list(self._chunks(place, out)))
        return out

    def exact_row(self, number: int) -> NDArray[Any]:
        """One sample in the type that it is stored in."""
        out = np.empty(self.header.shape, self.header.dtype)
        shard, place = divmod(number, self.header.shard)
        self.fill(shard, list(self._chunks(place, out)))
        return out

    def _chunks(self, place: int, row: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
        """The chunks of a sample, and the parts of its row that they fill."""
        blocks = self.header.blocks
        if blocks == 1:
            yield place, row
            return
        times = self.header.chunk[1]
        for block in range(blocks):
            yield place * blocks + block, row[:, block * times : (block + 1) * times]

    def plan(self, numbers: NDArray[np.intp], exact: bool = False) -> tuple[NDArray[Any], list[Piece]]:
        """Room for samples in float32, or ``exact``ly in the type that they are stored in, in the order asked for, and
        the reads that fill it, shard by shard."""
        out = np.empty((len(numbers), *self.header.shape), self.header.dtype if exact else np.float32)
        places = numbers.tolist()
        pieces: list[Piece] = []
        order = np.argsort(numbers, kind="stable").tolist()
        for shard, group in groupby(order, lambda k: places[k] // self.header.shard):
            wanted = [chunk for k in group for chunk in self._chunks(places[k] - shard * self.header.shard, out[k])]
            for first in range(0, len(wanted), PIECE):
                pieces.append(Piece(self, shard, wanted[first : first + PIECE]))
        return out, pieces

    def fill(self, shard: int, wanted: Wanted) -> None:
        """Read the chunks ``wanted`` of a shard, whose places ascend; once more if its file was written anew."""
        try:
            self._read(shard, wanted)
        except Changed:
            self._again(shard, wanted)

    def _again(self, shard: int, wanted: Wanted) -> None:
        """Read from a shard whose file was written anew since its index was read."""
        self._indices.pop(shard, None)
        try:
            self._read(shard, wanted)
        except Changed:
            raise StoreError(f"{self._file(shard)} is being changed while it is read") from None

    def _read(self, shard: int, wanted: Wanted) -> None:
        """Decode the chunks ``wanted``, whose places ascend."""
        index = self._indices.get(shard)
        if index is None:
            index = self._indices[shard] = self._load(shard)
        entries, file = index.entries, self._file(shard)
        for start, stop, run in self._runs(shard, entries, wanted):
            try:
                data = self._files.part(file, start, stop - start, index.tag)
            except OSError as error:
                raise self._unreadable(shard, run[0][0], error) from None
            view = memoryview(data)
            for place, row in run:
                begin = entries[2 * place] - start
                try:
                    self._decode(view[begin : begin + entries[2 * place + 1]], row)
                except Damaged as error:
                    raise self._corrupt(shard, place, f"its chunk {error}") from None
                except OverflowError:
                    raise self._beyond(shard, place) from None

    def _runs(
        self, shard: int, entries: memoryview, wanted: Wanted
    ) -> Iterator[tuple[int, int, list[tuple[int, NDArray[Any]]]]]:
        """Chunks that stand next to each other, to be read at once: first and last byte, and their rows."""
        start = stop = 0
        run: list[tuple[int, NDArray[Any]]] = []
        for item in wanted:
            offset, length = entries[2 * item[0]], entries[2 * item[0] + 1]
            if offset == ABSENT:
                raise self._corrupt(shard, item[0], "it has no chunk")
            end = offset + length
            if run and (offset < start or offset > stop + self._files.nearby or end - start > self._files.most):
                yield start, stop, run
                run = []
            if not run:
                start = stop = offset
            stop = max(stop, end)
            run.append(item)
        if run:
            yield start, stop, run

    def _decode(self, chunk: memoryview, row: NDArray[Any]) -> None:
        """Fill a row, or the part of it in a chunk. Raises Damaged, and OverflowError where a number of a float64 store
        is none of float32."""
        if self.header.dtype == row.dtype and self.header.chunk == row.shape and row.flags.c_contiguous:
            self.header.decode(chunk, row)
            return
        exact = np.empty(self.header.chunk, self.header.dtype)
        self.header.decode(chunk, exact)
        if exact.shape != row.shape:
            exact = exact[:, : row.shape[1]]
        with np.errstate(over="ignore"):
            row[...] = exact
        if self.header.dtype != row.dtype and (np.isinf(row) & np.isfinite(exact)).any():
            raise OverflowError

    def _load(self, shard: int) -> _Index:
        """The index at the end of a shard, checked."""
        length = 16 * self.header.shard * self.header.blocks + 4
        try:
            data, size, tag = self._files.tail(self._file(shard), length)
        except OSError as error:
            raise self._unreadable(shard, None, error) from None
        try:
            if len(data) < length:
                raise Damaged("is cut short")
            table = np.frombuffer(check_crc32c(data), "<u8").astype(np.uint64)
        except Damaged as error:
            raise self._corrupt(shard, None, f"its index {error}") from None
        there = table.reshape(-1, 2)[table[::2] != ABSENT]
        if there.size and int(there.max()) > size:
            raise self._corrupt(shard, None, "its index points behind its end")
        return _Index(table.data.cast("B").cast("Q"), tag)

    def _file(self, shard: int) -> str:
        return f"{self.name}/c/{shard}{self._suffix}"

    def _unreadable(self, shard: int, place: int | None, error: OSError) -> StoreError:
        if isinstance(error, FileNotFoundError):
            return self._corrupt(shard, place, "the file is gone")
        return StoreError(f"{self._file(shard)} cannot be read: {error.strerror or error}")

    def _beyond(self, shard: int, place: int) -> TooLarge:
        split, _, array = self.name.partition("/")
        sample = shard * self.header.shard + place // self.header.blocks
        return TooLarge(f"sample {sample} of {split}: {array} has numbers beyond float32; read it with zarr")

    def _corrupt(self, shard: int, place: int | None, reason: str) -> CorruptStore:
        first = shard * self.header.shard
        last = min(first + self.header.shard, self.header.samples) - 1
        which = f"samples {first}..{last}" if place is None else f"sample {first + place // self.header.blocks}"
        split = self.name.partition("/")[0]
        return CorruptStore(f"{which} of {split}, shard {shard}, cannot be read: {self._file(shard)}: {reason}")
