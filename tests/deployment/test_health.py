"""The API's health check against answers of every kind."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from pdemill.service.health import main
from pdemill.service.testing import free_port


@contextmanager
def _answering(status: int) -> Iterator[int]:
    """A server that answers every request so; gives its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 500)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def run(port: int) -> None:
        monkeypatch.setattr(sys, "argv", ["health", "--port", str(port)])
        main()

    return run


@pytest.mark.parametrize("status", [200, 421])
def test_an_answer_is_healthy(check: Callable[[int], None], status: int) -> None:
    with _answering(status) as port:
        check(port)


def test_an_error_is_not(check: Callable[[int], None]) -> None:
    with _answering(503) as port, pytest.raises(SystemExit, match="answered 503"):
        check(port)


def test_silence_is_not(check: Callable[[int], None]) -> None:
    with pytest.raises(SystemExit, match="error"):
        check(free_port())
