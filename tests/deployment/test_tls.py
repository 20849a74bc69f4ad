"""A broker with a password and TLS: who trusts it, who does not, and what those are told."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError
from redis import Redis, RedisError

from pdemill.broker import celery_address, connect, explain
from pdemill.data_directory import DataDirectory
from pdemill.errors import PdemillError
from pdemill.service.testing import free_port, until
from pdemill.settings import Settings
from tests.deployment.certificates import Certificates, signed
from tests.deployment.redis_package import Programs
from tests.service.broker import answers

PASSWORD = "p%40ss-w%2Frd"


@dataclass(frozen=True)
class Broker:
    """The ports of a broker, with TLS and without."""

    tls: int
    plain: int
    certificates: Certificates

    def settings(self, url: str, ca: Path | None = None) -> Settings:
        """Settings with {tls} and {plain} filled in."""
        return Settings(redis_url=url.format(tls=self.tls, plain=self.plain), redis_ca=ca)


@pytest.fixture(scope="module")
def broker(redis_programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("broker")
    made = Broker(free_port(), free_port(), signed(folder / "certificates", "DNS:localhost", "IP:127.0.0.1"))
    ports = ["--port", str(made.plain), "--tls-port", str(made.tls), "--bind", "127.0.0.1", "127.0.0.2", "--save", ""]
    command = [
        str(redis_programs.folder / "redis-server"),
        *ports,
        *made.certificates.options,
        "--requirepass",
        "p@ss-w/rd",
    ]
    with subprocess.Popen(command, env=redis_programs.environment, cwd=folder, stdout=subprocess.DEVNULL) as process:
        try:
            with Redis(port=made.plain, password="p@ss-w/rd") as redis:
                until(lambda: answers(redis), what="the broker")
            yield made
        finally:
            process.kill()


def test_a_broker_that_is_trusted_answers(broker: Broker) -> None:
    ca = broker.certificates.authority
    assert connect(broker.settings(f"rediss://:{PASSWORD}@localhost:{{tls}}/0", ca)).ping()
    named = broker.settings(f"rediss://:{PASSWORD}@localhost:{{tls}}/0?ssl_ca_certs={ca}")
    assert connect(named).ping()
    for settings in (named, broker.settings(f"rediss://:{PASSWORD}@localhost:{{tls}}/0", ca)):
        assert _celery(settings) == "reached"


FAULTS = {
    "wrong password": ("rediss://:other@localhost:{tls}/0", True, "the broker refuses the password: put the right one"),
    "no password": ("rediss://localhost:{tls}/0", True, "the broker wants a password: write it into PDEMILL_REDIS_URL"),
    "not trusted": (
        f"rediss://:{PASSWORD}@localhost:{{tls}}/0",
        False,
        "name the file with its CA in PDEMILL_REDIS_CA",
    ),
    "another name": (f"rediss://:{PASSWORD}@127.0.0.2:{{tls}}/0", True, "the broker's certificate is for another name"),
    "plain": (f"rediss://:{PASSWORD}@localhost:{{plain}}/0", True, "does it not speak TLS on this port?"),
    "not plain": (f"redis://:{PASSWORD}@localhost:{{tls}}/0", False, "does it want TLS? then write rediss://"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_said(broker: Broker, fault: str) -> None:
    url, trusted, said = FAULTS[fault]
    settings = broker.settings(url, broker.certificates.authority if trusted else None)
    with pytest.raises(RedisError) as caught:
        connect(settings).ping()
    assert said in explain(caught.value, settings)


@pytest.mark.parametrize("fault", ["wrong password", "not trusted"])
def test_a_worker_ends_and_says_it(broker: Broker, fault: str, tmp_path: Path) -> None:
    """Waiting would not help."""
    url, trusted, said = FAULTS[fault]
    DataDirectory.made(tmp_path)
    settings = broker.settings(url)
    variables = {**os.environ, "PDEMILL_DATA_DIR": str(tmp_path), "PDEMILL_REDIS_URL": settings.redis_url}
    if trusted:
        variables["PDEMILL_REDIS_CA"] = str(broker.certificates.authority)
    done = subprocess.run(
        [sys.executable, "-m", "pdemill.workers"],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: PDEMILL_REDIS_URL: rediss://localhost:{broker.tls}/0 does not answer: ")
    assert said in done.stderr
    assert "other" not in done.stderr.replace("another", "")


def test_workers_check_the_certificate_too(broker: Broker) -> None:
    """Celery's own connections, which would trust anybody."""
    assert "CERTIFICATE_VERIFY_FAILED" in _celery(broker.settings(f"rediss://:{PASSWORD}@localhost:{{tls}}/0"))


def _celery(settings: Settings) -> str:
    """Why Celery does not reach the broker, or that it does."""
    url, tls = celery_address(settings)
    try:
        with Connection(url, ssl=tls) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0)
    except OperationalError as error:
        return str(error)
    return "reached"


def test_settings_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate\n")
    for ca, url, said in (
        ("ca.pem", "redis://host:1/0", "PDEMILL_REDIS_CA is for TLS only: write rediss:// in PDEMILL_REDIS_URL"),
        ("ca.pem", "rediss://host:1/0", "holds no certificates in PEM"),
        ("none.pem", "rediss://host:1/0", "cannot be read: No such file"),
    ):
        with pytest.raises(PdemillError, match=said):
            Settings.read({"PDEMILL_REDIS_CA": str(tmp_path / ca), "PDEMILL_REDIS_URL": url})
