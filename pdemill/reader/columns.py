"""Arrays whose chunks are files: the certificates of a split, one per shard; coordinates and meshes, one in all."""

from __future__ import annotations

from collections.abc import Mapping
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.errors import CorruptStore, StoreError
from pdemill.reader.codec import DECODERS, Damaged
from pdemill.store.disk import Readable


def is_column(node: Mapping[str, Any]) -> bool:
    """Whether this is the metadata of an array whose chunks are files, not shards of chunks."""
    try:
        return node["node_type"] == "array" and [codec["name"] for codec in node["codecs"]][:1] == ["bytes"]
    except (LookupError, TypeError):
        raise StoreError("the store cannot be read: its zarr.json holds no metadata of its arrays") from None


def read_chunk(files: Readable, name: str, node: Mapping[str, Any], number: int = 0) -> NDArray[Any]:
    """Chunk ``number`` along axis 0 of the array ``name`` of a store, checked. Raises CorruptStore, StoreError."""
    try:
        shape = node["chunk_grid"]["configuration"]["chunk_shape"]
        values = np.empty(shape, np.dtype(node["data_type"]).newbyteorder("<"))
        last = index(node["shape"][0] - number * shape[0])
        decode = DECODERS[node["codecs"][1]["name"]]
    except (LookupError, TypeError, ValueError, MemoryError):
        raise StoreError(f"{name} cannot be read: it is not stored as pdemill stores it") from None
    file = "/".join([name, "c", str(number), *["0"] * (len(shape) - 1)])
    try:
        decode(files.read(file), values)
    except (FileNotFoundError, Damaged) as error:
        reason = "the file is gone" if isinstance(error, FileNotFoundError) else f"its chunk {error}"
        raise CorruptStore(f"{name} cannot be read: {file}: {reason}") from None
    except OSError as error:
        raise StoreError(f"{file} cannot be read: {error.strerror or error}") from None
    return values[:last]
