"""Stores are copied file by file, whole or in part, and copies that broke off go on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import CorruptStore, IncompleteStore, StoreError, StoreMismatch
from tests.command import pdemill as command

SPEC: dict[str, Any] = {
    "problem": {"family": "poisson", "resolution": [8, 8], "source": {"field": "gaussian"}},
    "splits": {"train": 20, "test": 5},
    "store": {"shard": 8},
    "solver": {"method": "fft"},
}


class _Server(ThreadingHTTPServer):
    """Serves a folder; ``left``: files that it still gives."""

    left = 10**6
    given = 0


class _Handler(SimpleHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        if self.server.left <= 0:
            self.send_error(404)
            return
        self.server.left -= 1
        self.server.given += 1
        super().do_GET()

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("served") / "store.zarr"
    assert pdemill.generate(SPEC, out, workers=0).ok
    return out


@pytest.fixture
def server(store: Path) -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), partial(_Handler, directory=store.parent)) as served:
        Thread(target=served.serve_forever, daemon=True).start()
        yield served
        served.shutdown()


@pytest.fixture
def address(server: _Server) -> str:
    return f"http://127.0.0.1:{server.server_port}/store.zarr"


def _files(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def test_a_copy_is_the_store_byte_for_byte(store: Path, address: str, tmp_path: Path) -> None:
    made = command("pull", address, "--out", "copy.zarr", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    copy, original = _files(tmp_path / "copy.zarr"), _files(store)
    assert copy == {name: content for name, content in original.items() if not name.endswith(("/plan.json", "/run"))}
    assert pdemill.verify(tmp_path / "copy.zarr").ok


def test_a_copy_that_broke_off_goes_on(store: Path, server: _Server, address: str, tmp_path: Path) -> None:
    pdemill.pull(address, tmp_path / "whole.zarr")
    whole = server.given
    server.left = whole // 2
    with pytest.raises(CorruptStore, match="is not there"):
        pdemill.pull(address, tmp_path / "copy.zarr")
    assert not (tmp_path / "copy.zarr" / "zarr.json").exists()
    server.left, server.given = 10**6, 0
    pdemill.pull(address, tmp_path / "copy.zarr")
    assert server.given < whole - 5
    assert _files(tmp_path / "copy.zarr") == _files(tmp_path / "whole.zarr")
    server.given = 0
    pdemill.pull(address, tmp_path / "copy.zarr")
    assert server.given == 2


def test_a_part_can_be_read_and_completed(store: Path, address: str, tmp_path: Path) -> None:
    part = tmp_path / "part.zarr"
    assert command("pull", address, "--out", part, "--split", "train", "--samples", "9:16").returncode == 0
    assert [path.stem for path in sorted((part / "_manifest").glob("t*.json"))] == ["train-00001"]
    data = pdemill.open(part, split="train")
    assert np.array_equal(data[9]["y"], pdemill.open(store, split="train")[9]["y"])
    with pytest.raises(IncompleteStore, match="shard 0 of train"):
        data[0]
    pdemill.pull(address, part, splits=["test"])
    assert len(list((part / "_manifest").glob("t*.json"))) == 2
    assert pdemill.generate(SPEC, part, workers=0).ok
    assert pdemill.verify(part, samples=0).content == pdemill.verify(store, samples=0).content


def test_damage_on_the_way_is_noticed(store: Path, tmp_path: Path) -> None:
    shutil.copytree(store, bad := tmp_path / "bad.zarr")
    file = bad / "train" / "solution" / "c" / "0" / "0" / "0" / "0"
    content = bytearray(file.read_bytes())
    content[50] ^= 1
    file.write_bytes(content)
    with pytest.raises(CorruptStore, match="did not arrive as it was written"):
        pdemill.pull(bad, tmp_path / "copy.zarr")


def test_folders_with_something_else_are_left_alone(store: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(StoreMismatch, match="is no copy of the store"):
        pdemill.pull(store, tmp_path / "mine")
    pdemill.generate({**SPEC, "seed": 1}, tmp_path / "other.zarr", workers=0)
    with pytest.raises(StoreMismatch, match="holds another store"):
        pdemill.pull(store, tmp_path / "other.zarr")
    half = tmp_path / "half.zarr" / "_manifest"
    half.mkdir(parents=True)
    (half / "pulling.json").write_text(json.dumps({"root": "0" * 64}))
    with pytest.raises(StoreMismatch, match="holds half a copy of another store"):
        pdemill.pull(store, half.parent)


def test_what_cannot_be_pulled_is_told(store: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no split 'valid'; there are train, test"):
        pdemill.pull(store, tmp_path / "copy.zarr", splits=["valid"])
    pdemill.generate(SPEC, tmp_path / "begun.zarr", workers=0, until="0s")
    with pytest.raises(IncompleteStore, match="is not finished"):
        pdemill.pull(tmp_path / "begun.zarr", tmp_path / "copy.zarr")
    assert not (tmp_path / "copy.zarr").exists()
    for text in ("5", "5:5", "-1:3", "a:b"):
        made = command("pull", "http://127.0.0.1:9/x.zarr", "--out", "copy.zarr", "--samples", text, folder=tmp_path)
        assert made.returncode == 2
        assert "should be FIRST:END" in made.stderr
