"""Zarr v3 shards and chunks written by hand: zstd with checksum; of a shard one chunk per sample or per block of its
times, the index at the end.

zarr-python makes the same chunks (a test compares their bytes), five times slower.
Source: Zarr v3 sharding codec, version 1.0, "sharding_indexed".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import google_crc32c
import numpy as np
from numcodecs.zstd import compress
from numpy.typing import NDArray

LEVEL = 1
ABSENT = 2**64 - 1


def encode_chunk(values: NDArray[Any], samples: int, fill: float) -> bytes:
    """One chunk of ``samples`` rows, of which those of ``values`` (at most as many) are there."""
    whole = np.full((samples, *values.shape[1:]), fill, values.dtype.newbyteorder("<"))
    whole[: len(values)] = values
    return bytes(compress(whole, LEVEL, True))


def encode_shard(values: NDArray[Any], samples: int, block: int | None = None, fill: float = float("nan")) -> bytes:
    """A shard of ``samples`` samples, of which the rows of ``values`` (at most as many) are there.

    A chunk is a sample, or ``block`` of the times of one, [channel, t, ...]; ``fill`` stands behind the last one.
    """
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    chunks = [compress(np.ascontiguousarray(part), LEVEL, True) for row in little for part in _parts(row, block, fill)]
    lengths = np.array([len(chunk) for chunk in chunks], dtype="<u8")
    index = np.full((samples * (1 if block is None else -(-values.shape[2] // block)), 2), ABSENT, dtype="<u8")
    index[: len(chunks), 0] = np.cumsum(lengths) - lengths
    index[: len(chunks), 1] = lengths
    table = index.tobytes()
    checksum = np.array([google_crc32c.value(table)], dtype="<u4").tobytes()
    return b"".join([*chunks, table, checksum])


def _parts(row: NDArray[Any], block: int | None, fill: float) -> Iterator[NDArray[Any]]:
    """The chunks of one sample."""
    if block is None:
        yield row
        return
    for first in range(0, row.shape[1], block):
        part = row[:, first : first + block]
        if part.shape[1] < block:
            whole = np.full((row.shape[0], block, *row.shape[2:]), fill, row.dtype)
            whole[:, : part.shape[1]] = part
            part = whole
        yield part
