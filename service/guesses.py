"""Wrong keys: so many of one address in a minute, then none of its keys is looked at but those that were right."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from hashlib import sha256
from threading import Lock

from pdemill.service.connections import origin_of
from pdemill.service.problems import Refusal

MINUTE = 60.0
REMEMBERED = 10_000

log = logging.getLogger("pdemill.api")


class Guesses:
    """Counts wrong keys by address. ``most``: in a minute; 0 for any number."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._wrong: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._right: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._lock = Lock()

    def check(self, address: str, key: str) -> None:
        """Raise Refusal if no key of this address is looked at for now."""
        origin = origin_of(address)
        with self._lock:
            begun, number = self._wrong.get(origin, (0.0, 0))
            left = begun + MINUTE - time.monotonic()
            if not self._most or number < self._most or left <= 0 or (origin, _mark(key)) in self._right:
                return
        raise Refusal(
            429, "too many wrong keys came from this address; try again in a minute",
            headers={"Retry-After": str(int(left) + 1)},
        )  # fmt: skip

    def note(self, address: str, key: str, right: bool) -> None:
        """Remember a key that was looked at."""
        origin, now = origin_of(address), time.monotonic()
        with self._lock:
            if right:
                _remember(self._right, (origin, _mark(key)), None)
                return
            begun, number = self._wrong.get(origin, (now, 0))
            if now - begun > MINUTE:
                begun, number = now, 0
            _remember(self._wrong, origin, (begun, number + 1))
        if number + 1 == self._most:
            log.warning("many wrong keys: no others of this address are looked at", extra={"address": address})
        else:
            log.warning("a wrong key", extra={"address": address})


def _mark(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def _remember[K, V](known: OrderedDict[K, V], key: K, value: V) -> None:
    known[key] = value
    known.move_to_end(key)
    while len(known) > REMEMBERED:
        known.popitem(last=False)
