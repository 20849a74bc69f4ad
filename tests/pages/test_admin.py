"""What the key of an admin shows on pages, and that no other key shows or does any of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from pdemill.service.testing import until
from tests.pages.html import faults
from tests.service.api import Answer, Api, Headers, bearer, key_of, keys_file, serving, without_broker

OURS: Headers = (("Sec-Fetch-Site", "same-origin"),)
FORM: Headers = (("Content-Type", "application/x-www-form-urlencoded"),)
SPEC: dict[str, Any] = {"problem": {"family": "poisson", "resolution": [9]}, "samples": 100}
OWNERS: dict[str, dict[str, Any]] = {
    "ann": {}, "bob": {}, "root": {"role": "admin"}, "prometheus": {"role": "metrics"},
}  # fmt: skip
ADMINS = ("/server", "/?owner=*", "/?owner=bob", "/?owner=root&status=accepted")
SWITCHED = ("/server/paused", "/server/drained")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("admin")
    keys = keys_file(folder / "keys.yaml", **OWNERS)
    with serving(without_broker(folder / "data", api_keys=keys)) as api:
        yield api


@pytest.fixture(scope="module")
def cookies(api: Api) -> dict[str, Headers]:
    """The cookie of every owner."""
    found: dict[str, Headers] = {}
    for owner in OWNERS:
        given = post(api, "/key", OURS, key=key_of(owner))
        found[owner] = (("Cookie", given.headers["set-cookie"].partition(";")[0]),)
    return found


def post(api: Api, target: str, headers: Headers, **values: str) -> Answer:
    return api.ask("POST", target, (*FORM, *headers), urlencode(values).encode())


def submitted(api: Api, owner: str, seed: int) -> str:
    return str(api.post("/v1/jobs", {**SPEC, "seed": seed}, bearer(owner)).json["id"])


def switches(api: Api) -> dict[str, bool]:
    found: dict[str, bool] = api.get("/v1/server", bearer("root")).json
    return found


def test_an_admin_sees_the_jobs_of_all(api: Api, cookies: dict[str, Headers]) -> None:
    jobs = {owner: submitted(api, owner, 1 + number) for number, owner in enumerate(("ann", "bob", "root"))}

    def listed(query: str) -> set[str]:
        answer = api.get(f"/{query}", cookies["root"])
        assert answer.status == 200
        assert faults(answer.text) == []
        return {owner for owner, job in jobs.items() if f'href="/jobs/{job}"' in answer.text}

    assert listed("") == {"root"}
    assert listed("?owner=*") == listed("?status=accepted&owner=*") == {"ann", "bob", "root"}
    assert listed("?owner=bob") == {"bob"}
    text = api.get("/?owner=*", cookies["root"]).text
    assert 'data-label="Owner"><a href="/?owner=ann">ann</a>' in text
    assert 'hx-get="/?owner=*&amp;' in text
    links = {unescape(link) for link in re.findall(r'href="(/\?[^"]*)"', text)}
    assert {"/?owner=*&status=failed", "/?owner=*&", "/?"} <= links
    page = api.get(f"/jobs/{jobs['ann']}", cookies["root"]).text
    assert "of ann" in page
    assert "Retry" not in page
    for place in ("", "/gallery", "/use", "/findings"):
        assert api.get(f"/jobs/{jobs['ann']}{place}", cookies["root"]).status == 200


def test_an_admin_ends_the_jobs_of_all(api: Api, cookies: dict[str, Headers], darcy_store: Path) -> None:
    job = submitted(api, "ann", 10)
    finished, dataset = api.finished(darcy_store, "ann")
    assert post(api, f"/jobs/{job}/cancel", (*OURS, *cookies["root"])).status == 303
    assert post(api, f"/jobs/{finished}/delete", (*OURS, *cookies["root"])).status == 303
    assert api.get(f"/v1/jobs/{job}", bearer("ann")).json["status"] == "dismissed"
    assert not api.store(dataset).exists()
    assert post(api, f"/jobs/{job}/retry", (*OURS, *cookies["root"])).status == 409


@pytest.mark.parametrize(("switch", "words"), [("paused", "The server is paused"), ("drained", "takes no new jobs")])
def test_an_admin_switches(api: Api, cookies: dict[str, Headers], switch: str, words: str) -> None:
    """What is switched stands on the pages of all, since their jobs wait or are refused."""
    before = api.get("/server", cookies["root"])
    assert faults(before.text) == []
    form = re.search(rf'action="/server/{switch}".*?name="on" value="(\w+)"', before.text, re.DOTALL)
    assert form
    assert form[1] == "yes"
    assert post(api, f"/server/{switch}", (*OURS, *cookies["root"]), on="yes").headers["location"] == "/server"
    assert switches(api)[switch] is True
    for place in ("/", "/new"):
        assert words in api.get(place, cookies["ann"]).text
    after = api.get("/server", cookies["root"]).text
    assert re.search(rf'action="/server/{switch}".*?name="on" value="no"', after, re.DOTALL)
    assert post(api, f"/server/{switch}", (*OURS, *cookies["root"]), on="no").status == 303
    assert switches(api) == {"paused": False, "drained": False}
    assert words not in api.get("/", cookies["ann"]).text


def test_the_server_page_tells_who_has_what(api: Api, cookies: dict[str, Headers], darcy_store: Path) -> None:
    api.finished(darcy_store, "bob", bytes=123_000)
    submitted(api, "bob", 20)
    text = api.get("/server", cookies["root"]).text
    row = re.findall(r'<tr><th scope="row"><a href="/\?owner=bob">bob</a></th>.*?</tr>', text)
    assert len(row) == 1
    unfinished, every = (int(number) for number in re.findall(r'jobs">(\d+)</td>', row[0]))
    assert 1 <= unfinished < every
    until(lambda: "broker:" in api.get("/server", cookies["root"]).text, what="the trouble of a broker that is away")
    for secret in (key_of("bob"), "sha256"):
        assert secret not in api.get("/server", cookies["root"]).text


def test_no_other_key_reaches_any_of_it(api: Api, cookies: dict[str, Headers]) -> None:
    """Nor sees that it is there: no link, no owner, no job of another."""
    job = submitted(api, "bob", 30)
    for target in ADMINS:
        answer = api.get(target, cookies["ann"])
        assert answer.status == 403, target
        assert faults(answer.text) == []
        assert job not in answer.text
    for place in SWITCHED:
        assert post(api, place, (*OURS, *cookies["ann"]), on="yes").status == 403
    assert switches(api) == {"paused": False, "drained": False}
    for place in ("", "/gallery", "/use", "/findings", "/events", "/delete", "/samples/train/0.png"):
        assert api.get(f"/jobs/{job}{place}", cookies["ann"]).status == 404
    for action in ("cancel", "retry", "delete", "name"):
        assert post(api, f"/jobs/{job}/{action}", (*OURS, *cookies["ann"]), name="x").status == 404
    assert api.get(f"/v1/jobs/{job}", bearer("bob")).json["status"] == "accepted"
    for place in ("/", "/new", "/catalogue"):
        text = api.get(place, cookies["ann"]).text
        assert "/server" not in text
        assert "owner=" not in text
        assert "bob" not in text


@pytest.mark.parametrize("target", [*ADMINS, *SWITCHED])
def test_neither_strangers_nor_metrics_do(api: Api, cookies: dict[str, Headers], target: str) -> None:
    """A bearer key opens no page either."""
    method = "POST" if target in SWITCHED else "GET"
    for headers, expected in (((), 303), (bearer("root"), 303), (cookies["prometheus"], 403)):
        answer = api.ask(method, target, (*FORM, *OURS, *headers), b"on=yes")
        assert answer.status == expected, target
    assert switches(api) == {"paused": False, "drained": False}


@pytest.mark.parametrize(
    "headers", [(), (("Origin", "http://evil.example"),), (("Origin", "null"),), (("Sec-Fetch-Site", "cross-site"),),
                (("Sec-Fetch-Site", "same-site"),)],
)  # fmt: skip
def test_other_sites_change_nothing_with_the_cookie_of_an_admin(
    api: Api, cookies: dict[str, Headers], headers: Headers, darcy_store: Path
) -> None:
    job, dataset = api.finished(darcy_store, "ann")
    for place in (*SWITCHED, f"/jobs/{job}/delete", f"/jobs/{job}/name", f"/jobs/{job}/cancel"):
        assert post(api, place, (*headers, *cookies["root"]), on="yes", name="x").status == 403
    assert switches(api) == {"paused": False, "drained": False}
    assert api.store(dataset).exists()
    assert api.get(f"/v1/jobs/{job}", bearer("ann")).json["name"] == ""


def test_pages_of_admins_keep_the_policy(api: Api, cookies: dict[str, Headers]) -> None:
    for target in ("/server", "/?owner=*"):
        answer = api.get(target, cookies["root"])
        assert "script-src 'self';" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
    for wrong in ("/?owner=", "/?owner=a%20b", "/?owner=**", "/server/nothing"):
        method = "POST" if "server" in wrong else "GET"
        assert api.ask(method, wrong, (*FORM, *OURS, *cookies["root"]), b"on=yes").status == 422


def test_without_keys_everybody_is_an_admin(tmp_path: Path) -> None:
    """As with the API: whoever reaches the loopback may pause the server."""
    with serving(without_broker(tmp_path / "data")) as api:
        assert 'href="/server"' in api.get("/").text
        assert post(api, "/server/paused", OURS, on="yes").status == 303
        assert api.get("/v1/server").json["paused"] is True
