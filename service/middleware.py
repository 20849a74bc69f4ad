"""Middleware of every request: checks of the address it names, the length of its body, the clock."""

from __future__ import annotations

from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pdemill.service.body import MOST_BYTES
from pdemill.service.metrics import Metrics
from pdemill.service.problems import respond
from pdemill.service.views import PREFIX
from pdemill.settings import without_port


class TooLong(Exception):
    """The body has more bytes than are accepted."""


class Guard:
    """Refuses requests that are addressed to other hosts (a web page that plays tricks with DNS must not reach a
    server on the loopback) and bodies that are too long, whether or not they say so beforehand."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = [(name.lower(), value) for name, value in scope["headers"]]
        hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
        if "*" not in self._hosts and (len(hosts) != 1 or without_port(hosts[0]) not in self._hosts):
            answer = respond(421, "this server is not meant by that Host; see PDEMILL_ALLOWED_HOSTS")
            await answer(scope, receive, send)
            return
        lengths = [value for name, value in headers if name == b"content-length"]
        if any(not value.isdigit() or int(value) > MOST_BYTES for value in lengths):
            await _too_long(scope, receive, send)
            return
        read, begun = 0, False

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > MOST_BYTES:
                raise TooLong
            return message

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except TooLong:
            if begun:
                raise
            await _too_long(scope, receive, send)


async def _too_long(scope: Scope, receive: Receive, send: Send) -> None:
    answer = respond(413, f"the body has more than {MOST_BYTES:,} bytes", headers={"Connection": "close"})
    await answer(scope, receive, send)


def _route(scope: Scope) -> str:
    """The path of the route that answers, with the prefix under which it is."""
    path: str = getattr(scope.get("route"), "path", "none")
    below = scope["path"].startswith(f"{PREFIX}/") and path != "none" and not path.startswith(f"{PREFIX}/")
    return f"{PREFIX}{path}" if below else path


METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Clock:
    """Counts requests by method, route and status, and how long they take to begin to answer."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = perf_counter()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                name = _route(scope)
                method = scope["method"] if scope["method"] in METHODS else "other"
                self._metrics.request(method, name, message["status"], perf_counter() - begin)
            await send(message)

        await self._app(scope, receive, timed)
