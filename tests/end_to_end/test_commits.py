"""Processes that write shards of one store at the same time: none waits for another, however slow or dead that is."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pdemill
from pdemill.service.testing import until
from pdemill.solvers.opening import open_work
from pdemill.spec import validate
from pdemill.store.disk import LocalDisk, Lock
from pdemill.store.placing import sweep
from tests.sampling import sample

SPEC: dict[str, Any] = {
    "problem": {"family": "poisson", "resolution": [8, 8], "source": {"uniform": [0, 1]}},
    "samples": 16, "solver": {"method": "fft"}, "store": {"shard": 1},
}  # fmt: skip
WRITE = """
import sys
from pathlib import Path
from pdemill.store.disk import Lock
from pdemill.solvers.opening import open_work, work_on
root = Path(sys.argv[1])
with Lock(root, shared=True):
    job, store = open_work(root)
    shards = list(store.layout.shards())
    data = [(shards[i], job.solve(shards[i], lambda progress: None)[0]) for i in map(int, sys.argv[2].split(","))]
    print("ready", flush=True)
    sys.stdin.readline()
    for shard, rows in data:
        store.commit(shard, rows)
        print(shard.name, flush=True)
"""
"""Solves some shards, waits for a line, and writes them."""


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The content hash of the store that one process makes in peace."""
    out = tmp_path_factory.mktemp("peace") / "store.zarr"
    assert pdemill.generate(SPEC, out, workers=0).ok
    return str(pdemill.verify(out, samples=0).content)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store that was begun."""
    folder = tmp_path / "store.zarr"
    folder.mkdir()
    open_work(folder, validate(SPEC))[1].create()
    return folder


class Writers:
    """Processes that are about to write shards."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, shards: range, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE, str(self._root), ",".join(map(str, shards))], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **environment},
        )  # fmt: skip
        self.processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    @staticmethod
    def go(process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


@pytest.fixture
def writers(root: Path) -> Iterator[Writers]:
    made = Writers(root)
    yield made
    for process in made.processes:
        process.kill()
        process.communicate()


def _manifests(root: Path) -> list[str]:
    return sorted(path.stem for path in (root / "_manifest").glob("*.json"))


def test_the_syncs_of_four_writers_overlap(library: Path, root: Path, writers: Writers, tmp_path: Path) -> None:
    log = tmp_path / "syncs"
    for first in range(0, 16, 4):
        writers.start(range(first, first + 4), LD_PRELOAD=str(library), SLOW_SYNC="20", SYNC_LOG=str(log))
    for process in writers.processes:
        writers.go(process)
    for process in writers.processes:
        assert process.wait(180) == 0
    assert len(_manifests(root)) == 16
    syncs = sorted(tuple(map(float, line.split())) for line in log.read_text().splitlines())
    busy, until_now = 0.0, 0.0
    for begin, end in syncs:
        busy += max(end - max(begin, until_now), 0.0)
        until_now = max(until_now, end)
    together = sum(end - begin for begin, end in syncs) / busy
    assert together > 2, f"{together:.1f} of 4 writers sync at a time"


def test_a_writer_that_hangs_stops_nobody_and_is_too_late(
    library: Path, root: Path, writers: Writers, expected: str
) -> None:
    """Another one does its shard as well, and finishes the store; what hung goes on then, and changes nothing."""
    slow = writers.start(range(1), LD_PRELOAD=str(library), SLOW_SYNC="20")
    writers.go(slow)
    until(lambda: (root / "train" / "solution" / "c" / "0").exists(), what="the first files of a shard")
    slow.send_signal(signal.SIGSTOP)
    assert not _manifests(root)
    other = writers.start(range(16))
    writers.go(other)
    assert other.wait(180) == 0
    sweep(LocalDisk(root), alone=False)
    assert list(root.rglob("*.tmp")), "the temporary files of a living writer"
    store = open_work(root)[1]
    store.finish()
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and path.suffix != ".tmp"}
    slow.send_signal(signal.SIGCONT)
    assert slow.wait(180) == 0
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    found = pdemill.verify(root)
    assert found.ok, found.faults
    assert found.content == expected


def test_a_lock_on_the_manifests_stops_nobody(root: Path, writers: Writers) -> None:
    with Lock(root / "_manifest"):
        other = writers.start(range(16))
        writers.go(other)
        assert other.wait(180) == 0
    assert len(_manifests(root)) == 16


def test_what_a_dead_writer_left_is_swept(library: Path, root: Path, writers: Writers) -> None:
    dead = writers.start(range(1), LD_PRELOAD=str(library), SLOW_SYNC="20")
    writers.go(dead)
    until(lambda: list(root.rglob("*.tmp")), what="a temporary file")
    dead.kill()
    dead.wait()
    sweep(LocalDisk(root), alone=False)
    assert not list(root.rglob("*.tmp"))


@pytest.mark.parametrize("number", sample([errno.EPERM, errno.EOPNOTSUPP], errno.EPERM))
def test_without_hard_links_a_lock_stands_in_and_one_line_says_so(
    library: Path, root: Path, writers: Writers, expected: str, number: int
) -> None:
    missing = {"LD_PRELOAD": str(library), "NO_LINKS": str(root), "NO_LINKS_ERROR": str(number)}
    both = [writers.start(range(16), **missing) for _ in range(2)]
    for process in both:
        writers.go(process)
    for process in both:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        said = f"has no hard links ({os.strerror(number)}): shards are put in place under a lock, one at a time"
        assert errors.count(said) == 1
    open_work(root)[1].finish()
    found = pdemill.verify(root)
    assert found.ok, found.faults
    assert found.content == expected
