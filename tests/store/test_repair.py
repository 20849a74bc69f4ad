"""A store whose files were damaged, cut or lost is mended by ``pdemill repair``, to the same bits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from click.testing import CliRunner

import pdemill
from pdemill.cli import commands
from pdemill.engine import engine
from pdemill.errors import StoreMismatch

SOLUTION, SECONDS, MANIFEST = "train/solution/c/1/0/0/0", "train/solve_seconds/c/1", "_manifest/train-00001.json"


@pytest.fixture(scope="module")
def content(darcy_store: Path) -> str:
    return str(pdemill.verify(darcy_store, samples=0).content)


@pytest.fixture
def store(darcy_store: Path, tmp_path: Path) -> Path:
    return Path(copytree(darcy_store, tmp_path / "copy.zarr"))


def flipped(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    data[len(data) // 3] ^= 1
    file.write_bytes(data)


def halved(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize("how", [flipped, halved, Path.unlink])
@pytest.mark.parametrize("name", [SOLUTION, SECONDS, MANIFEST, "train/input/zarr.json", "x/c/0"])
def test_what_is_damaged_is_mended(store: Path, content: str, name: str, how: Callable[[Path], Any]) -> None:
    before = {path: path.stat().st_mtime_ns for path in (store / "test").rglob("*")}
    how(store / name)
    assert not pdemill.verify(store, samples=0).ok
    done = engine.repair(store, 0, lambda tally: None, False)
    assert len(done.faults) == 1
    assert (done.solved, done.shards) == (0 if "manifest" not in name and "/c/1" not in name else 1, 4)
    found = pdemill.verify(store, samples=0)
    assert found.ok, found.faults
    assert found.content == content
    assert {path: path.stat().st_mtime_ns for path in (store / "test").rglob("*")} == before


def test_the_command_tells_what_it_found(store: Path) -> None:
    flipped(store / SOLUTION)
    (store / MANIFEST).with_name("train-00002.json").unlink()
    ran = CliRunner().invoke(commands, ["repair", str(store)])
    assert ran.exit_code == 0, ran.output
    assert f"{SOLUTION} (samples 16..31 of train) is not what was written: sha256" in ran.output
    assert "shard train-00002 is missing" in ran.output
    assert "damage in 2 place(s); 2 of 4 shards solved again" in ran.output
    again = CliRunner().invoke(commands, ["repair", str(store)])
    assert "all 4 shards are as they were certified" in again.output


def test_a_store_of_other_versions_keeps_what_it_has(store: Path) -> None:
    """It is left alone unless that is asked for."""
    root = json.loads((store / "zarr.json").read_text())
    root["attributes"]["versions"]["numpy"] = "1.0"
    (store / "zarr.json").write_text(json.dumps(root, indent=2))
    assert not engine.repair(store, 0, lambda tally: None, False).faults
    flipped(store / SOLUTION)
    with pytest.raises(StoreMismatch, match=r"numpy 1\.0"):
        engine.repair(store, 0, lambda tally: None, False)
    assert (store / MANIFEST).exists()
    assert engine.repair(store, 0, lambda tally: None, True).solved == 1
    assert pdemill.verify(store, samples=0).ok
