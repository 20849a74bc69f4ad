"""Keys: who gets in, what each sees, how much each may ask for; and no open door without them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pdemill.errors import PdemillError
from pdemill.service.__main__ import main
from pdemill.service.keys import KeyRing
from pdemill.store.disk import Lock
from tests.service.api import Api, Headers, bearer, key_of, keys_file, serving, without_broker

SPEC: dict[str, Any] = {"problem": {"family": "poisson", "resolution": [9]}, "samples": 100}
WORK = 10 * 100
"""Unknowns times samples of SPEC, within a tenth."""
OPEN = ("/healthz", "/readyz")


def other(seed: int) -> dict[str, Any]:
    return {**SPEC, "seed": seed}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("keys")
    keys = keys_file(folder / "keys.yaml", ann={}, bob={})
    with serving(without_broker(folder / "data", api_keys=keys, max_wrong_keys=0)) as api:
        yield api


@pytest.fixture(scope="module")
def anns(api: Api, darcy_store: Path) -> tuple[str, str]:
    """A finished job of Ann's, and its data set."""
    return api.finished(darcy_store, "ann")


# Who gets in

KEY = key_of("ann")
STRANGERS: dict[str, Headers] = {
    "none": (), "empty": (("Authorization", ""),), "scheme only": (("Authorization", "Bearer"),),
    "blank": (("Authorization", "Bearer  "),), "wrong": (("Authorization", "Bearer wrong"),),
    "no scheme": (("Authorization", KEY),), "basic": (("Authorization", f"Basic {KEY}"),),
    "token": (("Authorization", f"Token {KEY}"),),
    "hash": (("Authorization", f"Bearer {sha256(KEY.encode()).hexdigest()}"),),
    "part": (("Authorization", f"Bearer {KEY[:-1]}"),), "more": (("Authorization", f"Bearer {KEY}x"),),
    "two in one": (("Authorization", f"Bearer {KEY}, Bearer {KEY}"),),
    "two words": (("Authorization", f"Bearer {KEY} x"),),
    "other case": (("Authorization", f"Bearer {KEY.upper()}"),), "not ASCII": (("Authorization", "Bearer é"),),
    "long": (("Authorization", "Bearer " + "x" * 20_000),), "name": (("Authorization", "Bearer ann"),),
    "two headers": (("Authorization", f"Bearer {KEY}"), ("Authorization", f"Bearer {KEY}")),
    "a good and a bad": (("Authorization", f"Bearer {KEY}"), ("Authorization", "Bearer wrong")),
    "a bad and a good": (("Authorization", "Bearer wrong"), ("Authorization", f"Bearer {KEY}")),
    "other header": (("X-API-Key", KEY),), "proxy": (("Proxy-Authorization", f"Bearer {KEY}"),),
    "cookie": (("Cookie", f"key={KEY}; Authorization=Bearer {KEY}"),),
}  # fmt: skip


@pytest.mark.parametrize("case", STRANGERS)
def test_strangers_get_nothing(api: Api, anns: tuple[str, str], case: str) -> None:
    """On no route, whatever else is wrong with the request; and a key in the address is none."""
    operations = api.get("/v1/openapi.json").json["paths"].items()
    asked = 0
    for path, methods in operations:
        target = path.format(
            job=anns[0],
            dataset=anns[1],
            path="zarr.json",
            sample=0,
            family="darcy",
            preset="fno-darcy",
            switch="paused",
            array="0" * 64,
            upload="0" * 32,
        )
        for method in methods:
            if path not in OPEN:
                for query in ("", f"?key={KEY}&access_token={KEY}&limit=0"):
                    answer = api.ask(method.upper(), target + query, STRANGERS[case], b"{" if method == "post" else b"")
                    answer.problem(401, "Authorization: Bearer")
                    assert answer.headers["www-authenticate"].startswith("Bearer")
                    asked += 1
    assert asked >= 26


@pytest.mark.parametrize("header", [f"Bearer {KEY}", f"bearer {KEY}", f"BEARER  {KEY} "])
def test_owners_get_in(api: Api, header: str) -> None:
    assert api.get("/v1/jobs", (("Authorization", header),)).status == 200


@pytest.mark.parametrize("path", OPEN)
def test_probes_need_no_key(api: Api, path: str) -> None:
    assert api.get(path).status in (200, 503)


# What each sees


def test_jobs_of_others_do_not_exist(api: Api, anns: tuple[str, str]) -> None:
    """For Bob, Ann's job is as missing as one that never was, to the byte."""
    job, dataset = anns
    places = [f"/v1/jobs/{{}}{part}" for part in ("", "/events", "/results", "/samples/0")]
    for place in places:
        missing = api.get(place.format("0" * 16), bearer("bob"))
        answer = api.get(place.format(job), bearer("bob"))
        assert (answer.problem(404), answer.body) == (missing.problem(404), missing.body)
        assert api.get(place.format(job), bearer("ann")).status == 200
    for query in ("", "?delete_store=true"):
        api.ask("DELETE", f"/v1/jobs/{job}{query}", bearer("bob")).problem(404)
    api.get(f"/v1/datasets/{dataset}/store/zarr.json", bearer("bob")).problem(404)
    assert api.get(f"/v1/datasets/{dataset}/store/zarr.json", bearer("ann")).status == 200
    assert api.get(f"/v1/jobs/{job}", bearer("ann")).json["status"] == "successful"


def test_lists_are_apart(api: Api, anns: tuple[str, str]) -> None:
    bobs = api.post("/v1/jobs", SPEC, bearer("bob")).json["id"]
    listed = {
        name: [job["id"] for job in api.get("/v1/jobs?limit=200", bearer(name)).json["jobs"]] for name in ("ann", "bob")
    }
    assert anns[0] in listed["ann"]
    assert bobs in listed["bob"]
    assert not set(listed["ann"]) & set(listed["bob"])


def test_idempotency_keys_are_apart(api: Api) -> None:
    name: Headers = (("Idempotency-Key", "the same for both"),)
    first, second = (api.post("/v1/jobs", other(1), (*bearer(owner), *name)) for owner in ("ann", "bob"))
    assert (first.status, second.status) == (202, 202)
    assert first.json["id"] != second.json["id"]


def test_one_of_two_may_cancel_only_his_own(api: Api) -> None:
    """Both want the same data set; when Bob cancels his job, Ann's goes on."""
    first, second = (api.post("/v1/jobs", other(2), bearer(owner)).json for owner in ("ann", "bob"))
    assert first["dataset"] == second["dataset"]
    assert api.ask("DELETE", f"/v1/jobs/{second['id']}", bearer("bob")).json["status"] == "dismissed"
    assert api.get(f"/v1/jobs/{first['id']}", bearer("ann")).json["status"] == "accepted"
    api.ask("DELETE", f"/v1/jobs/{second['id']}?delete_store=true", bearer("bob"))
    assert api.get(f"/v1/jobs/{first['id']}", bearer("ann")).json["status"] == "accepted"


def test_a_store_that_is_being_written_is_kept_whole(api: Api, darcy_store: Path) -> None:
    """A deletion that is refused changes nothing."""
    job, dataset = api.finished(darcy_store, "ann")
    with Lock(api.store(dataset), shared=True):
        answer = api.ask("DELETE", f"/v1/jobs/{job}?delete_store=true", bearer("ann"))
    answer.problem(409)
    assert api.get(f"/v1/jobs/{job}", bearer("ann")).json["status"] == "successful"
    assert api.ask("DELETE", f"/v1/jobs/{job}?delete_store=true", bearer("ann")).json["status"] == "dismissed"
    assert not api.store(dataset).exists()


# The file of keys


def test_a_changed_file_is_taken_up(tmp_path: Path) -> None:
    """Keys come, go and are exchanged for others of the same length without a restart."""
    keys = keys_file(tmp_path / "keys.yaml", ann={})
    with serving(without_broker(tmp_path / "data", api_keys=keys)) as api:
        for owners in (("ann",), ("ann", "bob"), ("bob",), ("cat",), (), ("ann",)):
            keys_file(keys, **{name: {} for name in owners})
            for name in ("ann", "bob", "cat"):
                assert api.get("/v1/jobs", bearer(name)).status == (200 if name in owners else 401)


BROKEN = {
    "not YAML": b"- {name: ann", "not a list": b"ann: key", "no hash": b"- {name: ann}", "not text": b"\xff\xfe",
    "the key itself": f"- {{name: ann, sha256: {KEY}}}".encode(),
    "unknown limit": f"- {{name: ann, sha256: {'0' * 64}, max_job: 1}}".encode(),
}  # fmt: skip


@pytest.mark.parametrize("case", [*BROKEN, "gone"])
def test_a_broken_file_opens_no_door(case: str, tmp_path: Path) -> None:
    """The keys known so far stay; /readyz says that the file is broken, but not what is in it."""
    keys = keys_file(tmp_path / "keys.yaml", ann={})
    with serving(without_broker(tmp_path / "data", api_keys=keys)) as api:
        assert api.get("/v1/jobs", bearer("ann")).status == 200
        if case == "gone":
            keys.unlink()
        else:
            keys.write_bytes(BROKEN[case])
        for headers, status in (((), 401), (bearer("ann"), 200), (bearer("bob"), 401)):
            assert api.get("/v1/jobs", headers).status == status
        ready = api.get("/readyz")
        assert "not a file of keys" in ready.json["parts"]["keys"]
        assert KEY not in ready.text
        assert "pydantic" not in ready.text
        assert str(tmp_path) not in ready.json["parts"]["keys"]
        keys_file(keys, bob={})
        assert [api.get("/v1/jobs", bearer(name)).status for name in ("ann", "bob")] == [401, 200]


# Limits


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Api]:
    """Ann may have one unfinished job, Cat a job and a half's work, Bob all."""
    keys = keys_file(tmp_path / "keys.yaml", ann={"max_jobs": 1}, bob={}, cat={"max_unknowns": WORK * 3 // 2})
    with serving(without_broker(tmp_path / "data", api_keys=keys)) as api:
        yield api


@pytest.mark.parametrize(("owner", "part"), [("ann", "1 unfinished"), ("cat", "unfinished samples x unknowns")])
def test_a_key_has_limits(limited: Api, owner: str, part: str) -> None:
    """The second job is refused, for this owner only, until the first one has ended."""
    first = limited.post("/v1/jobs", other(1), bearer(owner))
    assert first.status == 202
    answer = limited.post("/v1/jobs", other(2), bearer(owner))
    answer.problem(429, part)
    assert int(answer.headers["retry-after"]) > 0
    assert limited.post("/v1/jobs", other(2), bearer("bob")).status == 202
    assert limited.ask("DELETE", f"/v1/jobs/{first.json['id']}", bearer(owner)).status == 200
    assert limited.post("/v1/jobs", other(2), bearer(owner)).status == 202


def test_limits_hold_in_a_crowd(limited: Api) -> None:
    """Of twenty requests at a time one is accepted."""
    with ThreadPoolExecutor(20) as pool:
        for turn in range(5):
            crowd = range(20 * turn, 20 * turn + 20)
            answers = list(pool.map(lambda seed: limited.post("/v1/jobs", other(seed), bearer("ann")), crowd))
            assert sorted(answer.status for answer in answers) == [202] + [429] * 19
            (made,) = (answer.json["id"] for answer in answers if answer.status == 202)
            assert limited.ask("DELETE", f"/v1/jobs/{made}", bearer("ann")).status == 200


def test_one_job_can_be_too_much(limited: Api) -> None:
    limited.post("/v1/jobs", {**SPEC, "samples": 200}, bearer("cat")).problem(429)


def test_a_repeated_request_needs_no_room(limited: Api) -> None:
    """Whoever did not hear the answer asks again with the same Idempotency-Key, and gets it, however full it is."""
    headers: Headers = (*bearer("ann"), ("Idempotency-Key", "once"))
    first, second = (limited.post("/v1/jobs", SPEC, headers) for _ in range(2))
    assert (first.status, second.status) == (202, 202)
    assert first.json["id"] == second.json["id"]
    limited.post("/v1/jobs", other(3), headers).problem(422, "was used for another spec")


def test_the_queue_has_an_end(tmp_path: Path) -> None:
    with serving(without_broker(tmp_path / "data", max_queue=2)) as api:
        assert [api.post("/v1/jobs", other(seed)).status for seed in range(2)] == [202, 202]
        answer = api.post("/v1/jobs", other(2))
        answer.problem(429, "the queue is full")
        assert int(answer.headers["retry-after"]) > 0


# No open door


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "", "example.org", "127.0.0.1.example.org", "0"])
def test_without_keys_only_the_loopback_is_served(host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PDEMILL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("PDEMILL_API_KEYS", raising=False)
    monkeypatch.setattr("sys.argv", ["service", "--port", "0", "--host", host])
    monkeypatch.setattr("uvicorn.Server.run", lambda *words, **options: pytest.fail("it serves"))
    with pytest.raises(SystemExit, match=r"^error: .*set PDEMILL_API_KEYS"):
        main()
    assert not (tmp_path / "data").exists()


SERVICE = [sys.executable, "-m", "pdemill.service", "--port", "0", "--host", "0.0.0.0"]
SERVE = [str(Path(sys.executable).with_name("pdemill")), "serve", "--host", "0.0.0.0", "--data-dir", "data"]


@pytest.mark.parametrize("keys", [None, "", "  "], ids=["none", "empty", "blank"])
@pytest.mark.parametrize("command", [SERVICE, SERVE], ids=["service", "serve"])
def test_no_server_starts_open(command: list[str], keys: str | None, tmp_path: Path) -> None:
    """A variable that is set, but empty, names no file."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PDEMILL_")}
    if keys is not None:
        environment["PDEMILL_API_KEYS"] = keys
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert done.stderr.startswith("error: ")
    assert "set PDEMILL_API_KEYS" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("case", [*BROKEN, "gone"])
def test_a_broken_file_is_told_of_in_one_line(case: str, tmp_path: Path) -> None:
    """Before the server starts, and without what is in the file."""
    path = tmp_path / "keys.yaml"
    if case in BROKEN:
        path.write_bytes(BROKEN[case])
    with pytest.raises(PdemillError, match=r"^PDEMILL_API_KEYS: .*not a file of keys: .") as error:
        KeyRing(path)
    assert len(str(error.value).splitlines()) == 1
    assert KEY not in str(error.value)
    assert "pydantic" not in str(error.value)
