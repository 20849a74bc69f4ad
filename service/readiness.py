"""Whether the server can do its work: looked at again and again in the background, so that asking costs nothing.

Every part has a thread of its own: what hangs is told of by its silence, and keeps nobody waiting.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from threading import Event, Thread

from redis import RedisError

from pdemill.broker import explain
from pdemill.data_directory import DataDirectory
from pdemill.leases import Leases
from pdemill.service.ledger import Ledger
from pdemill.settings import Settings
from pdemill.store.room import LEAST_FREE, free_bytes

LOOK_SECONDS, SOON_SECONDS = 1.0, 0.1
"""Between two looks at a part that is there, and at one that is missing."""
PATIENCE_SECONDS = 3.0
"""A part that has not answered for so long is missing."""
OK = "ok"


@dataclass
class Probe:
    """One part: how to look at it, what was found, and when."""

    name: str
    look: Callable[[], str]
    said: str = "not looked at yet"
    when: float = field(default_factory=time.monotonic)

    def text(self) -> str:
        """What is known of the part now."""
        silent = time.monotonic() - self.when
        return f"no answer for {silent:.0f} s" if silent > PATIENCE_SECONDS else self.said

    def run(self, stop: Event) -> None:
        """Look until told to stop."""
        while not stop.is_set():
            try:
                found = self.look()
            except Exception as error:  # a thread that ends would look at nothing any more
                found = f"{type(error).__name__}: {error}"
            self.said, self.when = found, time.monotonic()
            stop.wait(LOOK_SECONDS if found == OK else SOON_SECONDS)


class Readiness:
    """The parts that may hang, each watched in a thread."""

    def __init__(self, settings: Settings, ledger: Ledger, directory: DataDirectory, leases: Leases) -> None:
        self._stop = Event()
        self._probes = [
            Probe("ledger", lambda: _ledger(ledger)),
            Probe("data directory", lambda: _disk(directory)),
            Probe("broker", lambda: _broker(settings, leases)),
            Probe("workers", lambda: _workers(leases)),
        ]

    def start(self) -> None:
        for probe in self._probes:
            Thread(target=probe.run, args=(self._stop,), daemon=True, name=f"probe of the {probe.name}").start()

    def stop(self) -> None:
        self._stop.set()

    def parts(self) -> dict[str, str]:
        """What is known of every part."""
        found = {probe.name: probe.text() for probe in self._probes}
        if found["broker"] != OK:
            found["workers"] = "unknown: the broker is away"
        return found


def _ledger(ledger: Ledger) -> str:
    try:
        ledger.load()
    except sqlite3.Error as error:
        return ledger.trouble or str(error)
    return ledger.trouble or OK


def _disk(directory: DataDirectory) -> str:
    if trouble := directory.trouble():
        return trouble
    folders = [folder for folder in (directory.root, directory.state) if isinstance(folder, Path)]
    try:
        for folder in folders:
            with TemporaryFile(dir=folder) as file:
                file.write(b"ready?")
                file.flush()
        left = min(map(free_bytes, folders))
    except OSError as error:
        return f"cannot be written: {error.strerror}"
    return OK if left >= LEAST_FREE else f"nearly full: {left:,} bytes are free"


def _broker(settings: Settings, leases: Leases) -> str:
    try:
        leases.redis.ping()
    except RedisError as error:
        return explain(error, settings)
    return OK


def _workers(leases: Leases) -> str:
    try:
        return OK if leases.workers() else "none is alive"
    except RedisError as error:
        return str(error)
