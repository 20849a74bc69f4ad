"""Zarr bytes of a store's metadata and shards, made in memory by zarr-python."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.buffer import Buffer
from zarr.codecs import ZstdCodec
from zarr.storage import MemoryStore

from pdemill.quiet import quiet
from pdemill.store.layout import ArrayLayout, Shard, StoreLayout
from pdemill.store.sharding import LEVEL, encode_chunk, encode_shard

COMPRESSOR = ZstdCodec(level=LEVEL, checksum=True)


def metadata(layout: StoreLayout) -> dict[str, bytes]:
    """Every file of a store that holds no sample: groups, array headers, coordinates; the root last."""
    files: dict[str, Buffer] = {}
    store = MemoryStore(files)
    root = zarr.create_group(store, zarr_format=3, attributes=dict(layout.attributes))
    for name, (dimensions, values) in layout.shared.items():
        array = root.create_array(
            name, shape=values.shape, dtype=values.dtype, chunks=values.shape, compressors=COMPRESSOR,
            dimension_names=dimensions, fill_value=_fill(values.dtype),
        )  # fmt: skip
        array[...] = values
    for split, samples in layout.splits.items():
        group = root.create_group(split)
        for part in layout.arrays_of(split):
            _create(group, part.name, part, samples, layout.shard_samples_of(split))
    with quiet(zarr.errors.ZarrUserWarning):
        zarr.consolidate_metadata(store)
    content = {name: buffer.to_bytes() for name, buffer in files.items()}
    return {name: content[name] for name in sorted(content, key=lambda name: (name == "zarr.json", name))}


def with_attributes(root: bytes, attributes: Mapping[str, Any]) -> bytes:
    """The root metadata with other attributes, as zarr-python would write it; everything else stays."""
    return json.dumps({**json.loads(root), "attributes": attributes}, indent=2).encode()


def shard_file(part: ArrayLayout, shard: Shard) -> str:
    """Where the file of one shard of one array stands in the store."""
    return "/".join([shard.split, part.name, "c", str(shard.index), *["0"] * len(part.shape)])


def encode(part: ArrayLayout, values: NDArray[Any], samples: int) -> bytes:
    """The file of one shard of one array: ``values`` has up to ``samples`` rows."""
    if part.chunked_by_sample:
        return encode_shard(values, samples, part.block, part.fill)
    return encode_chunk(values.astype(part.dtype, copy=False), samples, part.fill)


def encode_by_zarr(part: ArrayLayout, values: NDArray[Any], samples: int) -> bytes:
    """The same file, made by zarr-python."""
    files: dict[str, Buffer] = {}
    array = _create(MemoryStore(files), "", part, len(values), samples)
    array[...] = values
    return files["/".join(["c", "0", *["0"] * len(part.shape)])].to_bytes()


def _create(parent: Any, name: str, part: ArrayLayout, samples: int, shard: int) -> zarr.Array[Any]:
    whole = (shard, *part.padded)
    options: dict[str, Any] = {
        "shape": (samples, *part.shape),
        "dtype": part.dtype,
        "chunks": (1, *part.chunk) if part.chunked_by_sample else whole,
        "shards": whole if part.chunked_by_sample else None,
        "compressors": COMPRESSOR,
        "fill_value": part.fill,
        "dimension_names": ("sample", *part.dimensions),
        "attributes": dict(part.attributes),
        "config": {"write_empty_chunks": True},
    }
    if name:
        return parent.create_array(name, **options)  # type: ignore[no-any-return]
    return zarr.create_array(parent, zarr_format=3, write_data=True, **options)


def _fill(dtype: np.dtype[Any]) -> float | int:
    return float("nan") if dtype.kind == "f" else -1
