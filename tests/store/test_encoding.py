"""Shards written by hand are the bytes that zarr-python writes, and their checksums catch a flipped bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from pdemill.store.encode import encode, encode_by_zarr, metadata, with_attributes
from pdemill.store.layout import ArrayLayout, StoreLayout, shard_samples, times_per_chunk


@pytest.mark.parametrize(
    ("shape", "rows", "samples", "dtype", "block"),
    [
        ((1, 16, 16), 5, 8, "float32", None), ((2, 33), 16, 16, "float32", None),
        ((3, 4, 5, 6), 1, 4, "float64", None), ((2, 7, 5), 3, 4, "float32", 3), ((3, 6, 4, 4), 2, 2, "float64", 2),
        ((1, 5, 2, 3, 4), 1, 4, "float32", 1), ((1, 5, 4), 1, 1, "float32", 4),
    ],
)  # fmt: skip
def test_shards_are_what_zarr_writes(
    shape: tuple[int, ...], rows: int, samples: int, dtype: str, block: int | None
) -> None:
    """The same bytes; where a sample has several chunks, zarr puts them along a Morton curve, we one after another."""
    part = ArrayLayout("a", dtype, shape, tuple("ctxyz"[: len(shape)]), block=block)
    values = np.random.default_rng(0).normal(size=(rows, *shape)).astype(dtype)
    values[0] = np.nan
    ours, theirs = encode(part, values, samples), encode_by_zarr(part, values, samples)
    if block is None:
        assert ours == theirs
    else:
        chunks = samples * -(-shape[1] // block)
        assert len(ours) == len(theirs)
        assert chunks_of(ours, chunks) == chunks_of(theirs, chunks)


def chunks_of(shard: bytes, chunks: int) -> list[bytes]:
    """The chunks of a shard by their places in its index."""
    index = np.frombuffer(shard[-16 * chunks - 4 : -4], "<u8").reshape(chunks, 2).tolist()
    return [shard[offset : offset + length] if offset != 2**64 - 1 else b"" for offset, length in index]


@pytest.mark.parametrize("rows", [1, 5, 16])
@pytest.mark.parametrize(
    ("shape", "dtype", "fill"),
    [((), "float32", np.nan), ((), "int8", -1), ((), "int64", -1), ((3,), "float64", np.nan)],
)
def test_columns_are_what_zarr_writes(shape: tuple[int, ...], dtype: str, fill: float, rows: int) -> None:
    part = ArrayLayout("a", dtype, shape, ("parameter",)[: len(shape)], fill)
    values = (100 * np.random.default_rng(0).normal(size=(rows, *shape))).astype(dtype)
    assert encode(part, values, 16) == encode_by_zarr(part, values, 16)


def test_a_column_of_fill_values_is_written_all_the_same() -> None:
    part = ArrayLayout("error_estimate", "float32")
    assert len(encode(part, np.full(4, np.nan, dtype="float32"), 16)) > 0


def test_other_attributes_are_written_as_zarr_writes_them() -> None:
    """Zarr's bytes of a root whose attributes were replaced, odd numbers and letters among them."""
    shared = {"x": (("x",), np.linspace(0, 1, 4))}
    layout = StoreLayout(
        {"train": 8}, 4, (ArrayLayout("a", "float32"),), shared, {"complete": False, "spec": {"ä": [1]}}
    )
    attributes = {"complete": True, "stats": {"u": {"mean": float("nan"), "max": 1e-300}}, "spec": {"ä": [1]}}
    whole = metadata(replace(layout, attributes=attributes))
    assert with_attributes(metadata(layout)["zarr.json"], attributes) == whole["zarr.json"]


@pytest.mark.parametrize(
    ("sample_bytes", "expected"), [(65536, 512), (4 * 1024**2, 16), (100, 1024), (262144, 128), (48_000, 512)]
)
def test_shards_are_powers_of_two_near_32_megabytes(sample_bytes: int, expected: int) -> None:
    assert shard_samples(sample_bytes) == expected


@pytest.mark.parametrize(("frame_bytes", "times", "expected"), [
    (2**14, 16, None),  # 256 KiB in all
    (2**14, 17, 9),
    (2**14, 51, 13),  # fno-ns: four chunks
    (2**18, 21, 1),
    (2**20, 21, 1),
    (100, 2, None),
])  # fmt: skip
def test_chunks_of_trajectories_hold_times_of_at_most_256_kib(
    frame_bytes: int, times: int, expected: int | None
) -> None:
    assert times_per_chunk(frame_bytes * times, times) == expected


def test_every_sample_is_in_one_shard() -> None:
    layout = StoreLayout({"train": 100, "test": 16}, 16, (), {}, {})
    covered = [(s.split, i) for s in layout.shards() for i in range(s.start, s.stop)]
    assert covered == [("train", i) for i in range(100)] + [("test", i) for i in range(16)]


def test_a_flipped_bit_is_an_error_to_any_reader(tmp_path: Path) -> None:
    part = ArrayLayout("a", "float32", (1, 8, 8), ("c", "x", "y"))
    values = np.random.default_rng(0).normal(size=(4, 1, 8, 8)).astype("float32")
    root = zarr.create_array(
        tmp_path / "a", shape=(4, 1, 8, 8), chunks=(1, 1, 8, 8), shards=(4, 1, 8, 8), dtype="float32",
        compressors=zarr.codecs.ZstdCodec(level=1, checksum=True),
    )  # fmt: skip
    file = tmp_path / "a" / "c" / "0" / "0" / "0" / "0"
    data = bytearray(encode(part, values, 4))
    file.parent.mkdir(parents=True)
    file.write_bytes(data)
    assert np.array_equal(np.asarray(root[...]), values)
    data[200] ^= 1
    file.write_bytes(data)
    with pytest.raises(RuntimeError, match="Zstd"):
        root[...]
