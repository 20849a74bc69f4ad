"""Bodies that are too long, too slow, too deep, or not JSON: a problem, at once, and no harm."""

from __future__ import annotations

import gzip
import json
import re
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from pdemill.service.testing import until
from tests.service.api import SECONDS, Api, Headers

type Json = dict[str, Any]

SUBMIT = "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
HUNDRED_MB = 100_000_000
BLOCK = b" " * 65_536
CHUNK = b"10000\r\n" + BLOCK + b"\r\n"


pytestmark = pytest.mark.usefixtures("unharmed")


# Length

TOO_LONG: dict[str, tuple[str, Sequence[bytes]]] = {
    "declared": (f"Content-Length: {HUNDRED_MB}\r\n", [BLOCK] * 1_600),
    "declared, not sent": (f"Content-Length: {HUNDRED_MB}\r\n", ()),
    "declared, asked before": (f"Content-Length: {HUNDRED_MB}\r\nExpect: 100-continue\r\n", ()),
    "one byte too many": ("Content-Length: 1000001\r\n", ()),
    "chunked": ("Transfer-Encoding: chunked\r\n", [CHUNK] * 1_600),
    "small chunks": ("Transfer-Encoding: chunked\r\n", [(b"20\r\n" + b" " * 32 + b"\r\n") * 1_000] * 3_000),
    "one endless chunk": ("Transfer-Encoding: chunked\r\n", [b"5f5e100\r\n", *[BLOCK] * 1_600]),
}  # fmt: skip


@pytest.mark.parametrize("case", TOO_LONG)
def test_a_body_is_cut_off(api: Api, case: str) -> None:
    """100 MB are refused early, whether or not they are announced."""
    headers, body = TOO_LONG[case]
    answer = api.send(f"{SUBMIT}{headers}\r\n", body)
    answer.problem(413, "1,000,000 bytes")
    assert answer.headers["connection"] == "close"
    assert answer.sent < HUNDRED_MB // 4


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/0", "/nothing"])
def test_nobody_waits_for_a_body_that_is_not_read(api: Api, method: str, path: str) -> None:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = api.send(head, [CHUNK] * 1_600)
    assert answer.status in (200, 404, 405)
    assert answer.sent < HUNDRED_MB // 4


LIES = {
    "negative": "-1", "exponent": "1e3", "sign": "+5", "hex": "0x10", "thirty digits": "1" * 30, "empty": "",
    "not ASCII": "²", "two that differ": "5\r\nContent-Length: 6", "list": "5, 6", "space": "1 0",
}  # fmt: skip


@pytest.mark.parametrize("case", LIES)
def test_a_length_that_is_none(api: Api, case: str) -> None:
    assert api.send(f"{SUBMIT}Content-Length: {LIES[case]}\r\n\r\n", [b"{}" * 10]).status == 400


@pytest.mark.parametrize("coding", ["gzip", "gzip, chunked", "chunked, chunked", "identity", "xchunked"])
def test_a_transfer_coding_that_is_none(api: Api, coding: str) -> None:
    assert api.send(f"{SUBMIT}Transfer-Encoding: {coding}\r\n\r\n", [b"0\r\n\r\n"]).status in (400, 501)


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"-1\r\n", b"1;" + b"x" * 100_000, b"f" * 100 + b"\r\n", b"2\r\n{}X"])
def test_a_chunk_that_is_none(api: Api, chunk: bytes) -> None:
    pieces = [chunk[i : i + 8192] for i in range(0, len(chunk), 8192)]
    assert api.send(f"{SUBMIT}Transfer-Encoding: chunked\r\n\r\n", pieces).status == 400


def test_more_than_was_announced(api: Api) -> None:
    """What goes beyond the announced length is not taken for a part of the body."""
    answer = api.send(f"{SUBMIT}Content-Length: 2\r\n\r\n", [b"{}", *[BLOCK] * 100])
    assert answer.pointers() == ["/problem", "/splits"]


def requests_seen(api: Api) -> dict[str, int]:
    """Submissions that were answered, by status."""
    found = re.findall(
        r'pdemill_request_seconds_count\{method="POST",route="[^"]*/jobs",status="(\d+)"\} (\d+)',
        api.get("/metrics").text,
    )
    return {status: int(number) for status, number in found}


@pytest.mark.parametrize("head", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_a_body_that_ends_early(api: Api, head: str) -> None:
    """A client that goes away in the middle of its body made a mistake; the server did not."""
    before = requests_seen(api)
    with socket.create_connection(("127.0.0.1", api.port)) as link:
        link.sendall(f"{SUBMIT}{head}\r\n\r\n".encode() + b'5\r\n{"pro')
    until(lambda: requests_seen(api) != before, SECONDS, "the answer")
    now = requests_seen(api)
    assert {status for status in now if now[status] != before.get(status)} == {"400"}


def test_slow_bodies_keep_nobody_else_waiting(api: Api) -> None:
    with ExitStack() as links:
        for _ in range(100):
            link = links.enter_context(socket.create_connection(("127.0.0.1", api.port)))
            link.sendall(f'{SUBMIT}Content-Length: 1000\r\n\r\n{{"prob'.encode())
        assert api.get("/v1/jobs").status == 200
        assert api.post("/v1/jobs/validate", DARCY).status == 200


# JSON

DARCY: Json = {"problem": {"family": "darcy", "resolution": [8, 8], "source": 1.0}, "splits": {"train": 4}}
TEXT = json.dumps(DARCY)

NOT_JSON: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not JSON"), "blank": (b" \n ", "not JSON"), "words": (b"hello", "not JSON"),
    "half": (TEXT[:-1].encode(), "not JSON"), "two": (TEXT.encode() * 2, "not JSON"), "NUL": (b"\0", "not JSON"),
    "YAML": (b"problem: {family: darcy}", "not JSON"), "comment": (b"{} // x", "not JSON"),
    "not UTF-8": (b'{"problem": "\xff\xfe"}', "not JSON"),
    "Latin-1": ('{"problem": "é"}'.encode("latin-1"), "not JSON"),
    "compressed": (gzip.compress(TEXT.encode()), "not JSON"), "control character": (b'{"a": "\x01"}', "not JSON"),
    **{word: (TEXT.replace("1.0", word).encode(), f"{word} is not") for word in ("NaN", "Infinity", "-Infinity")},
    "same key twice": (b'{"seed": 1, "seed": 2}', "'seed' stands twice"),
    "same key twice below": (b'{"problem": {"family": "darcy", "family": "poisson"}}', "'family' stands twice"),
    "many keys, one twice": (
        ("{" + "".join(f'"{i}":1,' for i in range(90_000)) + '"89999":1}').encode(), "stands twice",
    ),
    "many keys, all twice": (("{" + '"a":1,"b":1,' * 80_000 + '"c":1}').encode(), "stands twice"),
    "5,000 digits": (b'{"seed": ' + b"9" * 5_000 + b"}", "number"),
    "deep arrays": (b'{"problem":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    "deep objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
    "deep, open": (b"[" * 900_000, "nested too deeply"),
}  # fmt: skip


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/validate"])
@pytest.mark.parametrize("case", NOT_JSON)
def test_a_body_that_is_not_json(api: Api, case: str, path: str) -> None:
    body, part = NOT_JSON[case]
    answer = api.post(path, body)
    answer.problem(400, part)
    assert "set_int_max_str_digits" not in answer.text
    assert len(answer.body) < 1_000


@pytest.mark.parametrize("body", [b"null", b"[]", b"1", b'"problem"', b"true", b"1e999", b"[[]]"])
def test_a_body_that_is_no_object(api: Api, body: bytes) -> None:
    assert api.post("/v1/jobs", body).pointers() == [""]


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_does_no_harm(api: Api, coding: str) -> None:
    assert api.post("/v1/jobs/validate", TEXT.encode(coding)).json["samples"] == 4


TYPES: dict[str, Headers] = {
    "none": (), "empty": (("Content-Type", ""),), "text": (("Content-Type", "text/plain"),),
    "form": (("Content-Type", "application/x-www-form-urlencoded"),), "YAML": (("Content-Type", "application/yaml"),),
    "multipart": (("Content-Type", "multipart/form-data; boundary=x"),),
    "JSONP": (("Content-Type", "application/jsonp"),),
    "list": (("Content-Type", "application/json, text/plain"),), "other": (("Content-Type", "text/json"),),
    "parameter": (("Content-Type", "text/plain; x=application/json"),), "long": (("Content-Type", "a" * 20_000),),
}  # fmt: skip


@pytest.mark.parametrize("case", TYPES)
def test_only_json_is_read(api: Api, case: str) -> None:
    """Nothing else is: forms of other web sites can send text and forms, but no JSON."""
    api.ask("POST", "/v1/jobs", TYPES[case], TEXT.encode()).problem(415, "application/json")


@pytest.mark.parametrize("kind", ["APPLICATION/JSON", "application/json; charset=utf-8", "application/vnd.x+json"])
def test_json_by_its_other_names(api: Api, kind: str) -> None:
    assert api.ask("POST", "/v1/jobs/validate", (("Content-Type", kind),), TEXT.encode()).status == 200
