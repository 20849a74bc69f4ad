"""Parts of a server are killed while jobs run; every job ends well, with the store that an undisturbed run gives."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import pdemill
from pdemill.client import Client, Job
from pdemill.service.testing import Server, until
from pdemill.store.disk import Lock
from pdemill.store.manifest import FOLDER

SPEC: dict[str, Any] = {
    "problem": {
        "family": "helmholtz",
        "resolution": [40, 32],
        "wavenumber": {"uniform": [3, 9]},
        "coefficient": {"field": "lognormal", "std": 0.3, "modes": 32},
    },
    "splits": {"train": 140, "test": 10},
    "store": {"shard": 6},
    "solver": {"method": "skr", "restart": 20, "recycle": 8},
}
FIRST = {**SPEC, "seed": 1}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The content hash of the store that ``pdemill generate`` makes in peace."""
    out = tmp_path_factory.mktemp("peace") / "store.zarr"
    assert pdemill.generate(FIRST, out, workers=0).ok
    found = pdemill.verify(out)
    assert found.ok
    return str(found.content)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server"), workers=2) as running:
        yield running


def _begin(server: Server, client: Client) -> Job:
    """A job on FIRST that has some shards behind and some before it; its store was deleted if there was one."""
    for old in client.jobs("successful"):
        old.delete_store()
    job = client.submit(FIRST)
    _await_shards(server, job, 2)
    assert not job.refresh().finished
    return job


def _await_shards(server: Server, job: Job, shards: int) -> None:
    """Wait until that many shards are finished, or the job is."""
    until(lambda: len(server.manifests(job.state["dataset"])) >= shards or job.refresh().finished, what="shards")


def _ends_well(server: Server, job: Job, undisturbed: str) -> None:
    job.wait(timeout=180)
    found = pdemill.verify(job.results()["store"]["path"], samples=0)
    assert found.ok
    assert found.content == undisturbed
    told = job.open("train").attributes["estimated_samples"]
    assert job.results()["splits"] == [
        {"split": "train", "samples": 140, "certified": 140, "failed": 0, "estimated": told["train"]},
        {"split": "test", "samples": 10, "certified": 10, "failed": 0, "estimated": told["test"]},
    ]
    assert not list(server.data_dir.rglob("*.tmp"))


def _leases_lost(server: Server) -> float:
    """How many units ran out of their lease."""
    found = re.search(r"^pdemill_leases_lost_total (\S+)$", httpx.get(f"{server.url}/metrics").text, re.MULTILINE)
    assert found
    return float(found[1])


def test_in_peace(server: Server, undisturbed: str) -> None:
    with server.client() as client:
        _ends_well(server, client.submit(FIRST), undisturbed)


def test_a_process_of_the_pool_is_killed(server: Server, undisturbed: str) -> None:
    """Again and again; the shard that it was at is done again at once: no lease has to run out before."""
    with server.client() as client:
        job, lost = _begin(server, client), _leases_lost(server)
        for _ in range(4):
            server.kill("pool")
            _await_shards(server, job, len(server.manifests(job.state["dataset"])) + 1)
        _ends_well(server, job, undisturbed)
        assert _leases_lost(server) == lost


@pytest.mark.slow
def test_the_worker_is_killed(server: Server, undisturbed: str) -> None:
    """Its shards are leased to nobody alive; they are done again, once."""
    with server.client() as client:
        job = _begin(server, client)
        server.kill("worker")
        _ends_well(server, job, undisturbed)
        attempts = [m["run"]["attempt"] for m in server.manifests(job.state["dataset"]).values()]
        assert max(attempts) <= 2


def test_the_api_is_killed(server: Server, undisturbed: str) -> None:
    """The client waits on; nothing is forgotten."""
    with server.client() as client:
        job = _begin(server, client)
        server.kill("api")
        _ends_well(server, job, undisturbed)
        assert job.id in [other.id for other in client.jobs()]


def test_the_broker_is_killed(server: Server, undisturbed: str) -> None:
    with server.client() as client:
        job = _begin(server, client)
        server.kill("broker")
        _ends_well(server, job, undisturbed)


@pytest.mark.slow
def test_everything_is_killed_at_once(tmp_path: Path, undisturbed: str) -> None:
    """The machine's power fails, as far as processes can tell; the next start goes on."""
    server = Server(tmp_path, workers=2)
    server.start()
    with server.client() as client:
        job = _begin(server, client)
        server.stop(signal.SIGKILL)
        done = len(server.manifests(job.state["dataset"]))
        server.start()
        try:
            _ends_well(server, job.refresh(), undisturbed)
            assert done >= 2
        finally:
            server.stop()


def test_a_lock_on_the_manifests_stops_nobody(server: Server, undisturbed: str) -> None:
    """Nor one on the store, as a worker that hangs has it."""
    with server.client() as client:
        job = _begin(server, client)
        root = server.data_dir / "datasets" / f"{job.state['dataset']}.zarr"
        with Lock(root / FOLDER), Lock(root, shared=True):
            _ends_well(server, job, undisturbed)


@pytest.mark.slow
def test_a_whole_worker_is_stopped(server: Server, undisturbed: str) -> None:
    """Another one does what it was at, and finishes the store. When it goes on it changes nothing."""
    (worker,) = server.pids("worker")
    with server.client() as client, server.helper():
        job = _begin(server, client)
        stopped = [worker, *(pid for pid in server.pids("pool") if _parent(pid) == worker)]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            job.wait(timeout=120)
            root = Path(job.results()["store"]["path"])
            before = _files(root)
        finally:
            for pid in stopped[::-1]:
                os.kill(pid, signal.SIGCONT)
        client.submit({**FIRST, "seed": 3, "splits": {"train": 24}}).wait(timeout=180)
        until(lambda: not list(root.rglob("*.tmp")), what="the end of late writers")
        assert _files(root) == before
        _ends_well(server, job, undisturbed)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


def _files(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and path.suffix != ".tmp"}


@pytest.mark.slow
def test_the_broker_pauses_for_half_a_minute(server: Server, undisturbed: str) -> None:
    """Leases run out meanwhile; no shard that is being worked on is taken for lost."""
    with server.client() as client:
        job = _begin(server, client)
        broker = server.kill("broker", with_signal=signal.SIGSTOP)
        then = time.monotonic()
        other = client.submit({**FIRST, "seed": 2, "splits": {"train": 4}})
        assert other.status == "accepted"
        until(lambda: time.monotonic() - then > 30, what="half a minute")
        os.kill(broker, signal.SIGCONT)
        _ends_well(server, job, undisturbed)
        other.wait(timeout=180)
        assert {m["run"]["attempt"] for m in server.manifests(job.state["dataset"]).values()} == {1}


@pytest.mark.slow
def test_a_server_that_is_stopped_goes_on_later(tmp_path: Path, undisturbed: str) -> None:
    server = Server(tmp_path, workers=1)
    with server, server.client() as client:
        job = _begin(server, client)
    assert not server.family()
    with server, server.client() as client:
        _ends_well(server, client.job(job.id), undisturbed)
