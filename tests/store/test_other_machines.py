"""Machines that lack what Linux has: their Python, as far as it can be had here by taking things away."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pdemill

MACOS = ["os.sched_getaffinity", "os.sched_setaffinity", "os.posix_fadvise", "os.posix_fallocate", "os.O_TMPFILE"]
WINDOWS = [
    *MACOS, "os.register_at_fork", "os.fork", "os.forkpty", "os.pread", "os.preadv", "os.pwrite", "os.O_CLOEXEC",
    "os.O_DIRECTORY", "os.O_NOFOLLOW", "os.nice", "os.getuid", "os.statvfs",
    "signal.SIGKILL", "signal.SIGSTOP", "signal.SIGCONT", "signal.SIGQUIT", "signal.SIGHUP", "signal.SIGALRM",
    "signal.pthread_sigmask", "fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog",
]  # fmt: skip
MACHINES = pytest.mark.parametrize("lacks", [MACOS, WINDOWS], ids=["macOS", "Windows"])
BEGIN = """
import os, signal, sys
for name in {lacks}:
    module, _, attribute = name.partition(".")
    if attribute:
        delattr(sys.modules[module], attribute)
    else:
        sys.modules[module] = None
import pdemill
store, out = sys.argv[1:]
"""
READ = """
from pdemill.cli import commands
data = pdemill.open(store, split="train")
print(sum(float(data[i]["y"].sum()) for i in range(len(data))), float(data[3:9]["y"].sum()))
for command in (["inspect", store], ["inspect", store, "--picture", out], ["families"], ["presets"]):
    commands(command, standalone_mode=False)
"""
WRITE = """
try:
    print(pdemill.generate(pdemill.preset("fno-darcy", ["problem.resolution=[8,8]", "samples=2"]), out, workers={n}).ok)
except pdemill.errors.StoreError as error:
    print(error)
"""


def run(lacks: list[str], code: str, store: Path, out: Path) -> str:
    command = [sys.executable, "-c", BEGIN.format(lacks=lacks) + code, str(store), str(out)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@MACHINES
def test_stores_are_read(lacks: list[str], darcy_store: Path, tmp_path: Path) -> None:
    sums, rest = run(lacks, READ, darcy_store, tmp_path / "a.png").split("\n", 1)
    data = pdemill.open(darcy_store, split="train")
    expected = [sum(float(data[i]["y"].sum()) for i in range(len(data))), float(data[3:9]["y"].sum())]
    assert np.array_equal(np.array(sums.split(), float), expected)
    assert "darcy, 16 x 12" in rest
    assert "fno-darcy" in rest
    assert (tmp_path / "a.png").exists()


@pytest.mark.parametrize("workers", [0, 1])
def test_stores_are_written_on_macos(workers: int, darcy_store: Path, tmp_path: Path) -> None:
    assert run(MACOS, WRITE.format(n=workers), darcy_store, tmp_path / "a.zarr") == "True\n"


def test_windows_is_told_where_stores_are_written(darcy_store: Path, tmp_path: Path) -> None:
    told = run(WINDOWS, WRITE.format(n=1), darcy_store, tmp_path / "a.zarr")
    assert told == "stores are written on Linux and macOS only; on Windows, run pdemill in WSL\n"
