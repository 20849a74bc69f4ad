"""A place means the same wherever the process goes, and an address is never taken for a folder."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.client import Client, Job
from pdemill.errors import ExportError, PdemillError, SpecError, StoreError
from pdemill.reader import Dataset
from pdemill.settings import Settings
from pdemill.spec.load import load_spec
from tests.command import pdemill as command

OTHER: dict[str, Any] = {"problem": {"family": "poisson", "resolution": [16, 12], "source": 7.0}, "samples": 40}


@pytest.fixture(scope="module")
def folders(darcy_store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two folders that hold a different store of the same name."""
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    shutil.copytree(darcy_store, one / "data.zarr")
    assert pdemill.generate(OTHER, two / "data.zarr", workers=0).ok
    return one, two


def _first(data: Any) -> Any:
    return data[0]["y"] if isinstance(data, Dataset) else next(iter(data))["y"][0]


OPENED: dict[str, Callable[[], Any]] = {
    "text": lambda: pdemill.open("data.zarr"),
    "path": lambda: pdemill.open(Path("data.zarr")),
    "below": lambda: pdemill.open("./sub/../data.zarr"),
    "followed": lambda: pdemill.open("data.zarr", follow=True),
}


@pytest.mark.parametrize("how", OPENED)
def test_what_was_opened_stays_the_same_store(how: str, folders: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = folders
    truth = pdemill.open(one / "data.zarr")[0]["y"]
    (one / "sub").mkdir(exist_ok=True)
    monkeypatch.chdir(one)
    data = OPENED[how]()
    monkeypatch.chdir(two)
    for found in (data, copy.copy(data), copy.deepcopy(data), pickle.loads(pickle.dumps(data))):
        assert np.array_equal(_first(found), truth)
        assert str(found.store).startswith(str(one))


def test_a_mixture_stays_the_same_stores(folders: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = folders
    monkeypatch.chdir(one)
    mixture = pdemill.mix([pdemill.open("data.zarr")])
    truth = mixture[3]["y"]
    monkeypatch.chdir(two)
    for found in (mixture, copy.deepcopy(mixture), mixture.after(0), pickle.loads(pickle.dumps(mixture))):
        assert np.array_equal(found[3]["y"], truth)


@pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_processes_read_the_store_that_was_opened(start: str, folders: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = folders
    monkeypatch.chdir(one)
    data = pdemill.open("data.zarr")
    monkeypatch.chdir(two)
    with multiprocessing.get_context(start).Pool(1) as pool:
        (found,) = pool.map(_first, [data])
    assert np.array_equal(found, pdemill.open(one / "data.zarr")[0]["y"])


def test_what_was_written_is_told_by_its_whole_path(
    darcy_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exported = pdemill.export(darcy_store, "out", to="pdebench")
    summary = pdemill.generate({**OTHER, "samples": 1}, "w.zarr", workers=0)
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir("sub")
    assert all(path.is_file() for path in exported.files)
    assert len(pdemill.open(summary.store)) == 1


ADDRESSES = ("ftp://bucket/y.zarr", "webdav://bucket/y.zarr", "http://host/y.zarr?sig=secret", "FILE:///y.zarr")
PLACES: dict[str, Callable[[str, Path], Any]] = {
    "generate": lambda to, store: pdemill.generate(OTHER, to, workers=0),
    "generate with a spec at": lambda to, store: pdemill.generate(to, "y.zarr"),
    "plan": lambda to, store: pdemill.plan(to),
    "verify": lambda to, store: pdemill.verify(to),
    "export": lambda to, store: pdemill.export(store, to, to="pdebench"),
    "download": lambda to, store: Job(Client(), {"id": "0"}).download(to),
    "a mesh": lambda to, store: load_spec({"problem": {"domain": {"shape": "mesh", "file": to}}}),
    "the state directory": lambda to, store: Settings.read({"PDEMILL_STATE_DIR": to}),
    "the keys": lambda to, store: Settings.read({"PDEMILL_API_KEYS": to}),
}


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("place", PLACES)
def test_an_address_is_no_folder(
    place: str, address: str, darcy_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PdemillError, match=r"is an address; .* as a path of this machine") as told:
        PLACES[place](address, darcy_store)
    assert "secret" not in str(told.value)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("words", [
    ("generate", "--preset", "fno-darcy", "--out", "ftp://bucket/y.zarr"), ("generate", "s3://b/s.yaml", "--out", "y"),
    ("inspect", "ftp://bucket/y.zarr"), ("inspect", "STORE", "--picture", "s3://bucket/y.png"),
    ("verify", "http://host/y.zarr"), ("export", "STORE", "s3://bucket/y", "--to", "pt"), ("plan", "https://h/s.yaml"),
    ("serve", "--state-dir", "s3://bucket/data"), ("submit", "s3://b/s.yaml"),
])  # fmt: skip
def test_commands_refuse_addresses_in_one_line(words: tuple[str, ...], darcy_store: Path, tmp_path: Path) -> None:
    ran = command(*(str(darcy_store) if word == "STORE" else word for word in words), folder=tmp_path)
    assert ran.returncode == 2
    assert " is an address; " in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("store", ["ftp://host/y.zarr", "file:///y.zarr", "webdav://bucket/y.zarr"])
def test_stores_are_read_from_known_kinds_of_addresses(store: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"is no place for a store: give a folder, or .* s3://"):
        pdemill.open(store)
    with pytest.raises(StoreError, match=r"is no place for a store"):
        pdemill.open(store, follow=True)
    with pytest.raises(StoreError, match=r"is no place for a store"):
        pdemill.export(store, tmp_path / "out", to="pt")


def test_an_address_that_was_made_a_path_is_told() -> None:
    with pytest.raises(StoreError, match="has lost a slash"):
        pdemill.open(Path("s3://bucket/y.zarr"))


def test_the_home_folder_is_expanded_everywhere(
    darcy_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    shutil.copytree(darcy_store, home / "data.zarr")
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    (home / "spec.yaml").write_text("problem: {family: poisson, resolution: [8, 8]}\nsamples: 1\n")
    (home / "tetra.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n")
    assert len(pdemill.open("~/data.zarr")) == len(pdemill.open(Path("~/data.zarr"))) == 40
    assert len(list(pdemill.open("~/data.zarr", follow=True))) == 3
    assert pdemill.generate("~/spec.yaml", "~/made.zarr", workers=0).ok
    assert pdemill.verify("~/made.zarr").ok
    pdemill.export("~/data.zarr", "~/out", to="pdebench")
    mesh = {"shape": "mesh", "file": "~/tetra.obj"}
    problem = {"family": "poisson", "domain": mesh, "points": {"random": 4}}
    assert load_spec({"problem": problem, "samples": 1, "solver": {"method": "walks"}}).samples == 1
    assert Settings.read({"PDEMILL_DATA_DIR": "~/data"}).data_dir == home / "data"
    assert command("generate", "~/spec.yaml", "--out", "~/told.zarr").returncode == 0
    assert command("inspect", "~/told.zarr", "--picture", "~/told.png").stdout.endswith("picture: ~/told.png\n")
    assert not any(here.iterdir())
    assert {"made.zarr", "told.zarr", "told.png", "out"} <= {entry.name for entry in home.iterdir()}


@pytest.mark.parametrize(
    ("place", "message"), [("", "is no path"), ("a\0b", "is no path"), ("~nobody0/x", "no such user")]
)
def test_what_is_no_path_is_refused(place: str, message: str, darcy_store: Path) -> None:
    refused: list[tuple[type[PdemillError], Callable[[], Any]]] = [
        (StoreError, lambda: pdemill.open(place)), (StoreError, lambda: pdemill.generate(OTHER, place)),
        (StoreError, lambda: pdemill.verify(place)), (ExportError, lambda: pdemill.export(darcy_store, place, to="pt")),
        (SpecError, lambda: pdemill.plan(place)),
    ]  # fmt: skip
    for kind, attempt in refused:
        with pytest.raises(kind, match=message):
            attempt()
