"""The services of docker-compose.yml as processes of this machine: the same commands, environments and signals.

Replaced is what a container's mounts and network give (paths, the name of the broker's host, ports), and one patience.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pdemill.data_directory import DataDirectory
from pdemill.leases import Leases
from pdemill.service.testing import free_port, until
from pdemill.settings import Settings
from tests.deployment.images import Service, read_services
from tests.deployment.redis_package import Programs

PROGRAMS = {"valkey-server": "redis-server", "valkey-cli": "redis-cli"}
"""The image has Valkey, Debian 12 has Redis; their options are the same."""
SHORTER = {"PDEMILL_STOP_SECONDS": "0.2"}
"""A worker that is told to stop would go on with its shard for a minute."""


class Container:
    """One running process of a service."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self._log = process, log

    def stop(self, seconds: float = 30.0) -> int:
        """Stop it as docker does; returns its exit status."""
        self.process.terminate()
        return self.process.wait(seconds)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def events(self, message: str) -> list[dict[str, Any]]:
        """The lines of its log with this message, each of which is JSON."""
        lines = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return [line for line in lines if line["message"] == message]


class Stack:
    """Starts containers' commands on a folder of the test, and asks for their health.

    ``services``: those of another file; ``here``: what their words and values are on this machine.
    """

    def __init__(
        self, folder: Path, redis: Programs, keys: Path, services: Mapping[str, Service] | None = None,
        here: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self._folder, self._redis = folder, redis
        self._services = read_services() if services is None else services
        self._redis_port, self._api_port = str(free_port()), str(free_port())
        self.broker = f"redis://127.0.0.1:{self._redis_port}/0"
        self.url = f"http://localhost:{self._api_port}"
        self._started: list[tuple[str, Container]] = []
        for name in ("data", "broker", "logs"):
            (folder / name).mkdir()
        self.here = {
            "/data": str(folder / "data"),
            "/run/secrets/api_keys": str(keys),
            "redis://redis:6379/0": self.broker,
            "redis://:PASSWORD@redis:6379/0": self.broker.replace("//", "//:PASSWORD@"),
            "8000": self._api_port,
            "python": sys.executable,
            **(here or {}),
        }

    def start(self, service: str) -> Container:
        """Start one more container of a service."""
        said = self._services[service]
        log = self._folder / "logs" / f"{service}-{len(self._started)}.log"
        command = self._command(said.command)
        if service == "redis":
            command += ["--port", self._redis_port, "--bind", "127.0.0.1"]
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, env=self._environment(service), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                cwd=self._folder / ("broker" if service == "redis" else "data"),
            )  # fmt: skip
        started = Container(process, log)
        self._started.append((service, started))
        return started

    def running(self, service: str) -> list[Container]:
        """The containers of a service that have not ended."""
        return [one for name, one in self._started if name == service and one.process.poll() is None]

    def await_health(self, service: str) -> None:
        until(lambda: self.healthy(service), what=f"the health of {service}")

    def health(self, service: str) -> subprocess.CompletedProcess[str]:
        """What the health check of a service says."""
        program, *arguments = self._command(self._services[service].health)
        if service == "redis":
            arguments = ["-p", self._redis_port, *arguments]
        return subprocess.run(
            [program, *arguments],
            env=self._environment(service),
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def healthy(self, service: str) -> bool:
        return self.health(service).returncode == 0

    def leases(self) -> Leases:
        """What the API and its workers share through the broker."""
        directory = DataDirectory(self._folder / "data")
        directory.require()
        return Leases.at(Settings(redis_url=self.broker), directory.id)

    def stop(self) -> None:
        """End whatever still runs, the broker last."""
        for service in ("worker", "api", "redis"):
            for container in self.running(service):
                container.kill()

    def _command(self, words: tuple[str, ...]) -> list[str]:
        program = PROGRAMS.get(words[0])
        first = str(self._redis.folder / program) if program else self.here[words[0]]
        return [first, *(self.here.get(word, word) for word in words[1:])]

    def _environment(self, service: str) -> dict[str, str]:
        """Nothing but what the container has. No process outlives the test's, even if that is killed."""
        if service == "redis":
            return self._redis.environment
        said = {name: self.here.get(value, value) for name, value in self._services[service].environment.items()}
        said = {name: value for name, value in said.items() if not name.startswith("NUMBA_CPU")}  # see test_kernels.py
        return said | SHORTER | {"PATH": os.environ["PATH"], "PDEMILL_PARENT": str(os.getpid())}
