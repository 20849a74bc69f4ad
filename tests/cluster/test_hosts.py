"""API, broker and workers on hosts of their own that vanish, are cut off, stand still: nothing is lost or doubled."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis, RedisError

import pdemill
from pdemill.client import Client, Job
from pdemill.data_directory import DataDirectory
from pdemill.service.testing import until
from tests.cluster.hosts import Host, Network, able
from tests.deployment.certificates import signed
from tests.deployment.redis_package import Programs, find_redis

KEY, PASSWORD = "a key of the tests", "p@ss"
PORT, TLS_PORT = 8000, 6380
PATH = {"PATH": os.environ["PATH"]}
CUT_SECONDS, PAUSE_SECONDS = 60.0, 45.0
WORKERS = ("one", "two")
SPEC: dict[str, Any] = {
    "problem": {"family": "darcy", "resolution": [48, 48], "coefficient": {"field": "lognormal", "std": 0.5}},
    "splits": {"train": 300, "test": 20},
    "store": {"shard": 10},
    "solver": {"method": "direct"},
}

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(able()), reason=able()), pytest.mark.timeout(600)]


class Cluster:
    """Four hosts that share a folder, and reach each other by address."""

    def __init__(self, network: Network, redis: Programs) -> None:
        self.network, self._redis = network, redis
        self.broker, self.api, *self.workers = (network.host(name) for name in ("broker", "api", *WORKERS))
        self._certificates = signed(network.folder / "certificates", f"IP:{self.broker.address}")
        self._logged: dict[str, int] = {}
        self._broker_folder = network.folder / "redis"
        self._broker_folder.mkdir()
        keys = network.folder / "keys.yaml"
        keys.write_text(json.dumps([{"name": "tester", "sha256": sha256(KEY.encode()).hexdigest()}]))
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PDEMILL_")},
            "PDEMILL_REDIS_URL": f"rediss://:p%40ss@{self.broker.address}:{TLS_PORT}/0",
            "PDEMILL_REDIS_CA": str(self._certificates.authority),
            "PDEMILL_API_KEYS": str(keys), "PDEMILL_ALLOWED_HOSTS": "*", "PDEMILL_LOG": "json",
            "PDEMILL_STOP_SECONDS": "1", "PDEMILL_PARENT": str(os.getpid()),
        }  # fmt: skip
        self.url = f"http://{self.api.address}:{PORT}"
        DataDirectory.made(network.shared)

    def start(self) -> None:
        self.start_broker()
        self.start_api()
        for host in self.workers:
            self.start_worker(host)
        until(self.ready, what="all hosts")

    def start_broker(self) -> None:
        ports = ["--port", "0", "--tls-port", str(TLS_PORT), "--bind", self.broker.address, "--requirepass", PASSWORD]
        command = [str(self._redis.folder / "redis-server"), *ports, "--appendonly", "yes", "--save", ""]
        self.broker.start([*command, *self._certificates.options], self._redis.environment | PATH, self._broker_folder)

    def start_api(self) -> None:
        self._start(self.api, "pdemill.service", "--host", self.api.address, "--port", str(PORT))

    def start_worker(self, host: Host) -> None:
        self._start(host, "pdemill.workers", "--concurrency", "1")

    def _start(self, host: Host, module: str, *words: str) -> None:
        environment = self._environment | {"PDEMILL_DATA_DIR": str(host.data)}
        host.start([sys.executable, "-P", "-m", module, *words], environment, self.network.folder)

    def ready(self) -> bool:
        """Whether all parts are there, with all workers."""
        try:
            return bool(httpx.get(f"{self.url}/readyz").json()["ready"]) and self.alive() == len(self.workers)
        except (httpx.TransportError, RedisError):
            return False

    def alive(self) -> int:
        """How many workers say that they are alive."""
        with self._client() as redis:
            return sum(1 for _ in redis.scan_iter("pdemill:*:worker:*"))

    def _client(self) -> Redis:
        address, ca = self.broker.address, str(self._certificates.authority)
        return Redis(address, TLS_PORT, password=PASSWORD, ssl=True, ssl_ca_certs=ca, socket_timeout=5)

    def shards(self, job: Job) -> dict[str, dict[str, Any]]:
        """The manifests of a job by shard."""
        folder = self.store(job) / "_manifest"
        return {path.stem: json.loads(path.read_bytes()) for path in folder.glob("*-*.json")}

    def store(self, job: Job) -> Path:
        return self.network.shared / "datasets" / f"{job.state['dataset']}.zarr"

    def done_by(self, host: Host, job: Job, message: str = "ended") -> set[str]:
        """The units of a job that a worker has logged to have ``begun`` or ``ended``, since the job began."""
        text = host.log.read_bytes()[self._logged.get(host.name, 0) :].decode()
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return {
            line["unit"] for line in lines if line["message"] == message and line["dataset"] == job.state["dataset"]
        }

    def forget(self) -> None:
        """Look at what is logged from now on."""
        self._logged = {host.name: host.log.stat().st_size for host in self.workers}

    def at_work(self, host: Host, job: Job) -> bool:
        return bool(self.done_by(host, job, "begun") - self.done_by(host, job))


@pytest.fixture(scope="module")
def redis(request: pytest.FixtureRequest) -> Programs:
    assert request.config.cache is not None
    return find_redis(request.config.cache.mkdir("redis"))


@pytest.fixture(scope="module")
def cluster(redis: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    network = Network(tmp_path_factory.mktemp("network"), os.getpid() % 250)
    try:
        made = Cluster(network, redis)
        made.start()
        yield made
    finally:
        network.remove()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The content hash of the store that one run makes in peace."""
    out = tmp_path_factory.mktemp("peace") / "store.zarr"
    assert pdemill.generate(SPEC, out, workers=2).ok
    return str(pdemill.verify(out, samples=0).content)


@pytest.fixture
def client(cluster: Cluster) -> Iterator[Client]:
    with Client(cluster.url, KEY) as found:
        until(cluster.ready, what="all hosts")
        for old in found.jobs("successful"):
            old.delete_store()
        yield found


def begin(cluster: Cluster, client: Client, *hosts: Host) -> Job:
    """A job with some shards behind and some before it, on which these hosts are at work."""
    cluster.forget()
    job = client.submit(SPEC)
    until(lambda: len(cluster.shards(job)) > 3, what="some shards")
    for host in hosts:
        until(partial(cluster.at_work, host, job), what=f"work on {host.name}")
    return job


def ends_well(cluster: Cluster, job: Job, undisturbed: str) -> None:
    job.wait(timeout=300)
    assert (job.state["samples_done"], job.state["samples_failed"]) == (320, 0)
    assert len(cluster.shards(job)) == 32
    found = pdemill.verify(cluster.store(job), samples=4)
    assert found.ok
    assert found.content == undisturbed
    until(lambda: not list(cluster.network.shared.rglob("*.tmp")), what="the end of late writers")


def stand(seconds: float) -> None:
    """What is tested is that so much time goes by."""
    then = time.monotonic()
    until(lambda: time.monotonic() - then > seconds, seconds + 60)


def test_all_hosts_work_on_a_job(cluster: Cluster, client: Client, undisturbed: str) -> None:
    job = begin(cluster, client, *cluster.workers)
    ends_well(cluster, job, undisturbed)
    shares = [cluster.done_by(host, job) for host in cluster.workers]
    assert all(shares)
    assert {one["run"]["attempt"] for one in cluster.shards(job).values()} == {1}


def test_a_host_disappears(cluster: Cluster, client: Client, undisturbed: str) -> None:
    """Power and network fail at once, so that not even its connections are closed; later it is started again."""
    one, two = cluster.workers
    job = begin(cluster, client, one)
    one.cut()
    one.kill()
    then = time.monotonic()
    ends_well(cluster, job, undisturbed)
    assert time.monotonic() - then < 120
    one.join()
    cluster.start_worker(one)
    until(cluster.ready, what="the host's return")
    job.delete_store()
    ends_well(cluster, begin(cluster, client, one, two), undisturbed)


def test_a_host_is_cut_off_for_a_minute(cluster: Cluster, client: Client, undisturbed: str) -> None:
    """The rest goes on; what it had is done by others, and what it did all the same changes nothing."""
    one, _ = cluster.workers
    job = begin(cluster, client, one)
    one.cut()
    before = len(cluster.shards(job))
    until(lambda: len(cluster.shards(job)) > before + 3, what="work on the other host")
    stand(CUT_SECONDS)
    one.join()
    until(cluster.ready, what="the host's return")
    ends_well(cluster, job, undisturbed)
    job.delete_store()
    ends_well(cluster, begin(cluster, client, one), undisturbed)


def test_the_broker_is_cut_off_for_a_minute(cluster: Cluster, client: Client, undisturbed: str) -> None:
    job = begin(cluster, client, *cluster.workers)
    cluster.broker.cut()
    until(lambda: httpx.get(f"{cluster.url}/readyz").status_code == 503, what="the API's notice")
    assert job.refresh().status == "running"
    stand(CUT_SECONDS)
    cluster.broker.join()
    until(cluster.ready, what="the broker's return")
    ends_well(cluster, job, undisturbed)
    assert {one["run"]["attempt"] for one in cluster.shards(job).values()} <= {1, 2}


def test_the_brokers_host_loses_power(cluster: Cluster, client: Client, undisturbed: str) -> None:
    """All connections to it are half open then: what the others wait for on them will never come."""
    job = begin(cluster, client, *cluster.workers)
    cluster.broker.cut()
    cluster.broker.kill()
    cluster.start_broker()
    stand(5)
    cluster.broker.join()
    then = time.monotonic()
    until(cluster.ready, what="the broker's return")
    ends_well(cluster, job, undisturbed)
    job.delete_store()
    begin(cluster, client, *cluster.workers).cancel()
    assert time.monotonic() - then < 120


def test_a_host_stands_still(cluster: Cluster, client: Client, undisturbed: str) -> None:
    """A virtual machine is paused for longer than leases last, and goes on with what others have done meanwhile."""
    one, _ = cluster.workers
    job = begin(cluster, client, one)
    one.signal(signal.SIGSTOP)
    stand(PAUSE_SECONDS)
    job.wait(timeout=200)
    before = files(cluster.store(job))
    one.signal(signal.SIGCONT)
    until(cluster.ready, what="the host's return")
    ends_well(cluster, job, undisturbed)
    assert files(cluster.store(job)) == before
    job.delete_store()
    ends_well(cluster, begin(cluster, client, one), undisturbed)


def test_the_api_host_stands_still(cluster: Cluster, client: Client, undisturbed: str) -> None:
    """Workers do what they were given, and then wait for more."""
    job = begin(cluster, client, *cluster.workers)
    cluster.api.signal(signal.SIGSTOP)
    stand(PAUSE_SECONDS)
    cluster.api.signal(signal.SIGCONT)
    ends_well(cluster, job, undisturbed)


def files(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and path.suffix != ".tmp"}
