"""The rows of one shard, from the bytes of its files and the metadata of its layout: what the store itself says of its
arrays is not asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from pdemill.errors import CorruptStore
from pdemill.store.encode import shard_file
from pdemill.store.layout import ArrayLayout, Shard, StoreLayout

UNREADABLE = (ValueError, TypeError, LookupError, RuntimeError, OSError, AttributeError, ArithmeticError)
"""What zarr and its codecs raise of bytes that are no chunk, and of metadata that are none."""


@dataclass(frozen=True)
class ShardRows:
    """One shard as a Zarr group that holds no other, and its rows by name."""

    group: zarr.Group
    arrays: Mapping[str, NDArray[Any]]


def decode(layout: StoreLayout, metadata: Mapping[str, bytes], shard: Shard, files: Mapping[str, bytes]) -> ShardRows:
    """The rows in the ``files`` of a shard. Raises CorruptStore for what is not encoded as the layout has it."""
    group = _group({**metadata, **files})
    return ShardRows(group, {part.name: _rows(part, group, shard) for part in layout.arrays_of(shard.split)})


def is_alike(metadata: Mapping[str, bytes], part: ArrayLayout, shard: Shard, data: bytes, other: bytes) -> bool:
    """Whether the file of a measured array of a shard is encoded as the layout has it, and has numbers where the
    ``other`` one has some."""
    name = shard_file(part, shard)
    try:
        rows, wanted = (_rows(part, _group({**metadata, name: content}), shard) for content in (data, other))
    except CorruptStore:
        return False
    return np.array_equal(np.isfinite(rows), np.isfinite(wanted))


def _group(files: Mapping[str, bytes]) -> zarr.Group:
    make = default_buffer_prototype().buffer.from_bytes
    return zarr.open_group(MemoryStore({name: make(data) for name, data in files.items()}), mode="r")


def _rows(part: ArrayLayout, group: zarr.Group, shard: Shard) -> NDArray[Any]:
    array: Any = group[f"{shard.split}/{part.name}"]
    try:
        return np.asarray(array[shard.start : shard.stop])
    except UNREADABLE as error:
        name = shard_file(part, shard)
        raise CorruptStore(f"{name} does not hold {list(part.shape)} {part.dtype} per sample: {error}") from None
