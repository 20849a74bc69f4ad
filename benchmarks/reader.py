"""How fast samples are read: ``python benchmarks/reader.py [--samples 4096] [--rounds 5]``.

One array of a store, [N, 1, 128, 128] in float32, twice: smooth Gaussian fields, which hardly compress, and the same
cut at zero (two values), which compress well. Read by pdemill, by zarr-python, by zarrs (where it is installed) and
from a raw npy file mapped into memory, one sample at random and in batches of 32 in order. ``pdemill, crc32c`` reads
the same samples stored without compression, under a CRC-32C. Samples per second of CPU time (all threads), the median
of interleaved rounds; every sample that is read is compared once.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import google_crc32c
import numpy as np
import zarr
from numcodecs import lz4, zstd
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec, ZstdCodec

from pdemill.reader.array import ArrayReader, Header
from pdemill.reader.files import LocalFiles
from pdemill.reader.threads import fill
from pdemill.store.sharding import encode_shard

SIDE, SHARD, BATCH = 128, 512, 32
type Read = Callable[[Any], NDArray[np.float32]]


def fields(samples: int) -> NDArray[np.float32]:
    """Gaussian fields with a spectrum |k|^-2.5, drawn by a fast transform."""
    rng = np.random.default_rng(0)
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE) * SIDE, np.fft.rfftfreq(SIDE) * SIDE, indexing="ij"))
    noise = rng.normal(size=(samples, 1, *k.shape)) + 1j * rng.normal(size=(samples, 1, *k.shape))
    return np.fft.irfft2(noise * SIDE**2 / (1 + k**2) ** 1.25, s=(SIDE, SIDE)).astype(np.float32)


def write(folder: Path, values: NDArray[np.float32], codec: str) -> None:
    """A Zarr array as stores have it, with the inner codec ``zstd`` or ``crc32c``."""
    inner: Any = ZstdCodec(level=1, checksum=True) if codec == "zstd" else Crc32cCodec()
    sample = values.shape[1:]
    zarr.create_array(
        folder / "train" / codec, shape=values.shape, chunks=(1, *sample), shards=(SHARD, *sample), dtype="float32",
        compressors=inner, fill_value=float("nan"),
    )  # fmt: skip
    for shard in range(len(values) // SHARD):
        rows = values[shard * SHARD : (shard + 1) * SHARD]
        file = folder / "train" / codec / "c" / str(shard) / "0" / "0" / "0"
        file.parent.mkdir(parents=True)
        file.write_bytes(encode_shard(rows, SHARD) if codec == "zstd" else _plain(rows))


def _plain(rows: NDArray[np.float32]) -> bytes:
    chunks = [row.tobytes() for row in rows]
    chunks = [chunk + google_crc32c.value(chunk).to_bytes(4, "little") for chunk in chunks]
    length = len(chunks[0])
    index = np.array([(k * length, length) for k in range(len(chunks))], dtype="<u8").tobytes()
    return b"".join([*chunks, index, google_crc32c.value(index).to_bytes(4, "little")])


def readers(folder: Path) -> dict[str, Read]:
    """Ways of reading one array: a number gives a sample, a slice a batch."""
    found: dict[str, Read] = {"npy memmap": _memmap(folder / "values.npy")}
    for codec in ("crc32c", "zstd"):
        found[f"pdemill, {codec}"] = _ours(folder, codec)
    found["zarr-python"] = _zarr(folder)
    if find_spec("zarrs"):
        with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
            found["zarrs"] = _zarr(folder)
    return found


def _zarr(folder: Path) -> Read:
    array: Any = zarr.open_array(folder / "train" / "zstd", mode="r")
    return lambda which: array[which]


def _memmap(file: Path) -> Read:
    mapped = np.load(file, mmap_mode="r")
    return lambda which: np.array(mapped[which])


def _ours(folder: Path, codec: str) -> Read:
    files = LocalFiles(folder)
    header = Header.parse(codec, json.loads(files.read(f"train/{codec}/zarr.json")))
    array = ArrayReader(files, f"train/{codec}", header)

    def read(which: Any) -> NDArray[np.float32]:
        if not isinstance(which, slice):
            return array.row(which)
        out, pieces = array.plan(np.arange(*which.indices(header.samples)))
        fill(pieces, files.threads)
        return out

    return read


def measure(ways: dict[str, Read], asked: list[Any], rounds: int, each: int) -> dict[str, float]:
    """Samples per second of CPU time."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        part = asked[number::rounds]
        for name, read in ways.items():
            begin = time.process_time()
            for which in part:
                read(which)
            seconds[name].append((time.process_time() - begin) / len(part) / each)
    return {name: 1 / median(values) for name, values in seconds.items()}


def codecs(values: NDArray[np.float32]) -> None:
    """Size and speed of the codecs on these samples alone, in memory."""
    ways: dict[str, tuple[Callable[[Any], bytes], Callable[[Any, Any], Any]]] = {
        "lz4": (lz4.compress, lz4.decompress),
        **{f"zstd {n}": (partial(zstd.compress, level=n, checksum=True), zstd.decompress) for n in (1, 3, 9)},
    }
    print(f"  {'codec alone':18}{'size':>8}{'decoded/s':>12}")
    for name, (encode, decode) in ways.items():
        chunks, row = [encode(value) for value in values], np.empty_like(values[0])
        rates = []
        for _ in range(5):
            begin = time.process_time()
            for chunk in chunks:
                decode(chunk, row)
            rates.append(len(chunks) / (time.process_time() - begin))
        print(f"  {name:18}{sum(map(len, chunks)) / values.nbytes:8.2f}{median(rates):12,.0f}")


def _worker(folder: Path, numbers: list[int]) -> int:
    read = _ours(folder, "zstd")
    return len([read(number) for number in numbers])


def workers(folder: Path, numbers: list[int]) -> None:
    """Loader processes: the same samples by one and by four, wall clock."""
    rates: dict[int, list[float]] = {}
    for count in (1, 4, 1, 4):
        with get_context("fork").Pool(count) as pool:
            pool.starmap(_worker, [(folder, numbers[:8])] * count)
            begin = time.perf_counter()
            pool.starmap(_worker, [(folder, numbers[k::count]) for k in range(count)])
            rates.setdefault(count, []).append(len(numbers) / (time.perf_counter() - begin))
    print("  " + ", ".join(f"{n} process(es) {max(r):,.0f} samples/s" for n, r in rates.items()), "(wall clock)")


def table(title: str, values: NDArray[np.float32], rounds: int) -> None:
    """All measurements of one kind of data."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "values.npy", values)
        for codec in ("zstd", "crc32c"):
            write(folder, values, codec)
        size = sum(file.stat().st_size for file in (folder / "train" / "zstd").rglob("0")) / values.nbytes
        ways = readers(folder)
        for read in ways.values():
            for first in range(0, len(values), BATCH):
                assert np.array_equal(read(slice(first, first + BATCH)), values[first : first + BATCH])
        order = np.random.default_rng(1).permutation(len(values)).tolist()
        single = measure(ways, order, rounds, 1)
        batches = [slice(first, first + BATCH) for first in range(0, len(values), BATCH)]
        batch = measure(ways, batches, rounds, BATCH)
        print(f"\n{title}: {len(values)} samples, zstd keeps {size:.0%} of the bytes")
        print(f"  {'samples/s':18}{'random':>10}{'/ zarr':>8}{'/ npy':>8}{f'in {BATCH}s':>12}{'/ zarr':>8}")
        for way in ways:
            of_zarr, of_npy = single[way] / single["zarr-python"], single[way] / single["npy memmap"]
            print(
                f"  {way:18}{single[way]:10,.0f}{of_zarr:8.1f}{of_npy:8.2f}"
                f"{batch[way]:12,.0f}{batch[way] / batch['zarr-python']:8.1f}"
            )
        workers(folder, order)
        codecs(values[:256])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=4096, help="a multiple of 512")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    values = fields(options.samples)
    table("smooth fields", values, options.rounds)
    table("two values", np.where(values >= 0, np.float32(12), np.float32(3)), options.rounds)


if __name__ == "__main__":
    main()
