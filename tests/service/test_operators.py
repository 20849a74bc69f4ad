"""Roles of keys, switches of the server, keys that end, wrong keys, and what the log tells of all that."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import pytest

from pdemill.client import Client
from pdemill.errors import ServerError
from pdemill.service import guesses
from pdemill.service.guesses import Guesses
from pdemill.service.problems import Refusal
from pdemill.service.testing import until
from pdemill.settings import Settings
from tests.command import pdemill as command
from tests.service.api import Answer, Api, Headers, bearer, key_of, keys_file, serving, without_broker
from tests.service.broker import valkey

SPEC: dict[str, Any] = {"problem": {"family": "poisson", "resolution": [9]}, "samples": 100}
OWNERS: dict[str, dict[str, Any]] = {"ann": {}, "root": {"role": "admin"}, "prometheus": {"role": "metrics"}}
FORM: Headers = (("Sec-Fetch-Site", "same-origin"), ("Content-Type", "application/x-www-form-urlencoded"))


def settings(folder: Path, owners: dict[str, dict[str, Any]] = OWNERS, **changes: Any) -> Settings:
    return without_broker(folder / "data", api_keys=keys_file(folder / "keys.yaml", **owners), **changes)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(settings(tmp_path_factory.mktemp("operators"))) as api:
        yield api


@pytest.fixture(scope="module")
def anns(api: Api, darcy_store: Path) -> tuple[str, str]:
    """A finished job of Ann's, and its data set."""
    return api.finished(darcy_store, "ann")


# Roles


def test_a_key_for_metrics_opens_nothing_else(api: Api, anns: tuple[str, str]) -> None:
    asked = 0
    for path, methods in api.get("/v1/openapi.json").json["paths"].items():
        target = path.format(job=anns[0], dataset=anns[1], path="zarr.json", sample=0, family="darcy",
                             preset="fno-darcy", switch="paused", array="0" * 64, upload="0" * 32)  # fmt: skip
        for method in methods:
            if path not in ("/metrics", "/healthz", "/readyz"):
                answer = api.ask(method.upper(), target, bearer("prometheus"), b"{" if method == "post" else b"")
                answer.problem(403, "opens /metrics only")
                asked += 1
    assert asked >= 16
    for path in ("/metrics", "/v1/metrics"):
        assert "pdemill_jobs" in api.get(path, bearer("prometheus")).text
    given = api.ask("POST", "/key", FORM, urlencode({"key": key_of("prometheus")}).encode())
    cookie: Headers = (("Cookie", given.headers["set-cookie"].partition(";")[0]),)
    assert api.get("/", cookie).status == 403


def test_an_admin_sees_the_jobs_of_all(api: Api, anns: tuple[str, str]) -> None:
    job, dataset = anns
    mine = api.post("/v1/jobs", SPEC, bearer("root")).json["id"]

    def listed(owner: str, query: str) -> list[str]:
        return [found["id"] for found in api.get(f"/v1/jobs?{query}", bearer(owner)).json["jobs"]]

    assert listed("root", "") == listed("root", "owner=root") == [mine]
    assert listed("root", "owner=ann") == listed("ann", "owner=ann") == listed("ann", "")
    assert {mine, job} <= set(listed("root", "owner=*&limit=200"))
    answer = api.get("/v1/jobs?owner=*&limit=1", bearer("root"))
    assert "owner=*&limit=1&cursor=" in answer.headers["link"]
    for place in (f"/v1/jobs/{job}", f"/v1/jobs/{job}/events", f"/v1/jobs/{job}/results", f"/v1/jobs/{job}/samples/0",
                  f"/v1/datasets/{dataset}/store/zarr.json"):  # fmt: skip
        assert api.get(place, bearer("root")).status == 200
    assert api.get(f"/v1/jobs/{job}", bearer("root")).json["owner"] == "ann"
    api.get("/v1/jobs?owner=root", bearer("ann")).problem(403, "only an admin")
    api.get("/v1/jobs?owner=*", bearer("ann")).problem(403, "only an admin")
    api.get(f"/v1/jobs/{mine}", bearer("ann")).problem(404)
    for owner in ("", "a%20b", "%00", "**", "x" * 65, "%C3%A9", "'%20OR%201=1"):
        api.get(f"/v1/jobs?owner={owner}", bearer("root")).problem(422)


def test_an_admin_ends_the_jobs_of_all(api: Api, darcy_store: Path) -> None:
    """And their stores; a user does neither."""
    job = api.post("/v1/jobs", {**SPEC, "seed": 1}, bearer("ann")).json["id"]
    finished, dataset = api.finished(darcy_store, "ann")
    others = api.post("/v1/jobs", {**SPEC, "seed": 2}, bearer("root")).json["id"]
    api.ask("DELETE", f"/v1/jobs/{others}", bearer("ann")).problem(404)
    assert api.ask("DELETE", f"/v1/jobs/{job}", bearer("root")).json["status"] == "dismissed"
    assert api.get(f"/v1/jobs/{job}", bearer("ann")).json["status"] == "dismissed"
    assert api.ask("DELETE", f"/v1/jobs/{finished}?delete_store=true", bearer("root")).json["status"] == "dismissed"
    assert not api.store(dataset).exists()


# Switches


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_only_admins_switch(api: Api, method: str) -> None:
    api.ask(method, "/v1/server/paused", bearer("ann")).problem(403, "needs the key of an admin")
    api.ask(method, "/v1/server/nothing", bearer("root")).problem(422)
    api.ask("POST", "/v1/server/paused", bearer("root")).problem(405)
    assert api.get("/v1/server", bearer("ann")).json == {"paused": False, "drained": False}


def test_a_server_that_is_drained_takes_no_jobs(tmp_path: Path) -> None:
    """Over a restart too; what was accepted before is told again."""
    once: Headers = (*bearer("ann"), ("Idempotency-Key", "once"))
    with serving(settings(tmp_path)) as api:
        first = api.post("/v1/jobs", SPEC, once)
        for _ in range(2):
            assert api.ask("PUT", "/v1/server/drained", bearer("root")).json == {"paused": False, "drained": True}
    with serving(settings(tmp_path)) as api:
        answer = api.post("/v1/jobs", SPEC, bearer("ann"))
        answer.problem(503, "takes no new jobs")
        assert int(answer.headers["retry-after"]) > 0
        assert api.post("/v1/jobs", SPEC, once).json["id"] == first.json["id"]
        assert api.ask("DELETE", "/v1/server/drained", bearer("root")).json["drained"] is False
        assert api.post("/v1/jobs", SPEC, bearer("ann")).status == 202


def test_a_server_that_is_paused_hands_nothing_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with valkey() as broker, serving(Settings(data_dir=tmp_path / "data", redis_url=broker.url)) as api:
        until(lambda: api.get("/readyz").json["parts"]["coordinator"] == "ok", what="the coordinator")
        assert api.ask("PUT", "/v1/server/paused").status == 200
        until(lambda: api.state.coordinator.paused, what="the pause")
        job = api.post("/v1/jobs", SPEC).json["id"]
        assert api.get(f"/v1/jobs/{job}").json["message"] == "waiting: the server is paused"
        rounds: list[float] = []
        hand_out = api.state.coordinator._hand_out

        def counted(now: float) -> set[str]:
            rounds.append(now)
            return hand_out(now)

        monkeypatch.setattr(api.state.coordinator, "_hand_out", counted)
        until(lambda: len(rounds) > 2, what="three rounds of the coordinator")
        assert not api.state.leases.waiting()
        assert api.ask("DELETE", "/v1/server/paused").status == 200
        until(lambda: len(api.state.leases.waiting()) == 1, what="the first unit")
        assert api.get(f"/v1/jobs/{job}").json["message"] == ""


def test_the_command_line_switches(api: Api) -> None:
    def ran(owner: str, *words: str) -> tuple[int, str]:
        done = command(*words, "--server", api.url, "--api-key", key_of(owner))
        return done.returncode, done.stdout + done.stderr

    assert ran("ann", "server") == (0, "at work\n")
    assert ran("root", "server", "pause") == (0, "paused\n")
    assert ran("root", "server", "drain") == (0, "paused, drained\n")
    assert ran("root", "server", "resume") == (0, "drained\n")
    status, text = ran("ann", "server", "admit")
    assert (status, "needs the key of an admin" in text) == (2, True)
    assert ran("root", "server", "admit") == (0, "at work\n")
    assert "owner" in ran("root", "list", "--owner", "*")[1].splitlines()[0]


# Keys that end


def test_a_key_expires(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    owners: dict[str, dict[str, Any]] = {
        "ann": {"expires": now + timedelta(days=1)}, "bob": {"expires": now - timedelta(seconds=1)},
        "cat": {"expires": now.date() - timedelta(days=1)}, "dan": {"expires": now.date() + timedelta(days=1)},
    }  # fmt: skip
    with serving(settings(tmp_path, owners)) as api:
        statuses = {name: api.get("/v1/jobs", bearer(name)).status for name in owners}
        assert statuses == {"ann": 200, "bob": 401, "cat": 401, "dan": 200}
        assert api.ask("POST", "/key", FORM, urlencode({"key": key_of("bob")}).encode()).status == 403


@pytest.mark.parametrize("page", [False, True])
@pytest.mark.parametrize("way", ["revoked", "expired"])
def test_a_stream_ends_with_its_key(way: str, page: bool, tmp_path: Path) -> None:
    """The job goes on; an admin can end it."""
    soon = {"expires": datetime.now(UTC) + timedelta(seconds=4)} if way == "expired" else {}
    with serving(settings(tmp_path, {"ann": soon, "root": OWNERS["root"]})) as api:
        job = api.post("/v1/jobs", SPEC, bearer("ann")).json["id"]
        headers, target = bearer("ann"), f"/v1/jobs/{job}/events"
        if page:
            given = api.ask("POST", "/key", FORM, urlencode({"key": key_of("ann")}).encode())
            headers, target = (("Cookie", given.headers["set-cookie"].partition(";")[0]),), f"/jobs/{job}/events"
        heard: list[Answer] = []
        listener = Thread(target=lambda: heard.append(api.get(target, headers)))
        listener.start()
        if way == "revoked":
            listener.join(1.5)
            assert not heard
            assert api.settings.api_keys is not None
            keys_file(api.settings.api_keys, root=OWNERS["root"])
        listener.join(10)
        assert [answer.status for answer in heard] == [200]
        assert job in heard[0].text
        assert api.get(f"/v1/jobs/{job}", bearer("ann")).status == 401
        assert api.ask("DELETE", f"/v1/jobs/{job}", bearer("root")).json["status"] == "dismissed"


def test_keys_are_made_with_a_role_and_an_end(tmp_path: Path) -> None:
    done = command("key", "alice", "--role", "admin", "--expires", "2999-01-31")
    assert done.stdout.startswith("- {name: alice, sha256: ")
    assert done.stdout.endswith(", role: admin, expires: 2999-01-31}\n")
    (tmp_path / "keys.yaml").write_text(done.stdout)
    secret = done.stderr.split()[-1]
    with (
        serving(without_broker(tmp_path / "data", api_keys=tmp_path / "keys.yaml")) as api,
        Client(api.url, secret) as client,
    ):
        assert client.switch("paused", True) == {"paused": True, "drained": False}
    days = command("key", "bob", "--expires", "30d").stdout
    assert str(datetime.now(UTC).date() + timedelta(days=30)) in days
    for wrong in ("soon", "2027-13-01", "-1d", "999999d"):
        done = command("key", "bob", "--expires", wrong)
        assert done.returncode == 2
        assert "should be a day such as" in done.stderr


# Wrong keys


def forwarded(address: str, key: str) -> Headers:
    return (("X-Forwarded-For", address), ("Authorization", f"Bearer {key}"))


def test_wrong_keys_are_limited(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Those of one address; what was right there before still is; and no key is ever logged."""
    changes: dict[str, Any] = {"max_wrong_keys": 5, "trusted_proxies": ("127.0.0.1",)}
    with caplog.at_level(logging.INFO), serving(settings(tmp_path, **changes)) as api:
        assert api.get("/v1/jobs", forwarded("192.0.2.1", key_of("ann"))).status == 200
        for number in range(5):
            api.get("/v1/jobs", forwarded("192.0.2.1", f"wrong-{number}")).problem(401)
        for key in ("wrong-6", key_of("root")):
            answer = api.get("/v1/jobs", forwarded("192.0.2.1", key))
            answer.problem(429, "too many wrong keys")
            assert 0 < int(answer.headers["retry-after"]) <= 61
        typed = urlencode({"key": key_of("root")}).encode()
        assert api.ask("POST", "/key", (*FORM, ("X-Forwarded-For", "192.0.2.1")), typed).status == 429
        assert api.get("/v1/jobs", forwarded("192.0.2.1", key_of("ann"))).status == 200
        assert api.get("/v1/jobs", forwarded("192.0.2.2", key_of("root"))).status == 200
        assert api.get("/v1/jobs", (("X-Forwarded-For", "192.0.2.1"),)).status == 401
    told = [record for record in caplog.records if "wrong key" in record.getMessage()]
    assert len(told) == 5
    assert {vars(record)["address"] for record in told} == {"192.0.2.1"}
    assert not [record for record in caplog.records if "wrong-" in str(vars(record)) or "key-of" in str(vars(record))]


def test_a_minute_later_keys_are_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Guesses(2)
    for number in range(2):
        found.check("2001:db8::1", "a")
        found.note(f"2001:db8::{number}", "a", right=False)
    with pytest.raises(Refusal):
        found.check("2001:db8::7", "b")
    now = time.monotonic()
    monkeypatch.setattr("pdemill.service.guesses.time.monotonic", lambda: now + guesses.MINUTE + 1)
    found.check("2001:db8::7", "b")
    found.note("2001:db8::7", "b", right=False)
    found.check("2001:db8::7", "b")


def test_addresses_are_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "REMEMBERED", 10)
    found = Guesses(1)
    for number in range(100):
        found.note(f"192.0.2.{number}", "a", right=number % 2 == 0)
    assert len(found._wrong) == len(found._right) == 10


# The access log


def test_requests_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Who, from where, what, how it ended; nothing of a query or a header, and one line whatever the path."""
    with caplog.at_level(logging.INFO), serving(settings(tmp_path)) as api:
        for target, headers in (
            ("/v1/jobs?key=secret", bearer("ann")), ("/nothing%0Ahere", ()), ("/v1/jobs", (("Host", "evil"),)),
            ("/healthz", ()), ("/v1/jobs", (("Authorization", "Bearer secret"),)), (f"/{'x' * 2_000}", ()),
        ):  # fmt: skip
            api.get(target, headers)
        until(lambda: len(access(caplog)) == 5, what="all lines")
    lines = access(caplog)
    assert [record.getMessage()[:26] for record in lines] == [
        "GET /v1/jobs 200", "GET /nothing%0Ahere 404", "GET /v1/jobs 421", "GET /v1/jobs 401", f"GET /{'x' * 21}",
    ]  # fmt: skip
    assert vars(lines[0])["owner"] == "ann"
    assert {vars(record)["address"] for record in lines} == {"127.0.0.1"}
    assert all(vars(record)["seconds"] >= 0 for record in lines)
    assert "secret" not in str([vars(record) for record in lines])
    assert max(len(record.getMessage()) for record in lines) < 300


def access(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "pdemill.access"]


def test_a_stranger_cannot_switch(api: Api) -> None:
    with Client(api.url, "another key") as client, pytest.raises(ServerError, match="send a known key"):
        client.switch("paused", True)
