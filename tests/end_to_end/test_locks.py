"""File systems without locks, as Lustre is by default: one writer of this machine, and a line that says so."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pdemill
from pdemill.service.testing import Server, free_port
from tests.sampling import sample

SPEC: dict[str, Any] = {
    "problem": {"family": "poisson", "resolution": [8, 8]}, "samples": 2, "solver": {"method": "fft"},
}  # fmt: skip
RUN = "from pdemill.cli import main; main()"
HOLD = """
import sys
from pathlib import Path
from pdemill.store.disk import Lock
with Lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
LEDGER = "import sys; from pathlib import Path; from pdemill.service.ledger import Ledger; Ledger(Path(sys.argv[1]))"
WARNED = "has no locks ({}): runs on this machine keep out of each other's way, but let no other machine write it"
missing = sample([errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL], errno.ENOSYS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The place without locks, and the specification of a run; the temporary folder is another one."""
    for name in ("disk", "temporary"):
        (tmp_path / name).mkdir()
    (tmp_path / "spec.json").write_text(json.dumps(SPEC))
    return tmp_path / "disk"


def _failing(library: Path, folder: Path, number: int = errno.ENOSYS) -> dict[str, str]:
    """Variables of processes in which locks fail with this error."""
    failing = {"LD_PRELOAD": str(library), "NO_LOCKS": str(folder), "NO_LOCKS_ERROR": str(number)}
    return {"TMPDIR": str(folder.with_name("temporary")), **failing}


def _generate(folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return _run([RUN, "generate", str(folder.with_name("spec.json")), "--out", str(folder / "store")], environment)


def _run(code: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", *code]
    return subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, **environment})


@pytest.mark.parametrize("number", missing)
def test_generate_goes_on_and_says_so_once(library: Path, folder: Path, number: int) -> None:
    environment = _failing(library, folder, number)
    for _ in range(2):
        ended = _generate(folder, environment)
        assert ended.returncode == 0, ended.stderr
        assert ended.stderr.count(WARNED.format(os.strerror(number))) == 1
    assert pdemill.verify(folder / "store").ok


def test_a_second_writer_of_this_machine_is_refused_until_the_first_is_dead(library: Path, folder: Path) -> None:
    environment = _failing(library, folder)
    store = folder / "store"
    store.mkdir()
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(store)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, **environment},
    )  # fmt: skip
    with first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        refused = _generate(folder, environment)
        assert refused.returncode == 2
        assert "is being written by another pdemill; wait for it or stop it" in refused.stderr
        first.kill()
    assert _generate(folder, environment).returncode == 0


@pytest.mark.parametrize(("number", "everywhere"), [(errno.ENOLCK, True), (errno.EIO, False)])
def test_where_nothing_can_be_locked_one_line_says_so(
    library: Path, folder: Path, number: int, everywhere: bool
) -> None:
    environment = _failing(library, folder, number) | ({"NO_LOCKS": "/"} if everywhere else {})
    ended = _generate(folder, environment)
    assert ended.returncode == 2
    line = f"error: cannot lock {folder / 'store'}: {os.strerror(number)}; use another file system"
    assert ended.stderr.splitlines()[-1] == line
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_a_server_works_without_flock_and_keeps_a_second_one_out(library: Path, folder: Path) -> None:
    environment = _failing(library, folder)
    del environment["TMPDIR"]  # of a length that no socket can have
    with Server(folder / "data", 1, None, **environment) as server:
        with server.client() as client:
            job = client.submit(SPEC)
            job.wait(180)
            assert len(job.open("train")) == 2
        second = [RUN, "serve", "--data-dir", str(folder / "data"), "--port", str(free_port())]
        assert "is being served already" in _run(second, environment).stderr


def test_a_ledger_that_cannot_be_locked_is_told_in_one_line(library: Path, folder: Path) -> None:
    environment = _failing(library, folder) | {"NO_LOCKS_FCNTL": "1"}
    ended = _run([LEDGER, str(folder / "jobs.sqlite")], environment)
    said = f"PdemillError: cannot keep jobs in {folder / 'jobs.sqlite'}: disk I/O error; choose a data directory"
    assert said in ended.stderr.splitlines()[-1]
