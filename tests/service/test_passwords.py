"""The broker's password is shown nowhere: in no log, answer, page or error, whatever goes wrong."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from pdemill.errors import PdemillError
from pdemill.logs import set_up_logs
from pdemill.passwords import HIDDEN, passwords, without_password
from pdemill.service.testing import free_port, until
from pdemill.settings import Settings
from tests.service.broker import Broker, valkey

SECRET = "Pl4nted/pass:w@rd"
WRITTEN = quote(SECRET, safe="")
SPEC = {"problem": {"family": "poisson", "resolution": [12]}, "samples": 6, "store": {"shard": 3}}
TOLD = ("/readyz", "/metrics", "/v1/openapi.json", "/v1/jobs", "/v1/server", "/", "/new", "/catalogue")


@contextmanager
def locked() -> Iterator[tuple[Broker, str]]:
    """A Valkey that wants the password, and its address with it."""
    with valkey() as broker:
        port = free_port()
        broker.redis.config_set("port", port)
        broker.redis.config_set("requirepass", SECRET)
        yield broker, f"redis://:{WRITTEN}@127.0.0.1:{port}/0"


def environment(folder: Path, url: str, **more: str) -> dict[str, str]:
    return {**os.environ, "PDEMILL_DATA_DIR": str(folder), "PDEMILL_REDIS_URL": url, **more}


def leaks(text: str) -> list[str]:
    return [line for line in text.splitlines() if SECRET in line or WRITTEN in line or "Pl4nted" in line]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_server_does_not_tell_it(form: str, tmp_path: Path) -> None:
    """While it works, while the password is wrong, and while the broker is gone."""
    url, told = f"http://127.0.0.1:{free_port()}", ""
    command = [sys.executable, "-P", "-c", "from pdemill.cli import main; main()", "serve", "--data-dir",
               str(tmp_path / "data"), "--port", url.rpartition(":")[2]]  # fmt: skip

    def look() -> str:
        return "".join(httpx.get(url + path, timeout=30).text for path in TOLD)

    def broker_says() -> str:
        return str(httpx.get(f"{url}/readyz", timeout=30).json()["parts"]["broker"])

    with locked() as (broker, address):
        process = subprocess.Popen(
            command, env=environment(tmp_path / "data", address, PDEMILL_LOG=form), stderr=subprocess.PIPE, text=True
        )
        try:
            until(lambda: _ready(url), what="the server")
            job = httpx.post(f"{url}/v1/jobs", json=SPEC).json()["id"]
            until(lambda: httpx.get(f"{url}/v1/jobs/{job}").json()["status"] == "successful", what="the job")
            told += look() + httpx.get(f"{url}/jobs/{job}").text + httpx.get(f"{url}/v1/jobs/{job}/results").text
            broker.redis.config_set("requirepass", "another one")
            broker.redis.client_kill_filter(_type="normal", skipme=True)
            until(lambda: broker_says() != "ok", what="the wrong password's effect")
            told += look()
            broker.process.kill()
            until(lambda: "Connection" in broker_says() or "111" in broker_says(), what="the broker's end")
            told += look()
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=60)
    logs = "".join(path.read_text(errors="replace") for path in (tmp_path / "data" / "logs").iterdir())
    assert len(told) > 10_000
    assert "WRONGPASS" in logs or "password" in logs.lower()
    assert leaks(told) == leaks(errors) == leaks(logs) == []


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


WRONG = {
    "another password": "redis://:Pl4nted-and-wrong@127.0.0.1:{port}/0",
    "nobody there": f"redis://:{WRITTEN}@127.0.0.1:{{free}}/0",
    "not quoted": f"redis://:{SECRET}@127.0.0.1:{{port}}/0",
    "in the query": f"unix:///no.sock?password={WRITTEN}",
}
COMMANDS = {
    "serve": ["-P", "-c", "from pdemill.cli import main; main()", "serve", "--data-dir", "data"],
    "health": ["-m", "pdemill.workers.health"],
}


@pytest.fixture(scope="module")
def port() -> Iterator[str]:
    with locked() as (_, address):
        yield address.rpartition(":")[2].partition("/")[0]


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_fails_does_not_tell_it(command: str, case: str, port: str, tmp_path: Path) -> None:
    url = WRONG[case].format(port=port, free=free_port())
    words = [*COMMANDS[command], *(["--port", str(free_port())] if command == "serve" else [])]
    done = subprocess.run(
        [sys.executable, *words], cwd=tmp_path, env=environment(tmp_path / "data", url), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert leaks(done.stdout + done.stderr) == []


@pytest.mark.parametrize("url", ["redis://:a/b@host:1", "redis://:a:1@[::1", "redis://x:y@host:port/0"])
def test_an_address_that_is_none_is_not_repeated(url: str) -> None:
    with pytest.raises(PdemillError, match=r"^PDEMILL_REDIS_URL is no address; in a password, write") as caught:
        Settings.read({"PDEMILL_REDIS_URL": url})
    assert url not in str(caught.value)


def test_logs_are_gone_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages, arguments and tracebacks."""
    out, root = StringIO(), logging.getLogger()
    monkeypatch.setattr("sys.stderr", out)
    monkeypatch.setattr(root, "handlers", [])
    settings = Settings(redis_url=f"rediss://user:{WRITTEN}@host/0?ssl_password=certif1cate")
    set_up_logs(settings)
    log = logging.getLogger("pdemill.test")
    try:
        raise RuntimeError(f"with {WRITTEN}")
    except RuntimeError:
        log.exception("%s and certif1cate", {"password": SECRET})
    assert out.getvalue().count(HIDDEN) >= 3
    assert leaks(out.getvalue()) == []
    assert "certif1cate" not in out.getvalue()
    assert SECRET not in repr(settings)
    assert WRITTEN not in repr(settings)


def test_an_address_is_shown_without_it() -> None:
    assert without_password("redis://user:pass@host:1/0?password=pass") == "redis://host:1/0"
    assert without_password("unix:///a/b.sock?password=pass") == "unix:///a/b.sock"
    assert passwords("redis://host/0") == passwords("unix:///a/b.sock") == ()
    assert set(passwords(f"redis://:{WRITTEN}@host")) >= {SECRET, WRITTEN}
    assert re.sub("|".join(map(re.escape, passwords("redis://:a%20bcd@h"))), "", "a bcd, a%20bcd") == ", "
