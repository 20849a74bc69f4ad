"""Where and with what a table was measured."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pdemill.solvers.software import software

CPUINFO = Path("/proc/cpuinfo")
PEERS = ("pypardiso", "mkl", "pyamg", "exponax", "jax", "matplotlib")


def machine() -> dict[str, str | int | float]:
    """The processor, its cores, the system, and how busy it was."""
    facts: dict[str, str | int | float] = {
        "cpu": cpu(), "cores": os.cpu_count() or 0, "system": f"{platform.system()} {platform.machine()}"
    }  # fmt: skip
    if hasattr(os, "getloadavg"):
        facts["load"] = round(os.getloadavg()[0], 2)
    return facts


def cpu() -> str:
    """The name of the processor."""
    lines = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def versions() -> dict[str, str]:
    """pdemill, what it computes with, and the peers that are installed."""
    found = dict(software())
    for name in PEERS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
