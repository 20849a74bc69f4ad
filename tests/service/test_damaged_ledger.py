"""A ledger whose file is damaged is told of, backed up before, and made anew; a damaged board is moved aside."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import pdemill
from pdemill import arrays
from pdemill.cli import commands
from pdemill.data_directory import LEDGER
from pdemill.errors import PdemillError
from pdemill.service.database import BACKUP, back_up
from pdemill.service.ledger import Ledger
from pdemill.service.submission import queued
from pdemill.service.testing import Server, until
from pdemill.solvers.estimate import estimate
from pdemill.spec import validate
from tests.service.api import Api, serving, without_broker

PAGE = 4096


def _dataset(seed: int) -> Any:
    spec = validate({"problem": {"family": "poisson", "resolution": [8, 8]}, "samples": 4, "seed": seed})
    return queued(spec, estimate(spec))


def _settled(path: Path) -> None:
    """Move everything from the log into the file."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _damage(path: Path, first: int = PAGE) -> None:
    data = bytearray(path.read_bytes())
    data[first:] = b"\x5a" * (len(data) - first)
    path.write_bytes(data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data directory with 30 jobs of ann."""
    made = tmp_path / "data"
    (made / "datasets").mkdir(parents=True)
    ledger = Ledger(made / LEDGER)
    for seed in range(30):
        ledger.submit("ann", _dataset(seed), f"key {seed}")
    ledger.close()
    return made


def _jobs(folder: Path, owner: str = "ann") -> list[str]:
    ledger = Ledger(folder / LEDGER)
    try:
        return [job.id for job, _ in ledger.jobs(owner, None, None, 100)]
    finally:
        ledger.close()


def _rebuild(folder: Path, *words: str) -> str:
    ran = CliRunner().invoke(commands, ["ledger", "rebuild", "--data-dir", str(folder), *words])
    assert ran.exit_code == 0, ran.output
    return ran.output


@pytest.mark.parametrize("first", [0, PAGE])
def test_it_is_not_begun_with(folder: Path, first: int) -> None:
    _damage(folder / LEDGER, first)
    with pytest.raises(PdemillError, match=r"jobs\.sqlite is damaged \(.*\); run 'pdemill ledger rebuild --data-dir "):
        Ledger(folder / LEDGER)


def test_it_is_rebuilt_from_its_backup(folder: Path) -> None:
    before = _jobs(folder)
    back_up(folder / LEDGER)
    _damage(folder / LEDGER)
    assert f"from {BACKUP}: 30 jobs" in _rebuild(folder)
    assert _jobs(folder) == before
    assert len(list(folder.glob("jobs.before-*.sqlite"))) == 1
    ledger = Ledger(folder / LEDGER)
    assert ledger.load("ann").jobs == 30
    assert ledger.submit("ann", _dataset(3), "key 3")[1] is False
    ledger.close()


def test_jobs_since_the_backup_come_from_what_can_be_read(folder: Path) -> None:
    back_up(folder / LEDGER)
    ledger = Ledger(folder / LEDGER)
    for seed in range(30, 200):
        ledger.submit("ann", _dataset(seed), None)
    ledger.close()
    with closing(sqlite3.connect(folder / LEDGER)) as db:  # an index, which rows do not need
        page = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'jobs_by_owner'").fetchone()[0]
    data = bytearray((folder / LEDGER).read_bytes())
    data[(page - 1) * PAGE : page * PAGE] = bytes(PAGE)
    (folder / LEDGER).write_bytes(data)
    with pytest.raises(PdemillError, match="is damaged"):
        Ledger(folder / LEDGER)
    output = _rebuild(folder)
    assert f"from {BACKUP}: 30 jobs" in output
    assert f"from {LEDGER}: 170 jobs" in output
    assert len(_jobs(folder)) == 100


def test_without_anything_stores_tell(folder: Path, darcy_store: Path) -> None:
    copytree(darcy_store, folder / "datasets" / "0123456789abcdef01234567.zarr")
    (folder / "datasets" / "none.zarr").mkdir()
    _damage(folder / LEDGER, 0)
    assert "from stores alone: 1 data sets, which belong to bob now" in _rebuild(folder, "--owner", "bob")
    ledger = Ledger(folder / LEDGER)
    ((job, dataset),) = ledger.jobs("bob", None, None, 10)
    assert (job.status, dataset.id, dataset.done) == ("successful", "0123456789abcdef01234567", 47)
    assert ledger.may_read("bob", dataset.id)
    ledger.close()


def test_stores_with_arrays_of_users_tell_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process that has not heard of these arrays."""
    coefficient = {"field": "array", "array": arrays.hold(np.ones((2, 8, 8)))}
    problem = {"family": "darcy", "resolution": [8, 8], "coefficient": coefficient}
    pdemill.generate({"problem": problem, "samples": 2}, folder / "datasets" / f"{'0' * 24}.zarr", workers=0)
    for known in ("_known", "_folders"):
        monkeypatch.setattr(arrays, known, {})
    _damage(folder / LEDGER, 0)
    assert "from stores alone: 1 data sets" in _rebuild(folder)


def test_a_backup_of_a_damaged_ledger_leaves_the_one_before(folder: Path) -> None:
    back_up(folder / LEDGER)
    before = (folder / BACKUP).read_bytes()
    _damage(folder / LEDGER)
    with pytest.raises((PdemillError, sqlite3.DatabaseError)):
        back_up(folder / LEDGER)
    assert (folder / BACKUP).read_bytes() == before


@pytest.fixture
def api(folder: Path) -> Iterator[Api]:
    with serving(without_broker(folder, scrub_rate=0.0)) as made:
        yield made


def test_a_server_backs_it_up_and_is_not_disturbed(api: Api, folder: Path) -> None:
    until((folder / BACKUP).exists, what="a backup")
    ran = CliRunner().invoke(commands, ["ledger", "rebuild", "--data-dir", str(folder)])
    assert ran.exit_code != 0
    assert "is being served; stop the server first" in str(ran.exception)


def test_damage_under_way_is_told(api: Api, folder: Path) -> None:
    until((folder / BACKUP).exists, what="a backup")
    assert api.get("/readyz").json["parts"]["ledger"] == "ok"
    for seed in range(30, 200):
        api.state.ledger.submit("anyone", _dataset(seed), None)
    _settled(folder / LEDGER)
    _damage(folder / LEDGER)
    until(lambda: api.get("/v1/jobs?limit=100").status == 503, what="damage that is met")
    api.get("/v1/jobs?limit=100").problem(503, "does not answer as it should: ")
    until(lambda: api.get("/readyz").json["parts"]["ledger"].startswith("it is damaged ("), what="what /readyz tells")


@pytest.mark.slow
@pytest.mark.parametrize("file", ["appendonly.aof.manifest", "appendonly.aof.1.incr.aof"])
def test_a_damaged_board_is_moved_aside(tmp_path: Path, file: str) -> None:
    """Its jobs go on."""
    spec = {"problem": {"family": "poisson", "resolution": [32, 32], "source": {"field": "gaussian"}}, "samples": 64,
            "store": {"shard": 4}}  # fmt: skip
    server = Server(tmp_path, workers=1)
    with server, server.client() as client:
        job = client.submit(spec)
        until(lambda: server.manifests(job.state["dataset"]), what="a shard")
    data = bytearray((tmp_path / "broker" / "appendonlydir" / file).read_bytes())
    data[len(data) // 4 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 4)
    (tmp_path / "broker" / "appendonlydir" / file).write_bytes(data)
    with server, server.client() as client:
        assert len(list(tmp_path.glob("broker.damaged-*/appendonlydir"))) == 1
        store = client.job(job.id).wait(180).results()["store"]["path"]
    assert pdemill.verify(store, samples=0).ok
