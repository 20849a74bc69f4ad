"""Connections: how many there may be, and how long a client may take.

A connection *waits* while it is the client's turn: to send a request, or to read an answer. Where there are too many,
the one that has waited longest makes room for the new one, so that clients who send nothing keep nobody out.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address, ip_network
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from pdemill.service.problems import respond

BACKLOG = 100
"""Connections that are accepted in one go, before those that are too many are closed."""
RESERVED = 300
"""Open files that are no connections: databases, stores, those of one go."""
FEWEST = 8
IPV6_NETWORK = 64
"""Bits of an IPv6 address that tell one client from another."""


@dataclass(frozen=True)
class Limits:
    """``connections`` in all and ``per_address``, which does not bind ``proxies``; seconds for a request's head and its
    body, and for reading some of an answer."""

    connections: int = 1000
    per_address: int = 200
    head: float = 10.0
    body: float = 60.0
    stall: float = 60.0
    proxies: tuple[str, ...] = ()

    def within(self, open_files: int) -> int:
        """How many connections there may be where a process may have so many open files, two to a connection."""
        return max(FEWEST, min(self.connections, (open_files - RESERVED) // 2))


class Phase(Enum):
    """What a connection is at: the client begins, sends a head or a body, or does not read; or we answer."""

    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    STALLED = auto()
    ANSWER = auto()


class Crowd:
    """The connections of a server that are not being closed, by origin, and the waiting ones, the oldest first."""

    def __init__(self, limits: Limits, open_files: int) -> None:
        self.limits, self._most = limits, limits.within(open_files)
        self._proxies = Proxies(limits.proxies)
        self._origins: dict[Connection, str] = {}
        self._each: Counter[str] = Counter()
        self._waiting: dict[Connection, None] = {}

    def enter(self, new: Connection, address: str) -> bool:
        """Count a connection in, and close another where there are too many; False where all of them are busy."""
        origin = origin_of(address)
        bound = address not in self._proxies
        if bound and self._each[origin] >= self.limits.per_address and not self._close_one(origin):
            return False
        if len(self._origins) >= self._most and not self._close_one():
            return False
        self._origins[new] = origin
        self._each[origin] += 1
        return True

    def leave(self, old: Connection) -> None:
        """Forget a connection."""
        self._waiting.pop(old, None)
        if (origin := self._origins.pop(old, None)) is not None:
            self._each[origin] -= 1
            if not self._each[origin]:
                del self._each[origin]

    def waits(self, connection: Connection, waiting: bool) -> None:
        """Note whether it is the client's turn from now on."""
        self._waiting.pop(connection, None)
        if waiting and connection in self._origins:
            self._waiting[connection] = None

    def _close_one(self, origin: str | None = None) -> bool:
        """Close the connection that has waited longest."""
        chosen = next((one for one in self._waiting if origin is None or self._origins[one] == origin), None)
        if chosen is None:
            return False
        self.leave(chosen)
        chosen.end(503, "there are too many connections; try again")
        return True


class Connection(H11Protocol):
    """One connection, closed when its client takes too long. Subclasses have a ``crowd``."""

    crowd: ClassVar[Crowd]
    _known: tuple[Phase, object] | None = None
    _timer: asyncio.TimerHandle | None = None
    _stalled = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if not self.crowd.enter(self, self.client[0] if self.client else ""):
            self.end(503, "there are too many connections; try again")
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.leave(self)
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = True
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled = False
        self._watch()

    def end(self, status: int, reason: str) -> None:
        """Close the connection, with an answer where one is expected and none has begun."""
        phase = self._now()
        if phase is Phase.STALLED or (phase is Phase.BODY and self.cycle.response_started):
            self.transport.abort()
            return
        if phase is not Phase.IDLE:
            self.transport.write(_bytes(status, reason))
        self.transport.close()
        self._watch()

    def _now(self) -> Phase:
        if self._stalled or self.transport.is_closing():
            return Phase.STALLED
        if self.conn.their_state is h11.SEND_BODY:
            return Phase.BODY
        if self.conn.their_state is h11.IDLE:
            return Phase.HEAD if self.cycle is None or self.conn.trailing_data[0] else Phase.IDLE
        return Phase.ANSWER

    def _watch(self) -> None:
        """Begin another deadline if the connection is at something else now."""
        phase = self._now()
        if self._known == (phase, self.cycle):
            return
        self._known = (phase, self.cycle)
        self.crowd.waits(self, phase is not Phase.ANSWER)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        limits = self.crowd.limits
        seconds = {Phase.HEAD: limits.head, Phase.BODY: limits.body, Phase.STALLED: limits.stall}.get(phase)
        if seconds is not None:  # uvicorn watches idle connections
            self._timer = self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        self.crowd.leave(self)
        self.end(408, "the request did not come in time")


class Proxies:
    """Addresses and networks of proxies whose word is taken."""

    def __init__(self, places: Iterable[str]) -> None:
        self._networks = [ip_network(place) for place in places]

    def __contains__(self, address: str) -> bool:
        try:
            place = ip_address(address)
        except ValueError:
            return False
        return any(place in network for network in self._networks)


def origin_of(address: str) -> str:
    """What clients are counted by: an IPv4 address, or the network of an IPv6 address."""
    try:
        place = ip_address(address)
    except ValueError:
        return address
    if isinstance(place, IPv6Address) and place.ipv4_mapped is None:
        return str(ip_network((place, IPV6_NETWORK), strict=False))
    return str(place)


def limited(limits: Limits, open_files: int) -> type[Connection]:
    """The class of the connections of one server."""
    return type("Limited", (Connection,), {"crowd": Crowd(limits, open_files)})


@cache
def _bytes(status: int, reason: str) -> bytes:
    """The response that reports a problem, as it is sent."""
    response = respond(status, reason, headers={"Retry-After": "1", "Connection": "close"})
    head = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
    head += [name + b": " + value for name, value in response.raw_headers]
    return b"\r\n".join(head) + b"\r\n\r\n" + bytes(response.body)
