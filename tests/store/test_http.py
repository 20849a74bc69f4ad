"""Stores on plain web servers: behind redirects, with signed addresses, in whole files only."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.client import Client
from pdemill.errors import ServerError, StoreError
from pdemill.reader.http import HttpFiles

type Answer = Callable[[Handler], bool]
"""Whether a handler has answered by itself; else it sends the file."""


class Server(ThreadingHTTPServer):
    """A server of the files in a folder; ``seen`` are the requests that it had, with their headers."""

    daemon_threads = True

    def __init__(self, folder: Path, answer: Answer = lambda handler: False, ranges: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.answer, self.ranges = answer, ranges
        self.seen: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def counts(self) -> Counter[str]:
        return Counter(path for path, _ in self.seen)


class Handler(SimpleHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the output of the tests clean."""

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers.items())))
        if self.server.answer(self):
            return
        wanted = self.headers.get("Range")
        if not self.server.ranges or wanted is None:
            super().do_GET()
        else:
            self.send_part(wanted)

    def send_part(self, wanted: str) -> None:
        data = Path(self.translate_path(self.path)).read_bytes()
        low, high = wanted.removeprefix("bytes=").split("-")
        start = int(low) if low else max(len(data) - int(high), 0)
        part = data[start : int(high) + 1 if low else None]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{start + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def do_POST(self) -> None:
        self.do_GET()

    def redirect(self, to: str, status: int = 302) -> bool:
        self.send_response(status)
        self.send_header("Location", to)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return True

    def refuse(self) -> bool:
        self.send_error(403)
        return True


@contextmanager
def serving(*servers: Server) -> Iterator[None]:
    with ExitStack() as stack:
        for server in servers:
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
            thread.start()
            stack.callback(server.server_close)
            stack.callback(thread.join)
            stack.callback(server.shutdown)
        yield


def check(address: str, store: Path, api_key: str | None = None) -> pdemill.Dataset:
    """The data set at an address, which has the samples of the store."""
    there, here = pdemill.open(address, api_key=api_key), pdemill.open(store)
    for found in (there, pickle.loads(pickle.dumps(there))):
        for order in (slice(3, 33), [39, 0, 16, 16, 2]):
            assert all(np.array_equal(found[order][key], here[order][key]) for key in ("x", "y"))
    return there


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_without_the_key(status: int, darcy_store: Path) -> None:
    target = Server(darcy_store.parent)
    door = Server(darcy_store.parent, lambda handler: handler.redirect(target.url + handler.path, status))
    with serving(door, target):
        check(f"{door.url}/{darcy_store.name}", darcy_store, "secret")
    assert all(headers["Authorization"] == "Bearer secret" for _, headers in door.seen)
    assert len(target.seen) == len(door.seen) > 5
    assert not any("secret" in str(headers) for _, headers in target.seen)
    assert any("Range" in headers for _, headers in target.seen)


def test_a_redirect_on_the_same_host_keeps_the_key(darcy_store: Path) -> None:
    server = Server(
        darcy_store.parent,
        lambda handler: handler.path.startswith("/old/") and handler.redirect(handler.path.removeprefix("/old")),
    )
    with serving(server):
        check(f"{server.url}/old/{darcy_store.name}", darcy_store, "secret")
    assert all(headers["Authorization"] == "Bearer secret" for _, headers in server.seen)


def test_circles_and_moved_jobs_are_told(darcy_store: Path) -> None:
    server = Server(darcy_store.parent, lambda handler: handler.redirect("/elsewhere?sig=hidden"))
    with serving(server):
        with pytest.raises(ServerError, match="in a circle") as told:
            pdemill.open(f"{server.url}/a.zarr?sig=hidden")
        assert "hidden" not in str(told.value)
        asked = len(server.seen)
        moved = r"/v1/jobs has moved to /elsewhere.*; use that address"
        with Client(server.url, "secret") as client, pytest.raises(ServerError, match=moved):
            client.submit({"problem": {}})
        assert len(server.seen) == asked + 1, "a spec is not sent on"


def test_a_signature_goes_with_every_request_and_into_no_message(darcy_store: Path) -> None:
    signature = "sv=2026-01&sig=a%2Fb%2Bc%3D"
    server = Server(darcy_store.parent, lambda handler: not handler.path.endswith(f"?{signature}") and handler.refuse())
    with serving(server):
        for end in ("", "/"):
            data = check(f"{server.url}/{darcy_store.name}{end}?{signature}", darcy_store)
        assert "sig=" not in repr(data)
        assert len(list(pdemill.open(f"{server.url}/{darcy_store.name}?{signature}", follow=True))) == 3
        for query, error in (("sig=wrong", ServerError), (signature, StoreError)):
            with pytest.raises(error) as told:
                pdemill.open(f"{server.url}/no.zarr?{query}")
            assert "sig=" not in str(told.value)


def test_a_password_in_an_address_is_used_and_not_told(darcy_store: Path) -> None:
    server = Server(
        darcy_store.parent,
        lambda handler: handler.headers["Authorization"] != "Basic YW5uOmhpZGRlbg==" and handler.refuse(),
    )
    with serving(server):
        address = server.url.replace("http://", "HTTP://ann:hidden@")
        assert "hidden" not in repr(check(f"{address}/{darcy_store.name}", darcy_store))
        with pytest.raises(ServerError, match="403") as told:
            pdemill.open(f"{address.replace('hidden', 'other')}/{darcy_store.name}")
        assert "other" not in str(told.value)


def test_schemes_may_be_written_in_any_case(darcy_store: Path, tmp_path: Path) -> None:
    server = Server(darcy_store.parent)
    with serving(server):
        address = f"{server.url}/{darcy_store.name}".replace("http:", "HTTP:")
        check(address, darcy_store)
        assert pdemill.export(address, tmp_path / "out", to="pdebench").samples == {"train": 40, "test": 7}


def test_whole_files_are_read_once_and_that_is_told(darcy_store: Path) -> None:
    server = Server(darcy_store.parent, ranges=False)
    with serving(server):
        address = f"{server.url}/{darcy_store.name}"
        data = pdemill.open(address)
        with pytest.warns(UserWarning, match="sends whole files only: each is read once"):
            data[0]
        for order in [*range(40), slice(None), list(range(39, -1, -1))]:
            data[order]
        assert np.array_equal(data[17]["y"], pdemill.open(darcy_store)[17]["y"])
    shards = {path: n for path, n in server.counts.items() if "/c/" in path}
    assert len(shards) == 6
    assert set(shards.values()) == {1}


def test_an_export_reads_whole_files_once(darcy_store: Path, tmp_path: Path) -> None:
    server = Server(darcy_store.parent, ranges=False)
    with serving(server), pytest.warns(UserWarning, match="sends whole files only"):
        pdemill.export(f"{server.url}/{darcy_store.name}", tmp_path / "out", to="pdebench")
    shards = [n for path, n in server.counts.items() if "/input/c/" in path or "/solution/c/" in path]
    assert shards == [1] * 8


def test_more_whole_files_than_memory_should_hold_are_refused(
    darcy_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdemill.reader.http.MOST_KEPT", 20_000)
    server = Server(darcy_store.parent, ranges=False)
    with serving(server):
        data = pdemill.open(f"{server.url}/{darcy_store.name}")
        with pytest.warns(UserWarning, match="sends whole files only"):
            data[0]
        with pytest.raises(StoreError, match=r"more than 20,000 bytes: copy the store to a folder"):
            data[:]


@pytest.mark.parametrize("address", ["http://[::1/x", "http://host:port/x", "https://", "localhost", "s3://bucket/x"])
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(ServerError, match="is no address of a server"):
        HttpFiles(address).read("zarr.json")
    with pytest.raises(ServerError, match="is no address of a server"):
        next(Client(address).jobs())
