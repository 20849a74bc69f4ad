"""Work that one of several processes on a data directory does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from pdemill.flock import FileLock

RETRY_SECONDS = 1.0


@contextmanager
def alone(path: Path, stop: Event) -> Iterator[None]:
    """Hold a lock file while the block runs; wait for it until told to stop."""
    lock = FileLock(path)
    try:
        while not stop.is_set() and not lock.take():
            stop.wait(RETRY_SECONDS)
        yield
    finally:
        lock.release()
