"""The layout of a store: its arrays, and how splits are cut into shards. Pure decisions, no files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import log2, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHARD_BYTES = 32 * 2**20
SHARD_SAMPLES = (16, 1024)
BLOCK_BYTES = 2**18
"""Most bytes of a chunk that holds some times of a trajectory: what is decoded for one of its frames."""
SCHEMA = 2
"""Version of the store's layout; readers refuse a higher one."""

MEASURED = ("solve_seconds",)
"""Arrays that hold measurements of a run: the only ones that differ between two runs of one spec."""


@dataclass(frozen=True)
class ArrayLayout:
    """One array of a split: sample on axis 0, ``shape`` behind it."""

    name: str
    dtype: str
    shape: tuple[int, ...] = ()
    dimensions: tuple[str, ...] = ()
    fill: float | int = float("nan")
    attributes: tuple[tuple[str, Any], ...] = ()
    is_field: bool | None = None
    """Whether it is read sample by sample; by default everything with two or more axes behind the sample's is."""
    block: int | None = None
    """Times per chunk of trajectories [channel, t, ...]; None where a chunk is a whole sample."""

    @property
    def sample_bytes(self) -> int:
        return np.dtype(self.dtype).itemsize * prod(self.shape)

    @property
    def chunked_by_sample(self) -> bool:
        """Fields are read sample by sample; the short columns beside them are one chunk per shard."""
        return len(self.shape) > 1 if self.is_field is None else self.is_field

    @property
    def chunk(self) -> tuple[int, ...]:
        """The shape of one chunk of a sample."""
        return self.shape if self.block is None else (self.shape[0], self.block, *self.shape[2:])

    @property
    def padded(self) -> tuple[int, ...]:
        """The shape of a sample in whole chunks: behind its last time there is fill."""
        if self.block is None:
            return self.shape
        return (self.shape[0], -(-self.shape[1] // self.block) * self.block, *self.shape[2:])


@dataclass(frozen=True)
class Shard:
    """Samples start..stop-1 of a split: one task, one writer, one file per array."""

    split: str
    index: int
    start: int
    stop: int

    @property
    def name(self) -> str:
        return f"{self.split}-{self.index:05d}"

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class StoreLayout:
    """Everything about a store but its samples; equal layouts give equal metadata, byte for byte.

    ``arrays`` are those of every split that has none of its own in ``own``.
    """

    splits: Mapping[str, int]
    shard_samples: int
    arrays: tuple[ArrayLayout, ...]
    shared: Mapping[str, tuple[tuple[str, ...], NDArray[Any]]]
    attributes: Mapping[str, Any]
    own: Mapping[str, tuple[ArrayLayout, ...]] = field(default_factory=dict)
    each: Mapping[str, int] = field(default_factory=dict)
    """Samples per shard of splits that do not have ``shard_samples``."""

    def arrays_of(self, split: str) -> tuple[ArrayLayout, ...]:
        """The arrays of one split."""
        return self.own.get(split, self.arrays)

    def shards(self) -> Iterator[Shard]:
        """Every shard, split by split."""
        return cut(self.splits, self.shard_samples, self.each)

    def shard_samples_of(self, split: str) -> int:
        """Samples per shard of one split."""
        return self.each.get(split, self.shard_samples)


def cut(splits: Mapping[str, int], samples_per_shard: int, each: Mapping[str, int] | None = None) -> Iterator[Shard]:
    """The shards of some splits, in order; ``each``: samples per shard of those that have others."""
    for split, samples in splits.items():
        size = (each or {}).get(split, samples_per_shard)
        for index, start in enumerate(range(0, samples, size)):
            yield Shard(split, index, start, min(start + size, samples))


def times_per_chunk(sample_bytes: int, times: int) -> int | None:
    """Times per chunk of a trajectory: evenly many, in chunks of at most BLOCK_BYTES or of one time; None for all."""
    most = max(BLOCK_BYTES * times // sample_bytes, 1)
    chunks = -(-times // most)
    return None if chunks < 2 else -(-times // chunks)


def shard_samples(sample_bytes: int) -> int:
    """Samples per shard: the power of two whose largest array comes nearest to 32 MB, from 16 to 1024."""
    low, high = SHARD_SAMPLES
    return int(min(max(2 ** round(log2(SHARD_BYTES / max(sample_bytes, 1))), low), high))
