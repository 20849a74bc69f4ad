"""The access log: one line for every request that was answered, without what stands behind the question mark."""

from __future__ import annotations

import logging
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST = 200
UNTOLD = ("/healthz", "/readyz", "/v1/healthz", "/v1/readyz", "/static/")

log = logging.getLogger("pdemill.access")


class AccessLog:
    """Logs method, path and status, with who asked, from where, and how long it took."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(UNTOLD):
            await self._app(scope, receive, send)
            return
        begin, status, size = perf_counter(), 0, 0

        async def noted(message: Message) -> None:
            nonlocal status, size
            status = message.get("status", status)
            size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            known = {
                "owner": scope.get("state", {}).get("owner"),
                "address": scope["client"][0] if scope["client"] else None,
                "seconds": round(perf_counter() - begin, 4),
                "bytes": size,
            }
            method, path = scope["method"][:LONGEST], scope["raw_path"].decode("latin-1")[:LONGEST]
            log.info("%s %s %s", method, path, status or "unanswered", extra={k: v for k, v in known.items() if v})
