"""Stores copied while they were written, changed by hand, or that may not be written: read, or refused in a line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pdemill
from pdemill.errors import IncompleteStore, PdemillError
from pdemill.inspect import report
from pdemill.store import runs
from pdemill.verification import Verification
from tests.sampling import sample

SPEC: dict[str, Any] = {
    "problem": {"family": "darcy", "resolution": [6, 6], "coefficient": {"field": "lognormal", "modes": 4}},
    "splits": {"train": 3},
    "store": {"shard": 2},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("copies") / "a.zarr"
    assert pdemill.generate(SPEC, out, workers=0).ok
    return out


def read_all(root: Path) -> None:
    for split in SPEC["splits"]:
        data = pdemill.open(root, split)
        assert len(data[:]["x"]) == len(data)
        assert len(data.methods) == 3
        for shard in data.shards:
            data.columns(shard)
        data.shared()
        data.normaliser("x")


def fault_of(use: Callable[[], object]) -> str:
    """The error that it ends with on purpose; any other one is raised."""
    try:
        use()
    except PdemillError as error:
        return str(error)
    return ""


def everything(root: Path, folder: Path) -> None:
    """All that reads stores: each does it, or says why it does not; verify finds what is wrong."""
    for use in (lambda: report(root), lambda: read_all(root), lambda: pdemill.export(root, folder / "export", "pt")):
        assert "\n" not in fault_of(use)
    shutil.rmtree(folder / "export", ignore_errors=True)
    found: list[Verification] = []
    assert fault_of(lambda: found.append(pdemill.verify(root))) or not found[0].ok


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def halved(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def to_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("how", sample([Path.unlink, emptied, halved, to_folder], halved))
def test_a_file_that_was_not_copied_or_not_in_full(store: Path, tmp_path: Path, how: Callable[[Path], Any]) -> None:
    for name in sorted(p.relative_to(store) for p in store.rglob("*") if p.is_file()):
        if str(name) == runs.FILE:  # nothing depends on it
            continue
        copied = Path(shutil.copytree(store, tmp_path / "copy.zarr"))
        how(copied / name)
        everything(copied, tmp_path)
        shutil.rmtree(copied)


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values in a JSON document, of lists the first entries'."""
    yield path
    entries: Any = ()
    if isinstance(content, dict):
        entries = content.items()
    elif isinstance(content, list):
        entries = enumerate(content[:1])
    for key, value in entries:
        yield from places(value, (*path, key))


def changed(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copied = json.loads(json.dumps(content))
    place = copied
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return copied


@pytest.mark.parametrize("value", sample([None, [], {}, "x", -1, 1e9], {}))
def test_metadata_of_any_form_is_refused_in_a_line(store: Path, tmp_path: Path, value: Any) -> None:
    copied = Path(shutil.copytree(store, tmp_path / "copy.zarr"))
    for name in ("zarr.json", "train/input/zarr.json", "_manifest/train-00000.json"):
        before = (copied / name).read_text()
        content = json.loads(before)
        for path in places(content):
            deep = len(path) > 2 and path[1] in ("spec", "metadata") and path[2] != "train/method"
            measured = path[:1] == ("run",)
            other = changed(content, path, value)
            if deep or measured or other == content:
                continue
            (copied / name).write_text(json.dumps(other))
            everything(copied, tmp_path)
        (copied / name).write_text(before)


def test_a_store_that_was_copied_while_it_was_written(store: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(store, tmp_path / "copy.zarr"))
    (copied / "_manifest/train-00001.json").unlink()
    (copied / "train/input/c/1/0/0/0.5f.tmp").write_bytes(b"half")
    root = json.loads((copied / "zarr.json").read_text())
    root["attributes"] = {k: v for k, v in root["attributes"].items() if k not in ("stats", "failed_samples")}
    root["attributes"]["complete"] = False
    (copied / "zarr.json").write_text(json.dumps(root, indent=2))
    assert pdemill.verify(copied).faults == (
        "train/input/c/1/0/0/0.5f.tmp was left by a writer that died: run generate again, which removes it",
        "shard train-00001 is missing: run generate again",
    )
    assert [split.missing for split in report(copied)[1]] == [1]
    assert pdemill.open(copied)[1]["x"].shape == (1, 6, 6)
    with pytest.raises(IncompleteStore, match="shard 1 of train is not finished"):
        pdemill.open(copied)[2]
    with pytest.raises(IncompleteStore, match="is not finished"):
        pdemill.export(copied, tmp_path / "x", "pt")
    assert pdemill.generate(SPEC, copied, workers=0).ok
    assert pdemill.verify(copied).content == pdemill.verify(store).content


@pytest.fixture
def unprivileged() -> list[str]:
    """What a command begins with so that permissions hold for it."""
    if os.geteuid():
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("permissions do not bind root")
    return [setpriv, "--bounding-set=-dac_override,-dac_read_search"]


def test_a_store_that_may_not_be_written(store: Path, tmp_path: Path, unprivileged: list[str]) -> None:
    (tmp_path / "spec.json").write_text(json.dumps(SPEC))
    for name in ("whole", "begun", "hidden"):
        shutil.copytree(store, tmp_path / f"{name}.zarr")
    (tmp_path / "begun.zarr/_manifest/train-00001.json").unlink()
    folders = [p for p in tmp_path.rglob("*") if p.is_dir()]
    for folder in folders:
        folder.chmod(0o555)
    (tmp_path / "hidden.zarr").chmod(0)

    def run(*words: str) -> tuple[int, str]:
        line = [*unprivileged, sys.executable, "-c", "from pdemill.cli import main; main()", *words]
        ran = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        assert "Traceback" not in ran.stderr
        return ran.returncode, ran.stdout + ran.stderr

    try:
        for words, status, told in (
            (["verify", "whole.zarr"], 0, "all is as it was certified"),
            (["inspect", "whole.zarr"], 0, "darcy"),
            (["generate", "spec.json", "--out", "whole.zarr"], 0, "3 of 3 samples certified"),
            (["verify", "begun.zarr"], 1, "shard train-00001 is missing"),
            (["generate", "spec.json", "--out", "begun.zarr"], 2, "Permission denied; finished shards are safe"),
            (["verify", "hidden.zarr"], 2, "hidden.zarr cannot be read: zarr.json: Permission denied"),
            (["inspect", "hidden.zarr"], 2, "hidden.zarr cannot be read: zarr.json: Permission denied"),
            (
                ["generate", "spec.json", "--out", "hidden.zarr"],
                2,
                "hidden.zarr, or not write into it: Permission denied",
            ),
        ):
            assert (status, True) == ((found := run(*words))[0], told in found[1]), found
    finally:
        (tmp_path / "hidden.zarr").chmod(0o755)
        for folder in folders:
            folder.chmod(0o755)
