"""What the images run, run: the commands and health checks of Dockerfile and compose file, over Debian's Redis."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import Any

import pytest

import pdemill
from pdemill.client import Client, Job
from pdemill.errors import ServerError
from pdemill.leases import FINISH, PREPARE, Presence
from pdemill.service.testing import until
from tests.deployment.stack import Container, Stack


def _spec(resolution: int, samples: int, shard: int, seed: int) -> dict[str, Any]:
    return {
        "solver": {"method": "direct"},
        "problem": {
            "family": "darcy",
            "resolution": [resolution, resolution],
            "coefficient": {"field": "lognormal", "std": 0.5, "modes": 16},
        },
        "splits": {"train": samples},
        "store": {"shard": shard},
        "seed": seed,
    }


def _shards(worker: Container, job: Job, message: str) -> set[str]:
    """The shards of a job of which a worker has logged ``begun`` or ``ended``."""
    units = {event["unit"] for event in worker.events(message) if event["dataset"] == job.state["dataset"]}
    return units - {PREPARE, FINISH}


def test_a_job_goes_through(worker: Container, client: Client) -> None:
    job = client.submit(_spec(16, 8, 4, seed=1)).wait(timeout=180, every=0.1)
    assert len(job.open("train")) == 8
    assert pdemill.verify(job.results()["store"]["path"], samples=1).ok
    assert _shards(worker, job, "ended") == {"train-00000", "train-00001"}


def test_nobody_gets_in_without_a_key(stack: Stack) -> None:
    for key in (None, "another key"):
        with Client(stack.url, key) as stranger, pytest.raises(ServerError) as caught:
            stranger.submit(_spec(16, 8, 4, seed=1))
        assert caught.value.status == 401


def test_workers_share_a_job(stack: Stack, worker: Container, client: Client) -> None:
    second = stack.start("worker")
    until(lambda: len(stack.leases().workers()) == 2, what="the second worker")
    job = client.submit(_spec(48, 48, 2, seed=2)).wait(timeout=180, every=0.1)
    shares = [_shards(one, job, "ended") for one in (worker, second)]
    assert job.state["samples_done"] == 48
    assert len(shares[0]) + len(shares[1]) == len(shares[0] | shares[1]) == 24
    assert all(shares), shares
    assert second.stop() == 0


def test_a_worker_that_is_stopped_gives_its_shard_back(stack: Stack, worker: Container, client: Client) -> None:
    job = client.submit(_spec(160, 96, 96, seed=3))
    until(lambda: _shards(worker, job, "begun"), what="the shard's beginning")
    assert worker.stop(15) == 0
    assert not _shards(worker, job, "ended")
    assert not stack.healthy("worker")
    assert stack.leases().waiting()
    second = stack.start("worker")
    job.wait(timeout=180, every=0.1)
    # The coordinator may hand it out once more meanwhile; that finds the shard finished.
    assert next(event["attempt"] for event in second.events("begun") if event["unit"] == "train-00000") == 2


@pytest.mark.usefixtures("no_worker")
def test_broker_and_api_come_back_with_what_they_knew(stack: Stack, client: Client) -> None:
    job = client.submit(_spec(16, 8, 4, seed=4))
    leases = stack.leases()
    until(lambda: len(leases.waiting()) == 1, what="the first unit")
    stack.running("redis")[0].kill()
    for service in ("redis", "worker"):
        assert not stack.healthy(service)
    assert stack.healthy("api")
    assert stack.running("api")[0].stop() in (0, -signal.SIGTERM)
    assert not stack.healthy("api")
    stack.start("redis")
    stack.await_health("redis")
    assert len(leases.waiting()) == 1
    stack.start("api")
    stack.await_health("api")
    stack.start("worker")
    job.wait(timeout=180, every=0.1)


def test_broker_obeys_its_options(stack: Stack) -> None:
    found = stack.leases().redis.config_get("*")
    assert (found["appendonly"], found["appendfsync"], found["save"]) == ("yes", "everysec", "")
    assert found["maxmemory-policy"] == "noeviction"


@pytest.mark.usefixtures("no_worker")
def test_only_a_living_worker_of_this_host_is_healthy(stack: Stack) -> None:
    leases = stack.leases()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for host, pid, healthy in (
        ("elsewhere", os.getpid(), False),
        (socket.gethostname(), ended.pid, False),
        (socket.gethostname(), os.getpid(), True),
    ):
        leases.beat(Presence("test", host, pid, 1, pdemill.__version__), [])
        assert stack.healthy("worker") == healthy
    leases.gone("test")
