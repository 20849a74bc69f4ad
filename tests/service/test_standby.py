"""A second API on the data directory of a server: it serves what the first does, and goes on when that is gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pdemill.client import Client
from pdemill.process import module_command
from pdemill.service.testing import Server, free_port, until

SPEC = {"problem": {"family": "darcy", "resolution": [64, 64]}, "samples": 1600, "store": {"shard": 16}}


@contextmanager
def _second(server: Server) -> Iterator[str]:
    """Another API on the same folder and broker; its address."""
    port = free_port()
    environment = {**os.environ, "PDEMILL_DATA_DIR": str(server.data_dir.absolute())}
    environment["PDEMILL_REDIS_URL"] = _environment(server.pids("api")[0])["PDEMILL_REDIS_URL"]
    process = subprocess.Popen(
        module_command("pdemill.service", "--port", str(port)), env=environment, stderr=subprocess.DEVNULL
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _environment(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_text(encoding="utf-8").split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def _ready(url: str) -> dict[str, Any] | None:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except OSError:
        return None


@pytest.mark.slow
def test_a_second_api_shows_the_same_and_takes_over(tmp_path: Path) -> None:
    with Server(tmp_path / "data", workers=1) as server, _second(server) as url:
        pid = min(server.pids("api"))
        until(lambda: _ready(url), what="the readiness of the second")
        with server.client() as first, Client(url) as second:
            job = second.submit(SPEC)
            until(lambda: first.job(job.id).state["samples_done"] > 0, what="the first's work")
            until(lambda: job.refresh().state["shards_total"] == 100, what="the shards that it shows")
            until(lambda: (job.refresh().state["shards_done"] or 0) > 2, what="finished shards")
            assert job.status == "running"
            os.kill(pid, signal.SIGKILL)
            job.wait(timeout=180)
            assert job.state["samples_done"] == 1600
            assert _ready(url)
