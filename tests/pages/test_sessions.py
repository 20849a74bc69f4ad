"""Keys on pages: asked for once, remembered in a cookie, ended with the key."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from pdemill.service.pages.session import LASTS_SECONDS, SECRET
from tests.pages.html import faults
from tests.service.api import Answer, Api, Headers, bearer, key_of, keys_file, serving, without_broker

SITE: Headers = (("Sec-Fetch-Site", "same-origin"), ("Content-Type", "application/x-www-form-urlencoded"))


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Api]:
    keys = keys_file(tmp_path / "keys.yaml", alice={}, bob={})
    with serving(without_broker(tmp_path / "data", api_keys=keys)) as api:
        yield api


def give(api: Api, key: str, place: str = "/") -> Answer:
    return api.ask("POST", "/key", SITE, urlencode({"key": key, "next": place}).encode())


def cookie(answer: Answer) -> Headers:
    return (("Cookie", answer.headers["set-cookie"].partition(";")[0]),)


def test_strangers_are_asked_for_a_key(keyed: Api) -> None:
    for target in ("/", "/new", "/catalogue", "/jobs/x", "/jobs/x/events", "/jobs/x/samples/train/0.png"):
        answer = keyed.get(target)
        assert answer.status == 303
        assert answer.headers["location"].startswith("/key?next=/")
    assert faults(keyed.get("/key").text) == []
    assert keyed.get("/static/pages.css").status == 200


def test_a_key_opens_the_pages(keyed: Api) -> None:
    answer = give(keyed, key_of("alice"), "/new")
    assert (answer.status, answer.headers["location"]) == (303, "/new")
    words = answer.headers["set-cookie"].lower()
    assert "httponly" in words
    assert "samesite=strict" in words
    assert key_of("alice") not in words
    page = keyed.get("/", cookie(answer))
    assert page.status == 200
    assert "Forget my key" in page.text
    assert faults(page.text) == []


def test_a_wrong_key_opens_nothing(keyed: Api) -> None:
    answer = give(keyed, "guess")
    assert answer.status == 403
    assert "set-cookie" not in answer.headers
    assert faults(answer.text) == []


def test_the_api_wants_its_own_key(keyed: Api) -> None:
    """A cookie is no key: the API never changes anything for it."""
    known = cookie(give(keyed, key_of("alice")))
    assert keyed.get("/v1/jobs", known).status == 401
    assert keyed.get("/v1/jobs", bearer("alice")).status == 200


@pytest.mark.parametrize("place", ["//evil.example", "http://evil.example", "/\\evil.example", "", "/a\nb"])
def test_nobody_is_sent_elsewhere(keyed: Api, place: str) -> None:
    assert give(keyed, key_of("alice"), place).headers["location"] == "/"


def test_cookies_cannot_be_made_up(keyed: Api) -> None:
    name, until, code = cookie(give(keyed, key_of("alice")))[0][1].removeprefix("pdemill=").split(":")
    later = str(int(until) + 1)
    for value in (f"bob:{until}:{code}", f"{name}:{later}:{code}", f"{name}:{until}:{'0' * 64}", f"{name}:{until}:",
                  f"{name}:{until}:\xe9", f"{name}::{code}", f"{name}:²:{code}", "", ":", "::"):  # fmt: skip
        assert keyed.get("/", (("Cookie", f"pdemill={value}"),)).status == 303


def test_a_session_ends_with_its_time_and_with_its_key(keyed: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    known = cookie(give(keyed, key_of("alice")))
    now = time.time()
    with monkeypatch.context() as patched:
        patched.setattr("pdemill.service.pages.session.time.time", lambda: now + LASTS_SECONDS + 5)
        assert keyed.get("/", known).status == 303
    assert keyed.get("/", known).status == 200
    assert keyed.settings.api_keys is not None
    keys_file(keyed.settings.api_keys, bob={})
    assert keyed.get("/", known).status == 303


def test_the_secret_is_for_nobody_else(keyed: Api) -> None:
    give(keyed, key_of("alice"))
    assert (keyed.settings.state / SECRET).stat().st_mode & 0o077 == 0


def test_a_session_lasts_over_a_restart(keyed: Api) -> None:
    known = cookie(give(keyed, key_of("alice")))
    with serving(keyed.settings) as again:
        assert again.get("/", known).status == 200
