"""The reader gives what zarr-python gives, in any order, thread and process; damaged bytes never come out as data."""

from __future__ import annotations

import multiprocessing
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

import pdemill
from pdemill.errors import CorruptStore, IncompleteStore, MissingExtra, StoreError
from pdemill.reader.codec import Damaged, decode_crc32c, decode_zstd
from pdemill.store.encode import COMPRESSOR

ORDERS: list[Any] = [[3, 1, 37, 1], slice(10, 35), slice(None, None, -7), np.array([-1, 0]), range(14, 18), []]


@pytest.fixture(scope="module")
def truth(darcy_store: Path) -> dict[str, NDArray[Any]]:
    """The training split as zarr-python reads it."""
    group: Any = zarr.open_group(darcy_store, mode="r")["train"]
    return {"x": group["input"][...], "y": group["solution"][...]}


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_a_batch_has_the_samples_asked_for_in_their_order(darcy_store: Path, truth: Any, order: Any) -> None:
    found = pdemill.open(darcy_store)[order]
    numbers = np.arange(40)[order if isinstance(order, slice) else np.array(order, dtype=int)]
    for key, values in truth.items():
        assert np.array_equal(found[key], values[numbers])
        assert found[key].dtype == np.float32
        assert found[key].flags.writeable


@pytest.mark.parametrize("wrong", [[0, 40], [-41], [0.5], [True, False], np.zeros((1, 1), int)], ids=str)
def test_other_numbers_are_refused(darcy_store: Path, wrong: Any) -> None:
    with pytest.raises(IndexError):
        pdemill.open(darcy_store)[wrong]


def test_a_batch_for_a_loader_is_a_list_of_samples(darcy_store: Path, truth: Any) -> None:
    found = pdemill.open(darcy_store).__getitems__([30, 2])
    assert [np.array_equal(sample["y"], truth["y"][k]) for sample, k in zip(found, (30, 2), strict=True)] == [True] * 2


def test_threads_share_a_data_set(darcy_store: Path, truth: Any) -> None:
    data = pdemill.open(darcy_store)
    numbers = np.random.default_rng(0).integers(0, 40, 400).tolist()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda k: data[k]["y"], numbers))
    assert np.array_equal(np.stack(found), truth["y"][numbers])


def _read(data: pdemill.Dataset, numbers: list[int]) -> NDArray[np.float32]:
    return data[numbers]["y"]


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_processes_read_what_their_parent_opened(darcy_store: Path, truth: Any, start: str) -> None:
    data = pdemill.open(darcy_store)
    _read(data, [0, 39])
    with multiprocessing.get_context(start).Pool(2) as pool:
        parts = pool.starmap(_read, [(data, [k, 39 - k]) for k in range(20)])
    for k, part in enumerate(parts):
        assert np.array_equal(part, truth["y"][[k, 39 - k]])


def test_a_data_set_that_was_pickled_finds_its_store_from_another_folder(
    darcy_store: Path, truth: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(darcy_store.parent)
    sent = pickle.dumps(pdemill.open(Path(darcy_store.name)))
    monkeypatch.chdir(tmp_path)
    assert np.array_equal(pickle.loads(sent)[5]["x"], truth["x"][5])


def test_any_flipped_byte_of_a_shard_is_reported_with_its_sample(darcy_store: Path, tmp_path: Path, truth: Any) -> None:
    """All bytes of headers and of the index, many of the rest: what is read is what was written, or an error."""
    copied = shutil.copytree(darcy_store, tmp_path / "copy.zarr")
    file = copied / "train" / "solution" / "c" / "1" / "0" / "0" / "0"
    whole = file.read_bytes()
    index = len(whole) - 16 * 16 - 4
    starts = np.frombuffer(whole[index:-4], "<u8")[::2].astype(int)
    unharmed = 0
    for place in [*range(8), *range(8, index, 61), *range(index - 5, len(whole))]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place * 5 % 8)
        file.write_bytes(damaged)
        number = 16 + int(np.searchsorted(starts, place, side="right")) - 1
        error, found = _outcome(copied, number)
        which = f"sample {number}" if place < index else "samples 16..31"
        if error is None:
            unharmed += 1
            assert np.array_equal(found, truth["y"][number])
        else:
            assert f"{which} of train, shard 1, cannot be read: train/solution/c/1/0/0/0: " in error
    assert unharmed <= 2, "bits without meaning, such as padding, are few"


def _outcome(store: Path, number: int) -> tuple[str | None, Any]:
    try:
        return None, pdemill.open(store)[number]["y"]
    except CorruptStore as error:
        return str(error), None


def test_a_shard_that_is_cut_short_is_reported(darcy_store: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(darcy_store, tmp_path / "copy.zarr")
    file = copied / "train" / "input" / "c" / "0" / "0" / "0" / "0"
    for length in (0, 100, file.stat().st_size - 1):
        file.write_bytes(file.read_bytes()[:length])
        with pytest.raises(CorruptStore, match=r"samples 0\.\.15 of train, shard 0, .*: its index"):
            pdemill.open(copied)[3]


def test_a_shard_that_is_written_anew_while_it_is_read_is_read_anew(
    darcy_store: Path, tmp_path: Path, truth: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only one file is kept open, so that the other one is opened again after it was replaced."""
    monkeypatch.setattr("pdemill.reader.files.OPEN_FILES", 1)
    copied = shutil.copytree(darcy_store, tmp_path / "copy.zarr")
    data = pdemill.open(copied)
    assert np.array_equal(data[20]["y"], truth["y"][20])
    for file in (copied / "train").rglob("c/1/0/0/0"):
        moved = file.rename(tmp_path / "old")
        file.write_bytes(moved.read_bytes())
    assert np.array_equal(data[21]["y"], truth["y"][21])


def test_failed_samples_are_refused_in_a_batch_and_known_beforehand(tmp_path: Path) -> None:
    problem = {
        "family": "darcy", "resolution": [8, 8],
        "coefficient": {"field": "expression", "formula": "1 + a * sin(pi * x)",
                        "where": {"a": {"uniform": [-2, 1]}}},
    }  # fmt: skip
    summary = pdemill.generate({"problem": problem, "samples": 12}, tmp_path / "store.zarr", workers=0)
    failed = [failure.sample for failure in summary.failures]
    assert 0 < len(failed) < 12
    data = pdemill.open(tmp_path / "store.zarr")
    good = data.certified(data.shards[0])
    assert sorted([*good.tolist(), *failed]) == list(range(12))
    assert not np.isnan(data[good]["y"]).any()
    with pytest.raises(IncompleteStore, match=f"sample {min(failed)} of train has no certified solution"):
        data[:]


def test_values_of_float64_come_as_float32(tmp_path: Path) -> None:
    spec = {"problem": {"family": "poisson", "resolution": [8, 8], "source": {"field": "gaussian"}}, "samples": 3,
            "store": {"dtype": "float64"}}  # fmt: skip
    pdemill.generate(spec, tmp_path / "store.zarr", workers=0)
    group: Any = zarr.open_group(tmp_path / "store.zarr", mode="r")["train"]
    found = pdemill.open(tmp_path / "store.zarr")[:]
    assert np.array_equal(found["y"], group["solution"][...].astype(np.float32))


def test_the_stored_statistics_normalise(darcy_store: Path, truth: Any) -> None:
    data = pdemill.open(darcy_store, "test")
    keys: list[Literal["x", "y"]] = ["x", "y"]
    for key in keys:
        normaliser = data.normaliser(key)
        encoded = normaliser.encode(truth[key].astype(np.float64))
        assert abs(encoded.mean()) < 1e-12
        assert encoded.std() == pytest.approx(1, abs=1e-12)
        sample = data[2][key]
        assert normaliser.encode(sample).dtype == np.float32
        assert np.allclose(normaliser.decode(normaliser.encode(sample)), sample, rtol=1e-5, atol=1e-6 * sample.std())
        with pytest.raises(ValueError, match="expected"):
            normaliser.encode(sample[0])


def test_metadata_that_pdemill_does_not_write_are_refused(darcy_store: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(darcy_store, tmp_path / "copy.zarr")
    text = (copied / "zarr.json").read_text()
    (copied / "zarr.json").write_text(text.replace('"index_location": "end"', '"index_location": "start"'))
    with pytest.raises(StoreError, match="train/input cannot be read"):
        pdemill.open(copied)


def test_frames_without_a_checksum_are_not_trusted() -> None:
    from numcodecs.zstd import compress

    values = np.arange(48, dtype=np.float32)
    row = np.empty_like(values)
    assert COMPRESSOR.checksum
    decode_zstd(compress(values, 1, True), row)
    assert np.array_equal(row, values)
    for chunk in (compress(values, 1, False), compress(values[:-1], 1, True), compress(values, 1, True) * 2, b""):
        with pytest.raises(Damaged):
            decode_zstd(chunk, row)


def test_plain_chunks_with_a_checksum() -> None:
    import google_crc32c

    values = np.arange(8, dtype=np.float32)
    chunk = values.tobytes() + google_crc32c.value(values.tobytes()).to_bytes(4, "little")
    row = np.empty_like(values)
    decode_crc32c(chunk, row)
    assert np.array_equal(row, values)
    with pytest.raises(Damaged, match="checksum"):
        decode_crc32c(b"\1" + chunk[1:], row)
    with pytest.raises(Damaged, match="32 bytes instead of 4"):
        decode_crc32c(chunk, row[:1])


def test_reading_loads_no_zarr_library_and_nothing_heavier(darcy_store: Path) -> None:
    check = (
        "import sys, pdemill\n"
        f"assert pdemill.open({str(darcy_store)!r})[3]['y'].shape == (1, 16, 12)\n"
        "heavy = {'zarr', 'httpx', 'pydantic', 'torch', 'h5py', 'petsc4py', 'netgen', 'fastapi', 'numba', 'scipy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_a_bucket_needs_the_extra_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(MissingExtra, match=r"^s3://mill/a.zarr needs obstore: pip install 'pdemill\[objects\]'"):
        pdemill.open("s3://mill/a.zarr")
