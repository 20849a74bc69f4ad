"""Processes that start and end together, and the environment that they have."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PR_SET_PDEATHSIG = 1
MOST_OPEN_FILES = 65_536
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
"""Environment of a process that solves: one thread; parallelism is over processes."""
LAUNCHERS = (
    "PMI_", "PMI2_", "PMIX_", "HYDI_", "HYDRA_", "MPI_LOCAL", "MPIEXEC_", "OMPI_", "PRTE_", "PALS_", "MV2_COMM_",
)  # fmt: skip
"""Beginnings of the variables by which mpiexec, mpirun and srun tell a process that it is one of an MPI program."""


def child_environment() -> dict[str, str]:
    """Environment of a child that solves: one thread, and not a part of the MPI program that its parent may be in."""
    return {name: value for name, value in os.environ.items() if not name.startswith(LAUNCHERS)} | ONE_THREAD


@contextmanager
def without_launcher() -> Iterator[None]:
    """Libraries that are started within see no MPI launcher. ``os.environ`` stays as it is."""
    hidden = {name: value for name, value in os.environ.items() if name.startswith(LAUNCHERS)}
    for name in hidden:
        os.unsetenv(name)
    try:
        yield
    finally:
        for name, value in hidden.items():
            os.putenv(name, value)


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def raise_open_files() -> int:
    """Let this process open as many files as it may, within reason; returns how many."""
    import resource  # late: Windows has none

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN_FILES)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return most if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):  # a system that allows fewer than it says
        return soft
    return most


def worker_status(status: int) -> str:
    """What is said of a worker process that ended unasked with an exit status."""
    if status == -signal.SIGKILL:
        return f"exit status {status}: killed; is there enough memory?"
    return f"exit status {status}"


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
