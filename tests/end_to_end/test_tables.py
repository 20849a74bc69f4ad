"""What the command line prints in columns is whole, also in a pipe, and fits a terminal of 80 columns."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pdemill
from tests.command import pdemill as command

SPLITS = {"train": 2, "validation-of-the-first-kind": 1, "validation-of-the-second-kind": 1, "test-far-away": 1}
JOBS = [
    {"id": f"0123456789abcde{n}", "status": "dismissed", "progress": 100.0, "samples_total": 12000,
     "created": "2026-01-02T03:04:05.123Z", "message": message}
    for n, message in enumerate(["", "waiting: " + "its store cannot be read, " * 5])
]  # fmt: skip
PRINT = f"import json; from pdemill import console; console.print_jobs(json.loads({json.dumps(json.dumps(JOBS))!s}))"
WIDTH = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose table is wider than a terminal."""
    out = tmp_path_factory.mktemp("wide") / "wide.zarr"
    spec = {"problem": {"family": "poisson", "resolution": [8, 8]}, "splits": SPLITS}
    assert pdemill.generate(spec, out, workers=0).ok
    return out


def test_names_are_whole_in_a_pipe(wide: Path) -> None:
    pdemill_ = Path(sys.executable).with_name("pdemill")
    told = subprocess.run(
        [pdemill_, "inspect", wide], env=WIDTH, capture_output=True, encoding="utf-8", check=True
    ).stdout
    lines = told.splitlines()
    assert lines[3].split() == ["split", *sorted(SPLITS, key=lambda name: (name != "train", name))]
    assert lines[9].startswith("relative residual, worst ")
    assert "…" not in told


def test_jobs_in_a_pipe_have_their_whole_messages() -> None:
    told = subprocess.run(
        [sys.executable, "-c", PRINT], env=WIDTH, capture_output=True, encoding="utf-8", check=True
    ).stdout
    assert told.splitlines()[2].rstrip().endswith(str(JOBS[1]["message"]).rstrip())
    assert len(told.splitlines()) == 3


def test_jobs_take_a_line_each_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", PRINT], env=WIDTH, stdin=theirs, stdout=theirs, stderr=theirs):
        os.close(theirs)
        told = b""
        try:
            while piece := os.read(ours, 4096):
                told += piece
        except OSError:  # the other end is closed
            pass
        finally:
            os.close(ours)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", told.decode()).splitlines()
    assert [line.split()[0] for line in lines] == ["job", *(job["id"] for job in JOBS)]
    assert max(map(len, lines)) <= 80
    assert lines[2].endswith("…")


@pytest.mark.parametrize(("asked", "made"), [("a", "a.png"), ("b.png", "b.png"), ("sub/c", "sub/c.png")])
def test_a_picture_is_where_it_is_said_to_be(asked: str, made: str, wide: Path, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    ran = command("inspect", wide, "--picture", asked, folder=tmp_path)
    assert ran.stdout.endswith(f"picture: {made}\n")
    assert (tmp_path / made).read_bytes().startswith(b"\x89PNG")
