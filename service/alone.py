"""Work that one of several processes on a data directory does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from pdemill.flock import FileLock

RETRY_SECONDS = 1.0


@contextmanager
def alone(path: Path, stop: Event, meanwhile: Callable[[], None] = lambda: None) -> Iterator[bool]:
    """Hold a lock file while the block runs; wait for it until told to stop. Whether it is held."""
    lock = FileLock(path)
    try:
        while not (held := lock.take()) and not stop.is_set():
            meanwhile()
            stop.wait(RETRY_SECONDS)
        yield held
    finally:
        lock.release()
