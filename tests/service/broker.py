"""A real Valkey, the embedded one, for tests."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from redis import Redis, RedisError

from pdemill.service.testing import until
from pdemill.settings import Settings


@dataclass(frozen=True)
class Broker:
    """Its address, a client, and its process."""

    url: str
    redis: Redis
    process: subprocess.Popen[bytes]

    @property
    def settings(self) -> Settings:
        return Settings(redis_url=self.url)


@contextmanager
def valkey() -> Iterator[Broker]:
    """A Valkey that ends with the block."""
    with tempfile.TemporaryDirectory(prefix="pdemill-") as folder:  # a socket's path must be short
        socket = f"{folder}/valkey.sock"
        command = [sys.executable, "-m", "pdemill.workers.broker", folder, socket]
        environment = {**os.environ, "PDEMILL_PARENT": str(os.getpid())}
        with (
            subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process,
            Redis(unix_socket_path=socket) as redis,
        ):
            try:
                until(lambda: answers(redis), what="the broker")
                yield Broker(f"unix://{socket}", redis, process)
            finally:
                process.kill()


def answers(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False
