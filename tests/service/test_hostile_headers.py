"""Headers and parameters that play tricks: hosts, ranges, entity tags, cursors, methods."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from tests.service.api import Api, Headers, serving, without_broker

EVIL = "evil.example"
JOBS = "GET /v1/jobs HTTP/1.1\r\n"
CLOSE = "Connection: close\r\n\r\n"


pytestmark = pytest.mark.usefixtures("unharmed")


# Hosts


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]", "[::1]:80"])
@pytest.mark.parametrize("path", ["/healthz", "/v1/jobs", "/"])
def test_hosts_that_are_meant(api: Api, host: str, path: str) -> None:
    assert api.get(path, (("Host", host),)).status == 200


OTHER_HOSTS = (
    EVIL, f"localhost.{EVIL}", f"{EVIL}:8000", "localhost.", "localhost:", "127.1", "127.0.0.2", "0.0.0.0", "0", "::1",
    "2130706433", f"localhost@{EVIL}", "user@localhost", f"localhost:80@{EVIL}", f"localhost#{EVIL}",
    f"localhost/{EVIL}", f"localhost, {EVIL}", "*", "[::1", "lócalhost", "localhost:80:80", "",
)  # fmt: skip


@pytest.mark.parametrize("host", OTHER_HOSTS)
@pytest.mark.parametrize("path", ["/healthz", "/v1/jobs", "/metrics", "/v1/openapi.json", "/nothing"])
def test_other_hosts_are_turned_away(api: Api, host: str, path: str) -> None:
    """A page of another site whose name was made to point at the loopback (DNS rebinding) gets nothing."""
    api.get(path, (("Host", host),)).problem(421, "PDEMILL_ALLOWED_HOSTS")


HEADS = {
    "two hosts": (f"{JOBS}Host: localhost\r\nHost: {EVIL}\r\n{CLOSE}", 400), "no host": (f"{JOBS}{CLOSE}", 400),
    "same host twice": (f"{JOBS}Host: localhost\r\nHost: localhost\r\n{CLOSE}", 400),
    "no host, HTTP/1.0": (f"GET /v1/jobs HTTP/1.0\r\n{CLOSE}", 421), "HTTP/0.9": ("GET /v1/jobs\r\n\r\n", 400),
    "HTTP/2": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 421), "NUL": (f"{JOBS}Host: local\0host\r\n{CLOSE}", 400),
    "another address": (f"GET http://{EVIL}/v1/jobs HTTP/1.1\r\nHost: {EVIL}\r\n{CLOSE}", 421),
    "CR in a value": (f"{JOBS}Host: localhost\r\nX-A: a\rSet-Cookie: b\r\n{CLOSE}", 400),
    "NUL in a value": (f"{JOBS}Host: localhost\r\nX-A: a\0b\r\n{CLOSE}", 400),
    "space in a name": (f"{JOBS}Host: localhost\r\nX A: b\r\n{CLOSE}", 400), "no name": (f"{JOBS}: b\r\n{CLOSE}", 400),
    "space before the colon": (f"{JOBS}Host : localhost\r\n{CLOSE}", 400),
    "no version": ("GET /v1/jobs HTTP/\r\n\r\n", 400),
    "folded": (f"{JOBS}Host: localhost\r\nX-A: a\r\n b\r\n{CLOSE}", 200), "garbage": ("\x16\x03\x01\r\n\r\n", 400),
    "space in the target": (f"GET /v1/jobs /x HTTP/1.1\r\nHost: localhost\r\n{CLOSE}", 400),
    "upgrade": (f"{JOBS}Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", 200),
}  # fmt: skip


@pytest.mark.parametrize("case", HEADS)
def test_heads_that_are_none(api: Api, case: str) -> None:
    head, status = HEADS[case]
    assert api.send(head).status == status


@pytest.mark.parametrize(
    ("start", "piece"),
    [(f"{JOBS}Host: localhost\r\nX-A: ", b"a" * 8_192), (f"{JOBS}Host: localhost\r\n", b"X-A: b\r\n" * 1_024),
     ("GET /v1/jobs?", b"a" * 8_192), (f"{JOBS}Host: localhost\r\n", b"X" * 8_192)],
    ids=["value", "many", "target", "name"],
)  # fmt: skip
def test_a_megabyte_of_head(api: Api, start: str, piece: bytes) -> None:
    answer = api.send(start, [piece] * 128)
    assert answer.status == 400
    assert answer.sent < 1_000_000


FORWARDED: Headers = (
    ("X-Forwarded-Host", EVIL), ("X-Forwarded-Proto", "gopher"), ("X-Forwarded-Port", "666"), ("X-Forwarded-For", EVIL),
    ("X-Forwarded-Prefix", f"/{EVIL}"), ("Forwarded", f"host={EVIL};proto=gopher"), ("X-Original-URL", f"/{EVIL}"),
    ("X-Rewrite-URL", f"/{EVIL}"), ("X-HTTP-Method-Override", "DELETE"), ("X-Host", EVIL), ("Origin", f"http://{EVIL}"),
)  # fmt: skip


def test_nothing_forwarded_is_believed(api: Api, finished: tuple[str, str]) -> None:
    spec = {"problem": {"family": "poisson", "resolution": [8]}, "samples": 1}
    made = api.post("/v1/jobs", spec, FORWARDED)
    assert made.status == 202
    assert re.fullmatch(r"/v1/jobs/[0-9a-f]{16}", made.headers["location"])
    answers = [made, api.get("/v1/jobs?limit=1", FORWARDED), api.get(f"/v1/jobs/{finished[0]}/results", FORWARDED)]
    for answer in answers:
        assert answer.status in (200, 202)
        assert EVIL not in answer.text + str(answer.headers)
        assert "gopher" not in answer.text
        assert "access-control-allow-origin" not in answer.headers
    assert "http://localhost/v1/datasets/" in answers[-1].json["snippets"]["zarr"]


@pytest.mark.parametrize("host", ["[", "a b", "x:99999999999", '";rm -rf ~;"', "é", "a" * 9_000, ":", "@", "%00"])
def test_any_host_where_any_is_allowed(host: str, tmp_path: Path, darcy_store: Path) -> None:
    """Whatever the host, no error, and no snippet that does something else."""
    with serving(without_broker(tmp_path / "data", allowed_hosts=("*",))) as api:
        job, _ = api.finished(darcy_store)
        answer = api.get(f"/v1/jobs/{job}/results", (("Host", host),))
        assert answer.status in (200, 400, 421)
        if answer.status == 200:
            assert ";" not in answer.json["snippets"]["curl"]


PROXIED = (
    "",
    " ",
    "é",
    "x" * 9_000,
    "127.0.0.1, " * 500,
    ",,,",
    "[::1",
    "[]:1",
    "1.2.3.4:99999999999",
    "%00",
    "unknown",
    "_x",
)


@pytest.mark.parametrize("text", PROXIED, ids=lambda text: text[:9])
def test_what_a_trusted_proxy_forwards_may_be_garbage(text: str, tmp_path: Path) -> None:
    """It is taken from the client, after all."""
    with serving(without_broker(tmp_path / "data", trusted_proxies=("127.0.0.1",))) as api:
        for name in ("X-Forwarded-For", "X-Forwarded-Proto"):
            assert api.get("/v1/jobs", ((name, text),)).status == 200
            assert api.get("/v1/jobs", ((name, text), (name, text), ("Authorization", "Bearer x"))).status == 200


# Methods


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "OPTIONS", "PROPFIND", "get", "M" * 5_000])
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/0", "/healthz"])
def test_other_methods(api: Api, method: str, path: str) -> None:
    answer = api.ask(method, path)
    answer.problem(405)
    assert method not in answer.headers["allow"].split(", ")


def test_invented_methods_leave_no_trace_in_the_metrics(api: Api) -> None:
    for number in range(20):
        api.ask(f"INVENTED{number}", "/v1/jobs")
        api.ask("GET", f"/invented/{number}")
    assert "invented" not in api.get("/metrics").text.lower()


# Ranges

RANGES: dict[str, tuple[str, int]] = {
    "first": ("bytes=0-9", 206), "last": ("bytes=-5", 206), "from": ("bytes=5-", 206), "all": ("bytes=-99999999", 206),
    "two": ("bytes=0-0,5-6", 206), "overlapping": ("bytes=0-9,5-20", 206), "past the end": ("bytes=0-99999999", 206),
    "hundreds": ("bytes=" + ",".join("0-" for _ in range(500)), 200), "beyond": ("bytes=99999999-", 416),
    "none at the end": ("bytes=-0", 416), "one beyond": ("bytes=0-1,99999999-", 416), "inverted": ("bytes=9-5", 400),
    "empty": ("bytes=", 400), "no unit": ("0-9", 400), "other unit": ("lines=0-9", 400), "letters": ("bytes=a-b", 400),
    "negative": ("bytes=5--1", 400), "digits": ("bytes=" + "9" * 5_000 + "-", 400), "blank": ("", 400),
    "not ASCII": ("bytes=é-", 400), "SQL": ("bytes=0-1;drop", 400), "float": ("bytes=0.5-1.5", 400),
}  # fmt: skip


@pytest.mark.parametrize("case", RANGES)
def test_ranges(api: Api, finished: tuple[str, str], darcy_store: Path, case: str) -> None:
    text, status = RANGES[case]
    answer = api.get(f"/v1/datasets/{finished[1]}/store/zarr.json", (("Range", text),))
    whole = (darcy_store / "zarr.json").read_bytes()
    if status >= 400:
        (error,) = answer.problem(status)["errors"]
        assert error["header"].lower() == "range"
    else:
        assert answer.status == status
        assert len(answer.body) <= len(whole)
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{len(whole)}"
    if status == 206 and "content-range" in answer.headers:
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.headers["content-range"])
        assert found is not None
        first, last, size = map(int, found.groups())
        assert (answer.body, size) == (whole[first : last + 1], len(whole))


# Tags and keys

GARBAGE = ("", '"', "*" * 9_000, 'W/"', ",,,,", '"x", W/"y"', "é", "%00", "\t", '"' * 9_999, "null", "-1")


@pytest.mark.parametrize("text", GARBAGE)
def test_tags_that_are_none(api: Api, finished: tuple[str, str], text: str) -> None:
    """An unknown entity tag or event id means: tell everything."""
    answer = api.get(f"/v1/jobs/{finished[0]}", (("If-None-Match", text),))
    assert (answer.status, answer.json["id"]) == (200, finished[0])
    stream = api.get(f"/v1/jobs/{finished[0]}/events", (("Last-Event-ID", text),))
    assert stream.status == 200
    assert stream.text.count("event: job") == 1
    assert finished[0] in stream.text


def test_a_known_tag(api: Api, finished: tuple[str, str]) -> None:
    address = f"/v1/jobs/{finished[0]}"
    tag = api.get(address).headers["etag"]
    for text in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = api.get(address, (("If-None-Match", text),))
        assert (answer.status, answer.body) == (304, b"")
    assert "event: job" not in api.get(f"{address}/events", (("Last-Event-ID", tag.strip('"')),)).text


@pytest.mark.parametrize(
    "key", ["", " ", "x" * 256, "x" * 10_000, "a\tb", "a\x01b", "a\x7fb", "é"],
    ids=["empty", "blank", "256", "10,000", "tab", "control", "delete", "not ASCII"],
)  # fmt: skip
def test_idempotency_keys_that_are_none(api: Api, key: str) -> None:
    spec = {"problem": {"family": "poisson", "resolution": [8]}, "samples": 1}
    (error,) = api.post("/v1/jobs", spec, (("Idempotency-Key", key),)).problem(422)["errors"]
    assert error["header"].lower() == "idempotency-key"


# Pages


def cursor(text: str) -> str:
    return "cursor=" + urlsafe_b64encode(text.encode()).decode().rstrip("=")


QUERIES: dict[str, tuple[str, str]] = {
    "limit 0": ("limit=0", "limit"), "limit 201": ("limit=201", "limit"), "limit -1": ("limit=-1", "limit"),
    "limit text": ("limit=x", "limit"), "limit blank": ("limit=", "limit"), "limit float": ("limit=1.5", "limit"),
    "limit huge": ("limit=" + "9" * 5_000, "limit"), "limit twice": ("limit=1&limit=500", "limit"),
    "limit NUL": ("limit=1%00", "limit"), "status": ("status=x", "status"), "status blank": ("status=", "status"),
    "status NUL": ("status=accepted%00", "status"), "status SQL": ("status='%20OR%201=1", "status"),
    "owner blank": ("owner=", "owner"), "owner NUL": ("owner=%00", "owner"),
    "owner SQL": ("owner='%20OR%201=1", "owner"), "owner star": ("owner=**", "owner"),
    "owner long": ("owner=" + "x" * 65, "owner"), "owner é": ("owner=%C3%A9", "owner"),
    "cursor blank": ("cursor=", "cursor"), "cursor text": ("cursor=hello", "cursor"),
    "cursor NUL": ("cursor=%00", "cursor"),
    "cursor not base64": ("cursor=!!!", "cursor"), "cursor long": ("cursor=" + "M" * 65, "cursor"),
    "cursor not UTF-8": ("cursor=%ff", "cursor"), "cursor negative": (cursor("-1"), "cursor"),
    "cursor float": (cursor("1.5"), "cursor"), "cursor SQL": (cursor("1 OR 1=1"), "cursor"),
    "cursor huge": (cursor("9" * 40), "cursor"), "cursor other digits": (cursor("٣"), "cursor"),
    "cursor empty": (cursor(""), "cursor"), "cursor underscore": (cursor("1_0"), "cursor"),
}  # fmt: skip


@pytest.mark.parametrize("case", QUERIES)
def test_queries_that_are_none(api: Api, case: str) -> None:
    query, parameter = QUERIES[case]
    (error,) = api.get(f"/v1/jobs?{query}").problem(422)["errors"]
    assert error["parameter"] == parameter


@pytest.mark.parametrize("number", ["0", "1", "9" * 18])
def test_a_forged_cursor_is_only_a_place_in_the_list(api: Api, finished: tuple[str, str], number: str) -> None:
    listed = {job["id"] for job in api.get("/v1/jobs?limit=200").json["jobs"]}
    page = api.get(f"/v1/jobs?{cursor(number)}")
    assert page.status == 200
    assert {job["id"] for job in page.json["jobs"]} <= listed


SAMPLES = {
    "-1": 404,
    "40": 404,
    "9" * 400: 404,
    "9" * 5_000: 422,
    "1e3": 422,
    "0x1": 422,
    "x": 422,
    "0%00": 422,
    "%20": 422,
}


@pytest.mark.parametrize("number", SAMPLES, ids=lambda text: text[:9])
def test_samples_that_are_none(api: Api, finished: tuple[str, str], number: str) -> None:
    api.get(f"/v1/jobs/{finished[0]}/samples/{number}").problem(SAMPLES[number])


@pytest.mark.parametrize("split", ["nope", "", "..", "../test", "%00", "_manifest", "x" * 9_000])
def test_splits_that_are_none(api: Api, finished: tuple[str, str], split: str) -> None:
    answer = api.get(f"/v1/jobs/{finished[0]}/samples/0?split={split}")
    answer.problem(422, "choose one of train, test")
    assert len(answer.body) < 2_000
