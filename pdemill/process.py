"""Processes that start and end together."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
"""Environment of a process that solves: one thread; parallelism is over processes."""


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def module_command(module: str, *words: str) -> list[str]:
    """The command of a process that runs a module, and looks for none in the current folder."""
    return [sys.executable, "-P", "-m", module, *words]


def die_with_parent(parent: int, with_signal: signal.Signals | None = None) -> None:
    """Ask the kernel to end this process when its parent ends, however that happens, by SIGKILL if by no other signal.

    Raises SystemExit if the parent is gone already. Does nothing but that check outside Linux.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, with_signal or signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent process is gone")
