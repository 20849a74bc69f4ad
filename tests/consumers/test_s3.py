"""A store in a bucket is read as a folder is: by a real S3 server, SeaweedFS. Run by ``make consumers``."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import CorruptStore, StoreError
from pdemill.objects import Changed
from pdemill.objects.bucket import Bucket
from pdemill.objects.opening import opened
from pdemill.reader.objects import ObjectFiles
from tests.seaweed import KEYS, environment, seaweed

pytest.importorskip("obstore", reason="obstore is not installed here: make consumers")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

BUCKET = "mill"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory, darcy_store: Path) -> Iterator[Any]:
    """What obstore works with for a bucket with the store below ``sets/darcy.zarr``; the environment is a reader's."""
    with seaweed(tmp_path_factory.mktemp("s3"), BUCKET) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(server).items():
            patch.setenv(name, value)
        client = opened(f"s3://{BUCKET}")
        for path in sorted(darcy_store.rglob("*")):
            if path.is_file():
                _put(client, f"sets/darcy.zarr/{path.relative_to(darcy_store).as_posix()}", path.read_bytes())
        yield client


def _put(client: Any, key: str, data: bytes) -> None:
    import obstore

    obstore.put(client, key, data)


ADDRESS = f"s3://{BUCKET}/sets/darcy.zarr"


def test_samples_and_batches_are_those_of_the_files(bucket: Any, darcy_store: Path) -> None:
    there, here = pdemill.open(ADDRESS, "train"), pdemill.open(darcy_store)
    assert np.array_equal(there[17]["y"], here[17]["y"])
    for order in (slice(3, 33), [39, 0, 16, 16, 2]):
        found, expected = there[order], here[order]
        assert all(np.array_equal(found[key], expected[key]) for key in expected)
    assert np.array_equal(pickle.loads(pickle.dumps(there))[5]["x"], here[5]["x"])
    assert there.normaliser("y") == here.normaliser("y")


def test_a_process_forked_from_one_that_has_read_reads_too(bucket: Any, darcy_store: Path) -> None:
    data = pdemill.open(ADDRESS)
    assert data[0]["x"].shape == (1, 16, 12)
    with ProcessPoolExecutor(1, get_context("fork")) as pool:
        assert np.array_equal(
            pool.submit(data.__getitem__, slice(0, 40)).result(60)["y"], pdemill.open(darcy_store)[:]["y"]
        )


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_loader_with_workers_reads_from_a_bucket(bucket: Any, darcy_store: Path, start: str) -> None:
    torch: Any = pytest.importorskip("torch")
    data: Any = pdemill.open(ADDRESS)
    assert data[0]["x"].shape == (1, 16, 12)  # connections are open when the workers are forked
    loader = torch.utils.data.DataLoader(data, batch_size=8, num_workers=2, multiprocessing_context=start)
    found = torch.cat([batch["y"] for batch in loader]).numpy()
    assert np.array_equal(found, pdemill.open(darcy_store)[:]["y"])


def test_a_growing_store_is_followed(bucket: Any, darcy_store: Path) -> None:
    batches = list(pdemill.open(ADDRESS, "train", follow=True, patience=10))
    assert np.array_equal(np.concatenate([batch["sample"] for batch in batches]), np.arange(40))


def test_an_export_reads_from_a_bucket(bucket: Any, darcy_store: Path, tmp_path: Path) -> None:
    there, here = (pdemill.export(store, tmp_path / name, to="pdebench").files
                   for store, name in ((ADDRESS, "there"), (darcy_store, "here")))  # fmt: skip
    assert [path.read_bytes() for path in there] == [path.read_bytes() for path in here]


def test_an_object_that_was_written_anew_is_not_mixed_with_the_old_one(bucket: Any, darcy_store: Path) -> None:
    key = "sets/darcy.zarr/train/solution/c/1/0/0/0"
    files, name = ObjectFiles(ADDRESS), "train/solution/c/1/0/0/0"
    data, size, tag = files.tail(name, 20)
    whole = (darcy_store / name).read_bytes()
    assert (data, size) == (whole[-20:], len(whole))
    assert files.part(name, 5, 10, tag) == whole[5:15]
    _put(bucket, key, whole + b" ")
    try:
        with pytest.raises(Changed):
            files.part(name, 5, 10, tag)
    finally:
        _put(bucket, key, whole)


def test_damage_in_a_bucket_never_comes_out_as_data(bucket: Any, darcy_store: Path) -> None:
    name = "test/solution/c/0/0/0/0"
    whole = (darcy_store / name).read_bytes()
    _put(bucket, f"sets/darcy.zarr/{name}", whole[:40] + b"?" + whole[41:])
    try:
        with pytest.raises(CorruptStore, match=r"sample 0 of test, shard 0, .*: its chunk"):
            pdemill.open(ADDRESS, "test")[0]
        Bucket(ADDRESS).delete(name)
        with pytest.raises(CorruptStore, match=r"samples 0..6 of test, shard 0, .*: the file is gone"):
            pdemill.open(ADDRESS, "test")[0]
    finally:
        _put(bucket, f"sets/darcy.zarr/{name}", whole)


@pytest.mark.parametrize(("address", "secret", "words"), [
    (f"s3://{BUCKET}/elsewhere", KEYS["secretKey"], "is not a pdemill store: it has no zarr.json"),
    ("s3://no-such-bucket/darcy.zarr", KEYS["secretKey"], "there is no bucket no-such-bucket"),
    (ADDRESS, "wrong", "the server refuses access .SignatureDoesNotMatch"),
    ("s3://", KEYS["secretKey"], "give s3://BUCKET/PREFIX"),
])  # fmt: skip
def test_what_cannot_be_read_is_one_clear_error(
    bucket: Any, monkeypatch: pytest.MonkeyPatch, address: str, secret: str, words: str
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    with pytest.raises(StoreError, match=words):
        pdemill.open(address)


def test_without_keys_requests_are_not_signed(bucket: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This bucket is not public, so its server refuses."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StoreError, match="AccessDenied"):
        pdemill.open(ADDRESS)
