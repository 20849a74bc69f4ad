"""Behind a proxy: the address that clients know, and whom to believe."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from pdemill.errors import PdemillError
from pdemill.settings import Settings
from tests.service.api import Api, Headers, bearer, key_of, keys_file, serving, without_broker

PUBLIC = "https://train.example.org"
FORWARDED: Headers = (("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "192.0.2.7"))


def settings(folder: Path, **changes: Any) -> Settings:
    keys = keys_file(folder / "keys.yaml", ann={})
    return replace(without_broker(folder / "data"), api_keys=keys, **changes)


def texts(api: Api, store: Path, headers: Headers) -> list[str]:
    """The snippets of the API and of the page."""
    job, _ = api.finished(store, "ann")
    told = api.get(f"/v1/jobs/{job}/results", (*bearer("ann"), *headers)).json["snippets"]
    form: Headers = (("Content-Type", "application/x-www-form-urlencoded"), ("Sec-Fetch-Site", "same-origin"))
    answer = api.ask("POST", "/key", (*form, *headers), f"key={key_of('ann')}".encode())
    cookie = answer.headers["set-cookie"]
    page = api.get(f"/jobs/{job}/use", (("Cookie", cookie.partition(";")[0]), *headers)).text
    shown = [unescape(text) for text in re.findall(r'<code id="t\d">(.*?)</code>', page, re.DOTALL)]
    assert sorted(shown) == sorted(told.values())
    assert key_of("ann") not in page + str(told)
    assert ("secure" in cookie.lower()) == ("https://" in told["zarr"])
    return [told[name] for name in ("zarr", "curl", "export")]


@pytest.mark.parametrize(
    ("changes", "headers", "base"),
    [({}, (), "http://localhost"), ({}, FORWARDED, "http://localhost"),
     ({"trusted_proxies": ("192.0.2.0/24",)}, FORWARDED, "http://localhost"),
     ({"trusted_proxies": ("127.0.0.1",)}, FORWARDED, "https://localhost"),
     ({"trusted_proxies": ("127.0.0.0/8",)}, (("Forwarded", "proto=https"),), "http://localhost"),
     ({"public_url": PUBLIC}, (), PUBLIC), ({"public_url": PUBLIC}, (("Host", "train.example.org"),), PUBLIC)],
)  # fmt: skip
def test_snippets_name_the_address_that_clients_know(
    changes: dict[str, Any], headers: Headers, base: str, tmp_path: Path, darcy_store: Path
) -> None:
    """And say how a key is sent, but no key."""
    with serving(settings(tmp_path, **changes)) as api:
        zarr, curl, export = texts(api, darcy_store, headers)
    for text in (zarr, curl, export):
        assert re.findall(r"https?://[^/]+", text) == [base]
    assert 'os.environ["PDEMILL_API_KEY"]' in zarr
    assert '-H "Authorization: Bearer $PDEMILL_API_KEY"' in curl


def test_the_zarr_snippet_reads_the_store(
    tmp_path: Path, darcy_store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(settings(tmp_path)) as api:
        host: Headers = (("Host", f"127.0.0.1:{api.port}"),)
        zarr, _, _ = texts(api, darcy_store, host)
        monkeypatch.setenv("PDEMILL_API_KEY", key_of("ann"))
        exec(zarr, {})
    assert capsys.readouterr().out == "(40, 1, 16, 12)\n"


def test_other_hosts_stay_out(tmp_path: Path) -> None:
    with serving(settings(tmp_path, public_url=f"{PUBLIC}:8443")) as api:
        assert api.get("/healthz", (("Host", "train.example.org"),)).status == 200
        api.get("/healthz", (("Host", "evil.example.org"),)).problem(421)


@pytest.mark.parametrize(
    ("name", "value"),
    [("PUBLIC_URL", "train.example.org"), ("PUBLIC_URL", "ftp://x"), ("PUBLIC_URL", "https://x/path"),
     ("PUBLIC_URL", "https://u:p@x"), ("PUBLIC_URL", 'https://x";rm'), ("TRUSTED_PROXIES", "*"),
     ("TRUSTED_PROXIES", "proxy"), ("TRUSTED_PROXIES", "10.0.0.1/8")],
)  # fmt: skip
def test_what_is_no_address_is_refused(name: str, value: str) -> None:
    with pytest.raises(PdemillError, match=f"PDEMILL_{name} should be"):
        Settings.read({**os.environ, f"PDEMILL_{name}": value})


def test_settings_are_read() -> None:
    read = Settings.read({"PDEMILL_PUBLIC_URL": f"{PUBLIC}/", "PDEMILL_TRUSTED_PROXIES": "10.0.0.0/8, ::1"})
    assert (read.public_url, read.trusted_proxies) == (PUBLIC, ("10.0.0.0/8", "::1"))
    assert read.hosts == (*Settings.allowed_hosts, "train.example.org")
