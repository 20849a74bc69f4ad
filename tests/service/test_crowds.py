"""Clients that are slow, or many: everybody else is answered, and nothing piles up."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Event, Thread

import pytest

from pdemill.process import raise_open_files
from pdemill.service.connections import Limits, Proxies, origin_of
from pdemill.service.testing import free_port, until
from tests.service.api import Api, bearer, keys_file, serving, without_broker

HALF = b"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nX-A: "
SPEC = {"problem": {"family": "poisson", "resolution": [9]}, "samples": 100}
QUICK = Limits(head=0.3, body=0.6, stall=0.6)


def call(port: int, address: str = "127.0.0.1") -> socket.socket:
    """A connection that comes from an address of the loopback."""
    return socket.create_connection(("127.0.0.1", port), 20, (address, 0))


def rest(link: socket.socket) -> bytes:
    """All that the server still says until it closes."""
    found = b""
    try:
        while piece := link.recv(65_536):
            found += piece
    except ConnectionError:
        pass
    return found


# Many


@contextmanager
def few_files(folder: Path) -> Iterator[tuple[int, Path]]:
    """An API that may have 1,024 open files: its port and its log."""
    port, log = free_port(), folder / "api.log"
    command = f"ulimit -n 1024; exec {sys.executable} -m pdemill.service --port {port}"
    environment = {**os.environ, "PDEMILL_DATA_DIR": str(folder / "data"), "PDEMILL_PARENT": str(os.getpid()),
                   "PDEMILL_REDIS_URL": f"unix://{folder}/no.sock"}  # fmt: skip
    with log.open("wb") as out:
        process = subprocess.Popen(["bash", "-c", command], env=environment, stdout=out, stderr=out)
    try:
        until(lambda: seconds(port) is not None, what="the API")
        yield port, log
    finally:
        process.terminate()
        process.wait(30)


def seconds(port: int) -> float | None:
    """The longer of the times that the API takes for two requests; None if it does not answer them."""
    longest = 0.0
    try:
        for path in ("/healthz", "/v1/jobs"):
            begun = time.monotonic()
            with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as api:
                api.request("GET", path, headers={"Host": "localhost"})
                if api.getresponse().status != 200:
                    return None
            longest = max(longest, time.monotonic() - begun)
    except (OSError, HTTPException):
        return None
    return longest


@pytest.mark.parametrize("addresses", [1, 100])
def test_half_sent_requests_keep_nobody_out(addresses: int, tmp_path: Path) -> None:
    """1,100 of them where there may be 1,024 open files; from one address and from many."""
    assert raise_open_files() > 1_500
    found: list[float | None] = []
    done = Event()
    with few_files(tmp_path) as (port, log), ExitStack() as links:

        def others() -> None:
            while not done.wait(0.02):
                found.append(seconds(port))

        asker = Thread(target=others)
        asker.start()
        try:
            for number in range(1_100):
                link = links.enter_context(call(port, f"127.0.0.{1 + number % addresses}"))
                link.sendall(HALF)
            before = len(found)
            until(lambda: len(found) > before + 10, what="ten more answers")
        finally:
            done.set()
            asker.join()
        assert None not in found
        assert max(took for took in found if took is not None) < 1.0
        assert log.stat().st_size < 20_000


def test_an_address_may_have_so_many(tmp_path: Path) -> None:
    """Streams are not closed for others; those beyond are told to come back, and other addresses are let in."""
    with serving(without_broker(tmp_path / "data"), Limits(per_address=3)) as api, ExitStack() as links:
        job = api.post("/v1/jobs", SPEC).json["id"]
        stream = f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        streams = [links.enter_context(call(api.port)) for _ in range(3)]
        for link in streams:
            link.sendall(stream)
            assert b"200 OK" in link.recv(65_536)
        turned_away = rest(links.enter_context(call(api.port)))
        assert turned_away.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: 1\r\n" in turned_away
        assert b"too many connections" in turned_away
        other = links.enter_context(call(api.port, "127.0.0.2"))
        other.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert b"200 OK" in rest(other)
        streams[0].close()
        until(lambda: seconds(api.port) is not None, what="room")


def test_a_proxy_may_have_more(tmp_path: Path) -> None:
    limits = Limits(per_address=1, proxies=("127.0.0.0/31",))
    with serving(without_broker(tmp_path / "data"), limits) as api, ExitStack() as links:
        kept = [links.enter_context(call(api.port)) for _ in range(5)]
        for link in kept:
            link.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert all(b"200 OK" in rest(link) for link in kept)


def test_clients_are_told_apart_by_networks() -> None:
    assert origin_of("192.0.2.1") != origin_of("192.0.2.2")
    assert origin_of("2001:db8::1") == origin_of("2001:db8::ffff:2") != origin_of("2001:db8:0:1::1")
    assert origin_of("::ffff:192.0.2.1") != origin_of("::ffff:192.0.2.2")
    assert "10.1.2.3" in Proxies(["10.0.0.0/8", "::1"])
    assert "" not in Proxies(["10.0.0.0/8"])


@pytest.mark.parametrize(("files", "most"), [(256, 8), (1024, 362), (65_536, 1000)])
def test_connections_leave_files_for_others(files: int, most: int) -> None:
    assert Limits().within(files) == most


# Slow


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(without_broker(tmp_path_factory.mktemp("quick") / "data"), QUICK) as api:
        yield api


POST = b"POST %s HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 99\r\nContent-Type: "
SLOW = {
    "nothing": (b"", 408), "half a head": (HALF, 408), "a byte": (b"G", 408), "no body": (POST % b"/v1/jobs", 408),
    "half a body": (POST % b"/v1/jobs" + b"application/json\r\n\r\n{", 408),
    "half a form": (POST % b"/new" + b"application/x-www-form-urlencoded\r\n\r\na=b", 408),
    "an endless body": (b"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", 200),
}  # fmt: skip


@pytest.mark.parametrize("trickling", [False, True])
@pytest.mark.parametrize("case", SLOW)
def test_a_request_has_to_come_in_time(
    quick: Api, case: str, trickling: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether nothing comes any more, or one byte after the other."""
    sent, status = SLOW[case]
    with call(quick.port) as link:
        link.sendall(sent)
        if trickling:
            Thread(target=trickle, args=(link, b"1\r\nx\r\n" if status == 200 else b"x")).start()
        begun = time.monotonic()
        answer = rest(link)
        assert 0.2 < time.monotonic() - begun < 5
    if not trickling:  # else a reset may take the answer with it
        assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def trickle(link: socket.socket, piece: bytes) -> None:
    try:
        while True:
            link.sendall(piece)
            time.sleep(0.02)
    except OSError:
        pass


def test_a_second_request_has_to_come_in_time_too(quick: Api) -> None:
    with call(quick.port) as link:
        link.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea")
        answers = rest(link)
        assert answers.startswith(b"HTTP/1.1 200 ")
        assert b"HTTP/1.1 408 " in answers


def test_who_does_not_read_is_cut_off(quick: Api, darcy_store: Path) -> None:
    _, dataset = quick.finished(darcy_store)
    (quick.store(dataset) / "large").write_bytes(bytes(30_000_000))
    with call(quick.port) as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.sendall(f"GET /v1/datasets/{dataset}/store/large HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        until(lambda: _is_cut_off(link), what="the end of the connection")


def _is_cut_off(link: socket.socket) -> bool:
    """Whether the peer is gone, seen without reading."""
    try:
        link.send(b"x")
    except ConnectionError:
        return True
    return False


def test_an_answer_may_take_its_time(tmp_path: Path) -> None:
    """A stream is no slow client, with a key as without."""
    keys = keys_file(tmp_path / "keys.yaml", ann={})
    with serving(without_broker(tmp_path / "data", api_keys=keys), QUICK) as api, call(api.port) as link:
        job = api.post("/v1/jobs", SPEC, bearer("ann")).json["id"]
        name, value = bearer("ann")[0]
        link.sendall(f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                     f"{name}: {value}\r\n\r\n".encode())  # fmt: skip
        assert b"200 OK" in link.recv(65_536)
        begun = time.monotonic()
        until(lambda: time.monotonic() - begun > 3 * QUICK.body, what="three deadlines")
        api.ask("DELETE", f"/v1/jobs/{job}", bearer("ann"))
        assert b"dismissed" in rest(link)
