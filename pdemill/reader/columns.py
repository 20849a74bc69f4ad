"""Arrays whose chunks are files: the certificates of a split, one per shard; coordinates and meshes, one in all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.errors import CorruptStore, StoreError
from pdemill.reader.codec import DECODERS, Damaged
from pdemill.store.disk import Readable


def is_column(node: Mapping[str, Any]) -> bool:
    """Whether this is the metadata of an array whose chunks are files, not shards of chunks."""
    return node["node_type"] == "array" and [codec["name"] for codec in node["codecs"]][:1] == ["bytes"]


def read_chunk(files: Readable, name: str, node: Mapping[str, Any], number: int = 0) -> NDArray[Any]:
    """Chunk ``number`` along axis 0 of the array ``name`` of a store, checked. Raises CorruptStore, StoreError."""
    shape = node["chunk_grid"]["configuration"]["chunk_shape"]
    values = np.empty(shape, np.dtype(node["data_type"]).newbyteorder("<"))
    file = "/".join([name, "c", str(number), *["0"] * (len(shape) - 1)])
    try:
        DECODERS[node["codecs"][1]["name"]](files.read(file), values)
    except (IndexError, KeyError):
        raise StoreError(f"{name} cannot be read: it is not stored as pdemill stores it") from None
    except (FileNotFoundError, Damaged) as error:
        reason = "the file is gone" if isinstance(error, FileNotFoundError) else f"its chunk {error}"
        raise CorruptStore(f"{name} cannot be read: {file}: {reason}") from None
    except OSError as error:
        raise StoreError(f"{file} cannot be read: {error.strerror or error}") from None
    return values[: node["shape"][0] - number * shape[0]]
