"""Runs are killed for real, at random moments; the finished store is always the same."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import pdemill
from pdemill.service.testing import until
from pdemill.store.disk import Lock
from tests.sampling import sample

SPEC: dict[str, Any] = {
    "problem": {
        "family": "helmholtz",
        "resolution": [32, 24],
        "wavenumber": {"uniform": [3, 9]},
        "coefficient": {"field": "lognormal", "std": 0.3, "modes": 32},
    },
    "splits": {"train": 75, "test": 10},
    "store": {"shard": 8},
    "solver": {"method": "skr", "restart": 20, "recycle": 8},
    "seed": 11,
}
RUN = "import sys, json, pdemill; pdemill.generate(json.load(open(sys.argv[1])), sys.argv[2], int(sys.argv[3]))"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The content hash of the store that one worker makes in peace."""
    out = tmp_path_factory.mktemp("peace") / "store.zarr"
    assert pdemill.generate(SPEC, out, workers=1).ok
    found = pdemill.verify(out)
    assert found.ok
    return str(found.content)


def _start(folder: Path, workers: int) -> subprocess.Popen[bytes]:
    spec = folder / "spec.json"
    spec.write_text(json.dumps(SPEC))
    command = [sys.executable, "-c", RUN, str(spec), str(folder / "store.zarr"), str(workers)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def _finished(folder: Path) -> int:
    return len(list((folder / "store.zarr" / "_manifest").glob("*.json"))) if (folder / "store.zarr").exists() else 0


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]
    except FileNotFoundError:
        return []


def _await(folder: Path, shards: int, process: subprocess.Popen[Any]) -> None:
    """Wait until that many shards are finished, or the run has ended."""
    until(lambda: _finished(folder) >= shards or process.poll() is not None, 120, "shards")


def test_two_workers_make_what_one_makes(undisturbed: str, tmp_path: Path) -> None:
    assert pdemill.generate(SPEC, tmp_path / "two.zarr", workers=2).ok
    assert pdemill.verify(tmp_path / "two.zarr", samples=0).content == undisturbed


def test_this_process_makes_what_a_worker_makes(undisturbed: str, tmp_path: Path) -> None:
    assert pdemill.generate(SPEC, tmp_path / "none.zarr", workers=0).ok
    assert pdemill.verify(tmp_path / "none.zarr", samples=0).content == undisturbed


@pytest.mark.parametrize("seed", sample(range(3), 1))
def test_a_run_that_is_killed_again_and_again(undisturbed: str, tmp_path: Path, seed: int) -> None:
    """Everything dies at random moments between two finished shards, four times; then the run is left alone."""
    dice = random.Random(seed)
    kills = 0
    while kills < 4:
        process = _start(tmp_path, workers=1 + dice.randrange(2))
        _await(tmp_path, _finished(tmp_path) + dice.randrange(3), process)
        for _ in range(dice.randrange(200_000)):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert pdemill.generate(SPEC, tmp_path / "store.zarr", workers=2).ok
    assert pdemill.verify(tmp_path / "store.zarr", samples=0).content == undisturbed
    assert not list((tmp_path / "store.zarr").rglob("*.tmp"))


def test_workers_that_are_killed_are_replaced(undisturbed: str, tmp_path: Path) -> None:
    """A worker dies after each of the first shards; the run itself ends well, and says so."""
    process = _start(tmp_path, workers=2)
    for shards in (1, 3, 5):
        _await(tmp_path, shards, process)
        for child in _children(process.pid)[:1]:
            os.kill(child, signal.SIGKILL)
    assert process.wait(timeout=120) == 0
    assert pdemill.verify(tmp_path / "store.zarr", samples=0).content == undisturbed


def test_what_a_killed_writer_left_is_swept_before_the_end(undisturbed: str, tmp_path: Path) -> None:
    """A worker that dies while it writes leaves a temporary file behind, here after the first finished shard."""
    out = tmp_path / "store.zarr"

    def leave_something(tally: pdemill.Tally) -> None:
        if tally.done:
            (out / "train" / "solution" / "left.tmp").write_bytes(b"half a shard")

    assert pdemill.generate(SPEC, out, workers=2, watcher=leave_something).ok
    assert not list(out.rglob("*.tmp"))
    assert pdemill.verify(out, samples=0).content == undisturbed


@pytest.fixture
def orphan_maker(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = _start(tmp_path, workers=2)
    yield process
    process.kill()
    process.wait()


def test_workers_end_with_their_parent(orphan_maker: subprocess.Popen[bytes], tmp_path: Path) -> None:
    _await(tmp_path, 1, orphan_maker)
    children = _children(orphan_maker.pid)
    assert children
    orphan_maker.kill()
    orphan_maker.wait()
    until(lambda: not any(map(_running, children)), 20, "the workers' end")


def _running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split(")")[-1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_second_run_on_the_same_store_is_refused(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    with pytest.raises(pdemill.errors.StoreBusy, match="written by another"):
        pdemill.generate(SPEC, tmp_path)
    lock.release()


@contextmanager
def heeding_ctrl_c() -> Iterator[None]:
    """Processes started here end on SIGINT, though the tests may run in the background of a shell, where it is ignored
    by everything that is started."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_leaves_a_store_that_the_next_run_finishes(undisturbed: str, tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(SPEC))
    out = tmp_path / "store.zarr"
    command = [sys.executable, "-c", "from pdemill.cli import main; main()", "generate", str(spec), "--out", str(out)]
    with heeding_ctrl_c():
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    _await(tmp_path, 2, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run the same command again" in errors
    assert "Traceback" not in errors
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert finished.returncode == 0, finished.stderr
    assert pdemill.verify(out, samples=0).content == undisturbed


def test_a_shard_that_kills_its_worker_ends_the_run_with_a_reason(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'pdemill.solvers.local.process' in ' '.join(sys.orig_argv):\n"
        "    import threading, signal\n"
        "    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()\n"
    )
    with pytest.raises(pdemill.errors.WorkerError, match="died 3 times"):
        pdemill.generate({**SPEC, "splits": {"train": 16}}, tmp_path / "store.zarr")
