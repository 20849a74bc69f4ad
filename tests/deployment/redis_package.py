"""A Redis server: the one on PATH, or Debian's package, unpacked into a cache folder without being root."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PACKAGES = ("redis-server", "redis-tools", "libjemalloc2", "liblzf1")


@dataclass(frozen=True)
class Programs:
    """Where redis-server and redis-cli are, and the environment that they need."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)


def find_redis(cache: Path) -> Programs:
    """Redis' programs. Skips the test where there is neither Redis nor apt-get, but never on CI."""
    if (found := shutil.which("redis-server")) and shutil.which("redis-cli"):
        return Programs(Path(found).parent)
    if not shutil.which("apt-get") and "CI" not in os.environ:
        pytest.skip("there is no redis-server on PATH, and no apt-get to bring Debian's")
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process of the test run may be at it
        if not (cache / "root").exists():
            _unpack(cache)
    libraries = {str(path.parent) for path in (cache / "root" / "usr" / "lib").rglob("*.so*")}
    return Programs(cache / "root" / "usr" / "bin", {"LD_LIBRARY_PATH": ":".join(libraries)})


def _unpack(cache: Path) -> None:
    """Download and unpack; package lists of our own, as those of the machine may be old or not there."""
    for folder in ("lists/partial", "archives/partial", "new"):
        (cache / folder).mkdir(parents=True, exist_ok=True)
    places = {"Dir::State::lists": cache / "lists", "Dir::Cache": cache, "APT::Sandbox::User": ""}
    apt = ["apt-get", "--quiet", *(f"--option={name}={value}" for name, value in places.items())]
    _run([*apt, "update"], cache)
    _run([*apt, "download", *PACKAGES], cache / "archives")
    for package in sorted((cache / "archives").glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(package), str(cache / "new")], cache)
    for folder in ("lists", "archives"):
        shutil.rmtree(cache / folder)
    (cache / "new").rename(cache / "root")


def _run(command: list[str], folder: Path) -> None:
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, f"{' '.join(command)}\n{ran.stdout}{ran.stderr}"
