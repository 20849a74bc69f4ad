"""A store in a bucket of a real S3 server: made by several runs at once, grown, mended, merged, read by others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.objects.bucket import Bucket
from pdemill.objects.opening import opened
from pdemill.picture import draw
from pdemill.solvers.local.repair import repair
from tests.seaweed import environment, seaweed

obstore: Any = pytest.importorskip("obstore")
pytestmark = pytest.mark.slow

SPEC = {"problem": {"family": "poisson", "resolution": [16, 12], "source": {"uniform": [0, 1]}},
        "splits": {"train": 14, "test": 4}, "store": {"shard": 4}}  # fmt: skip
LARGER = {**SPEC, "splits": {"train": 18, "test": 4}}


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with seaweed(tmp_path_factory.mktemp("s3"), "mill") as server, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(server).items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The contents of both stores in a folder."""
    folder = tmp_path_factory.mktemp("here")
    made = []
    for number, spec in enumerate((SPEC, LARGER)):
        pdemill.generate(spec, folder / f"{number}.zarr", workers=0)
        made.append(pdemill.verify(folder / f"{number}.zarr").content)
    return made[0], made[1]


def _command(*words: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("pdemill")), *map(str, words)], text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip


def _content(store: str) -> str:
    found = pdemill.verify(store)
    assert found.faults == ()
    return found.content


@pytest.mark.usefixtures("_server")
def test_runs_at_once_fill_a_bucket_which_grows_is_mended_and_merged(contents: tuple[str, str], tmp_path: Path) -> None:
    store = "s3://mill/sets/a.zarr"
    (tmp_path / "spec.json").write_text(str(SPEC).replace("'", '"'))
    runs = [_command("generate", tmp_path / "spec.json", "--out", store, "--workers", "1") for _ in range(3)]
    for run in runs:
        told = run.communicate(timeout=240)[0]
        assert run.returncode == 0, told
        assert "18 of 18 samples certified" in told
    assert _content(store) == contents[0]

    grown = pdemill.generate(LARGER, store, workers=0)
    assert (grown.grown, grown.shards_kept) == (True, 4)
    assert _content(store) == contents[1]

    solution = "train/solution/c/1/0/0/0"
    obstore.put(opened(store), solution, b"damaged")
    assert solution in str(pdemill.verify(store).faults)
    mended = repair(store, workers=0)
    assert (mended.solved, len(mended.faults)) == (1, 1)
    assert _content(store) == contents[1]

    pdemill.merge([store], "s3://mill/sets/b.zarr")
    assert _content("s3://mill/sets/b.zarr") == contents[1]
    pdemill.merge([store], tmp_path / "c.zarr")
    assert _content(str(tmp_path / "c.zarr")) == contents[1]
    assert _content(str(pdemill.pull(store, tmp_path / "d.zarr"))) == contents[1]


@pytest.mark.usefixtures("_server")
def test_parts_fill_a_bucket_that_plain_zarr_reads(contents: tuple[str, str], tmp_path: Path) -> None:
    import zarr
    from zarr.storage import ObjectStore

    store = "s3://mill/parts.zarr"
    first = pdemill.generate(LARGER, store, workers=0, part="1/2")
    assert first.elsewhere > 0
    assert pdemill.generate(LARGER, store, workers=0, part="2/2").elsewhere == 0
    assert _content(store) == contents[1]
    group: Any = zarr.open_group(ObjectStore(opened(store), read_only=True), mode="r")
    assert np.array_equal(group["train/solution"][...], pdemill.open(store)[:]["y"])
    assert draw(store, tmp_path / "picture.png").stat().st_size > 10_000


@pytest.mark.usefixtures("_server")
def test_a_spec_with_an_array_and_fidelities_goes_into_a_bucket(tmp_path: Path) -> None:
    np.save(tmp_path / "k.npy", np.random.default_rng(0).uniform(1, 2, (6, 8, 8)))
    coefficient = {"field": "array", "file": str(tmp_path / "k.npy"), "interpolate": "linear"}
    spec = {"problem": {"family": "darcy", "resolution": [8, 8], "coefficient": coefficient},
            "splits": {"train": 4}, "fidelities": {"16": {"resolution": [16, 16]}}}  # fmt: skip
    pdemill.generate(spec, tmp_path / "a.zarr", workers=0)
    pdemill.generate(spec, "s3://mill/array.zarr", workers=1)
    assert _content("s3://mill/array.zarr") == _content(str(tmp_path / "a.zarr"))


@pytest.mark.usefixtures("_server")
def test_a_mixture_goes_into_a_bucket(tmp_path: Path) -> None:
    members = [{"problem": SPEC["problem"]}, {"name": "other", "weight": 2, "problem": SPEC["problem"]}]
    spec = {"mixture": members, "samples": 3}
    pdemill.generate(spec, tmp_path / "m.zarr", workers=0)
    pdemill.generate(spec, "s3://mill/mixture.zarr", workers=1)
    assert _content("s3://mill/mixture.zarr") == _content(str(tmp_path / "m.zarr"))
    assert len(pdemill.open("s3://mill/mixture.zarr")) == 6


@pytest.mark.usefixtures("_server")
@pytest.mark.parametrize(("out", "changed", "words"), [
    ("s3://no-such-bucket/x.zarr", {"AWS_SECRET_ACCESS_KEY": "wrong"}, "the server refuses access"),
    ("s3://mill/x.zarr", {"AWS_ACCESS_KEY_ID": "nobody"}, "the server refuses access"),
    ("s3://mill/x.zarr", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "no answer"),
    ("s3:/mill/x.zarr", {}, "has lost a slash"),
    ("https://mill/x.zarr", {}, "is an address; the store to write should be given as a path"),
])  # fmt: skip
def test_what_cannot_be_written_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: str, changed: dict[str, str], words: str
) -> None:
    (tmp_path / "spec.json").write_text(str(SPEC).replace("'", '"'))
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    run = _command("generate", tmp_path / "spec.json", "--out", out)
    told = run.communicate(timeout=120)[0]
    assert run.returncode == 2, told
    assert told.startswith("error: ")
    assert words in told
    assert len(told.splitlines()) == 1


@pytest.mark.usefixtures("_server")
def test_conditional_puts_of_the_server_let_one_of_many_through() -> None:
    from concurrent.futures import ThreadPoolExecutor

    def put(number: int) -> bool:
        try:
            Bucket("s3://mill/races").put(f"{number // 8}", f"{number}".encode(), None)
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(put, range(8 * 50))) == 50
    assert os.environ["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
