"""How much memory a process of a worker may use."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from pdemill.settings import Settings

UNTOUCHED_BYTES = 500_000_000
"""What libraries map and do not use, which the system counts against the limit."""
CGROUP = Path("/sys/fs/cgroup/memory.max")
OUT_OF_MEMORY = "choose another solver.method, a coarser resolution or a smaller store.shard"


def allowed() -> int:
    """Bytes that a process may use: what PDEMILL_WORKER_MEMORY says, or what the machine or the container has."""
    return Settings.read().worker_memory or _available()


def limit() -> None:
    """Have allocations of this process fail that go beyond PDEMILL_WORKER_MEMORY, where it is set. Linux only:
    elsewhere no limit holds for all that a library allocates."""
    most = Settings.read().worker_memory
    if most and sys.platform == "linux":
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        wanted = most + UNTOUCHED_BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard < 0 else min(wanted, hard), hard))


def shortage(unit: str) -> str:
    """What is said of a unit for which there was not enough."""
    most = Settings.read().worker_memory
    bound = f"a worker may use ({most:,} bytes, PDEMILL_WORKER_MEMORY)" if most else "its machine has"
    return f"{unit} needs more memory than {bound}: {OUT_OF_MEMORY}"


def _available() -> int:
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        text = CGROUP.read_text(encoding="ascii").strip()
    except OSError:
        return machine
    return min(machine, int(text)) if text.isdecimal() else machine
