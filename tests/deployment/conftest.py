"""A broker and an API as docker compose would start them, and workers for the test that asks."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import pytest

from pdemill.client import Client
from tests.deployment.redis_package import Programs, find_redis
from tests.deployment.stack import Container, Stack

KEY = "a key of the tests"


@pytest.fixture(scope="session")
def redis_programs(request: pytest.FixtureRequest) -> Programs:
    assert request.config.cache is not None
    return find_redis(request.config.cache.mkdir("redis"))


@pytest.fixture(scope="module")
def stack(redis_programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A healthy broker and a healthy API."""
    folder = tmp_path_factory.mktemp("stack")
    keys = folder / "api-keys.yaml"
    keys.write_text(f"- {{name: tester, sha256: {sha256(KEY.encode()).hexdigest()}}}\n")
    found = Stack(folder, redis_programs, keys)
    try:
        for service in ("redis", "api"):
            found.start(service)
            found.await_health(service)
        yield found
    finally:
        found.stop()


@pytest.fixture
def worker(stack: Stack) -> Container:
    """A healthy worker: the one that runs, or a new one."""
    if not stack.running("worker"):
        stack.start("worker")
        stack.await_health("worker")
    return stack.running("worker")[0]


@pytest.fixture
def no_worker(stack: Stack) -> None:
    for container in stack.running("worker"):
        container.stop()


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    with Client(stack.url, KEY) as found:
        yield found
