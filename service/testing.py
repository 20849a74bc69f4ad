"""For tests and soaks: a whole server, ``pdemill serve``, whose parts can be killed one by one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from pdemill.client import Client
from pdemill.store.places import below, disk_at

PARTS = {"broker": "valkey-server", "worker": "-m pdemill.workers --", "api": "-m pdemill.service --"}
"""A word in the command line of each process."""


def free_port() -> int:
    """A port on the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until[T](condition: Callable[[], T], seconds: float = 120.0, what: str = "") -> T:
    """The first true value of a condition. Raises TimeoutError."""
    limit = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > limit:
            raise TimeoutError(f"{what or condition} did not come true within {seconds:g} s")
        time.sleep(0.01)
    return value


class Server:
    """A server in processes of its own, on a free port; a context manager that starts and stops it.

    ``folder``: where it is started, if not in the current folder. ``home``: the address of its data directory, if that
    is in a bucket; then ``data_dir`` is its state directory.
    """

    def __init__(
        self, data_dir: Path, workers: int = 2, folder: Path | None = None, home: str | None = None, **environment: str
    ) -> None:
        self.data_dir, self._workers, self._folder, self._home = data_dir, workers, folder, home
        self._environment = {**os.environ, **environment}
        self.url = f"http://127.0.0.1:{free_port()}"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        run = "from pdemill.cli import main; main()"
        places = ["--data-dir", str(self.data_dir)]
        if self._home is not None:
            places = ["--data-dir", self._home, "--state-dir", str(self.data_dir)]
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", run, "serve", *places,
             "--workers", str(self._workers), "--port", self.url.rpartition(":")[2]],
            cwd=self._folder, env=self._environment, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until(self.ready, what="the server's readiness")

    def ready(self) -> bool:
        """Whether every part is there."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"the server ended with status {self.process.returncode}")
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:  # noqa: S310
                return bool(json.load(answer)["ready"])
        except (urllib.error.URLError, OSError):
            return False

    def stop(self, with_signal: int = signal.SIGTERM) -> None:
        """Stop it, or kill it."""
        assert self.process is not None
        self.process.send_signal(with_signal)
        self.process.wait(60)
        until(lambda: not self.family(), what="the end of all processes")

    def client(self, api_key: str | None = None) -> Client:
        return Client(self.url, api_key)

    def environment(self) -> dict[str, str]:
        """The environment of the worker."""
        (worker,) = self.pids("worker")
        variables = (Path(f"/proc/{worker}/environ").read_bytes()).decode().split("\0")
        return dict(entry.split("=", 1) for entry in variables if "=" in entry)

    def family(self) -> dict[str, list[int]]:
        """Processes by part; those of the worker's pool, also of one that is gone, are ``pool``. Empty when none is
        left."""
        found: dict[str, list[int]] = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal() and (part := self._part(folder)):
                found.setdefault(part, []).append(int(folder.name))
        return found

    def _part(self, process: Path) -> str | None:
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            environment = (process / "environ").read_bytes()
            if f"PDEMILL_DATA_DIR={self._home or self.data_dir.absolute()}\0".encode() not in environment:
                return None
            parent = int((process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return None
        part = next((name for name, mark in PARTS.items() if mark in words), None)
        started_here = self.process is not None and parent in (self.process.pid, os.getpid())
        return "pool" if part == "worker" and not started_here else part

    def pids(self, part: str) -> list[int]:
        """The processes of a part: broker, worker, pool or api."""
        return self.family().get(part, [])

    @contextmanager
    def helper(self) -> Iterator[int]:
        """A second worker, as another host would run it; its process id."""
        environment = self.environment()
        del environment["PDEMILL_PARENT"]
        with (self.data_dir / "logs" / "helper.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "pdemill.workers", "--concurrency", "1"], env=environment, stderr=log,
                stdout=log,
                start_new_session=True,
            )  # fmt: skip
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait(90)

    def kill(self, part: str, which: int = 0, with_signal: int = signal.SIGKILL) -> int:
        """Kill a process of a part, once there is one; returns its id."""
        pids = until(lambda: self.pids(part), what=f"a process of the {part}")
        pid = pids[which % len(pids)]
        os.kill(pid, with_signal)
        return pid

    def log(self, part: str) -> str:
        """The log of a process."""
        path = self.data_dir / "logs" / f"{part}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def manifests(self, dataset: str) -> dict[str, dict[str, Any]]:
        """The manifests of a data set by shard."""
        root = below(self.data_dir if self._home is None else self._home, f"datasets/{dataset}.zarr/_manifest")
        if isinstance(root, Path) and not root.exists():
            return {}
        disk = disk_at(root)
        names = [name for name in disk.names() if name.endswith(".json")]
        return {name.removesuffix(".json"): json.loads(disk.read(name)) for name in names}
