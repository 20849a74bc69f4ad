"""The rows of one shard, from the bytes of its files and the metadata of its layout: what the store itself says of its
arrays is not asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from pdemill.errors import CorruptStore
from pdemill.store.encode import shard_file
from pdemill.store.layout import Shard, StoreLayout

UNREADABLE = (ValueError, TypeError, LookupError, RuntimeError, OSError, AttributeError, ArithmeticError)
"""What zarr and its codecs raise of bytes that are no chunk, and of metadata that are none."""


@dataclass(frozen=True)
class ShardRows:
    """One shard as a Zarr group that holds no other, and its rows by name."""

    group: zarr.Group
    arrays: Mapping[str, NDArray[Any]]


def decode(layout: StoreLayout, metadata: Mapping[str, bytes], shard: Shard, files: Mapping[str, bytes]) -> ShardRows:
    """The rows in the ``files`` of a shard. Raises CorruptStore for what is not encoded as the layout has it."""
    make = default_buffer_prototype().buffer.from_bytes
    held = MemoryStore({name: make(data) for name, data in {**metadata, **files}.items()})
    group = zarr.open_group(held, mode="r")
    arrays = dict(_rows(layout, group, shard))
    return ShardRows(group, arrays)


def _rows(layout: StoreLayout, group: zarr.Group, shard: Shard) -> Iterator[tuple[str, NDArray[Any]]]:
    for part in layout.arrays_of(shard.split):
        array: Any = group[f"{shard.split}/{part.name}"]
        try:
            yield part.name, np.asarray(array[shard.start : shard.stop])
        except UNREADABLE as error:
            name = shard_file(part, shard)
            raise CorruptStore(f"{name} does not hold {list(part.shape)} {part.dtype} per sample: {error}") from None
