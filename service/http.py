"""How the API is served: uvicorn's options, with our limits on connections."""

from __future__ import annotations

import os
import socket

import uvicorn
from fastapi import FastAPI

from pdemill.process import raise_open_files
from pdemill.service.connections import BACKLOG, Limits, limited
from pdemill.settings import Settings

IDLE_SECONDS = 5
KNOCKING = 4096
"""Connections that the system keeps until we accept them; beyond, clients try again after a second."""


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and let more clients wait at the door than asyncio takes in at a time."""
        await super().startup(sockets)
        for listener in [listener for server in self.servers for listener in server.sockets]:
            with socket.socket(fileno=os.dup(listener.fileno())) as same:
                same.listen(KNOCKING)


def server(app: FastAPI, settings: Settings, host: str, port: int, limits: Limits | None = None) -> uvicorn.Server:
    """The server of an application."""
    proxies = settings.trusted_proxies
    chosen = limits or Limits(settings.max_connections, settings.max_connections_per_address, proxies=proxies)
    return _Server(
        uvicorn.Config(
            app, host=host, port=port, http=limited(chosen, raise_open_files()), ws="none", backlog=BACKLOG,
            log_config=None, access_log=False, server_header=False,
            proxy_headers=bool(proxies), forwarded_allow_ips=list(proxies),
            timeout_keep_alive=IDLE_SECONDS, timeout_graceful_shutdown=5, h11_max_incomplete_event_size=32_768,
        )
    )  # fmt: skip
