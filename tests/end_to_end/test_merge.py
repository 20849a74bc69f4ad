"""Stores of one spec are joined; nothing is solved, and nothing that is damaged or different is taken."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import pdemill
from pdemill.errors import CorruptStore, StoreMismatch
from tests.command import pdemill as command

SPEC: dict[str, Any] = {
    "problem": {
        "family": "darcy",
        "resolution": [16, 16],
        "coefficient": {"field": "lognormal", "std": 0.3},
    },
    "splits": {"train": 20, "test": 5},
    "store": {"shard": 8},
    "solver": {"method": "direct"},
}
MESH: dict[str, Any] = {
    "problem": {
        "family": "thermal",
        "domain": {"shape": "polygon", "outline": [[0, 0], [1, 0], [0, 1]]},
        "resolution": {"h": 0.3},
        "coefficient": {"uniform": [1, 2]},
        "source": 1,
    },
    "samples": 12,
    "store": {"shard": 4},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two halves of a store, made in folders of their own, and the whole."""
    made = tmp_path_factory.mktemp("halves")
    for number in (1, 2):
        pdemill.generate(SPEC, made / f"{number}.zarr", workers=0, part=f"{number}/2")
    pdemill.generate(SPEC, made / "whole.zarr", workers=0)
    return made


def _content(store: Path) -> str:
    found = pdemill.verify(store, samples=0)
    assert found.ok
    return str(found.content)


def test_halves_make_a_whole(folder: Path, tmp_path: Path) -> None:
    made = command("merge", folder / "1.zarr", folder / "2.zarr", "--out", "both.zarr", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    assert made.stdout == "4 shards copied, 25 samples\nstore: both.zarr\n"
    assert _content(tmp_path / "both.zarr") == _content(folder / "whole.zarr")
    whole, both = (
        json.loads((store / "zarr.json").read_text()) for store in (folder / "whole.zarr", tmp_path / "both.zarr")
    )
    assert both == whole
    assert len(pdemill.open(tmp_path / "both.zarr", split="train")) == 20


def test_what_is_missing_is_told_and_can_be_solved(folder: Path, tmp_path: Path) -> None:
    made = command("merge", folder / "2.zarr", "--out", "half.zarr", folder=tmp_path)
    assert made.returncode == 1
    assert "12 of them are in none of these" in made.stdout
    again = pdemill.merge([folder / "2.zarr", folder / "1.zarr"], tmp_path / "half.zarr")
    assert (again.copied, again.missing) == (2, 0)
    assert _content(tmp_path / "half.zarr") == _content(folder / "whole.zarr")


def test_what_a_merge_leaves_is_solved_by_a_run(folder: Path, tmp_path: Path) -> None:
    pdemill.merge([folder / "1.zarr"], tmp_path / "half.zarr")
    assert pdemill.generate(SPEC, tmp_path / "half.zarr", workers=0).ok
    assert _content(tmp_path / "half.zarr") == _content(folder / "whole.zarr")


def test_equal_shards_are_taken_once(folder: Path, tmp_path: Path) -> None:
    merged = pdemill.merge([folder / "1.zarr", folder / "whole.zarr", folder / "2.zarr"], tmp_path / "both.zarr")
    assert (merged.copied, merged.missing) == (4, 0)


@pytest.mark.slow
def test_a_mesh_and_its_elements(tmp_path: Path) -> None:
    for number in (1, 2):
        pdemill.generate(MESH, tmp_path / f"{number}.zarr", workers=0, part=f"{number}/2")
    pdemill.merge([tmp_path / "1.zarr", tmp_path / "2.zarr"], tmp_path / "both.zarr")
    pdemill.generate(MESH, tmp_path / "whole.zarr", workers=0)
    assert _content(tmp_path / "both.zarr") == _content(tmp_path / "whole.zarr")
    assert pdemill.verify(tmp_path / "both.zarr").ok


def test_other_specs_are_refused(folder: Path, tmp_path: Path) -> None:
    pdemill.generate({**SPEC, "seed": 1}, tmp_path / "other.zarr", workers=0, until="0s")
    with pytest.raises(StoreMismatch, match=r"other.zarr has another spec than .*1.zarr"):
        pdemill.merge([folder / "1.zarr", tmp_path / "other.zarr"], tmp_path / "both.zarr")
    assert not (tmp_path / "both.zarr").exists()


def test_damaged_and_different_shards_are_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "1.zarr", bad := tmp_path / "bad.zarr")
    file = next(path for path in (bad / "train" / "solution").rglob("*") if path.is_file() and path.name != "zarr.json")
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    with pytest.raises(CorruptStore, match="run 'pdemill repair"):
        pdemill.merge([bad, folder / "2.zarr"], tmp_path / "both.zarr")
    path = bad / "_manifest" / "train-00000.json"
    manifest = json.loads(path.read_text())
    next(iter(manifest["files"].values()))["sha256"] = "0" * 64
    path.write_text(json.dumps(manifest))
    with pytest.raises(StoreMismatch, match=r"shard train-00000 of .*whole.zarr is not that of .*bad.zarr"):
        pdemill.merge([bad, folder / "whole.zarr"], tmp_path / "others.zarr")


def test_what_other_versions_made_is_recorded(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "1.zarr", other := tmp_path / "other.zarr")
    root = other / "zarr.json"
    document = json.loads(root.read_text())
    document["attributes"]["versions"]["numpy"] = "1.0"
    root.write_text(json.dumps(document, indent=2))
    stores = [folder / "2.zarr", other]
    with pytest.raises(StoreMismatch, match=r"other.zarr was made with numpy 1.0 \(the first one .*--other-versions"):
        pdemill.merge(stores, tmp_path / "both.zarr")
    assert pdemill.merge(stores, tmp_path / "both.zarr", other_versions=True).missing == 0
    told = {
        path.stem: json.loads(path.read_text())["run"] for path in (tmp_path / "both.zarr/_manifest").glob("t*.json")
    }
    assert told["train-00000"]["made_with"]["versions"]["numpy"] == "1.0"
    assert "made_with" not in told["train-00001"]
