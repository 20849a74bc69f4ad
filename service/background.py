"""Work that goes on in a thread of its own until the server ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from threading import Event, Thread

PATIENCE_SECONDS = 15


class Background(ABC):
    """A thread that is started once, where there is something to do, and told to stop by an event."""

    def __init__(self) -> None:
        self._stop = Event()
        self._thread = Thread(target=self._live, daemon=True)

    @property
    def wanted(self) -> bool:
        """Whether there is anything to do."""
        return True

    def start(self) -> None:
        if self.wanted:
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=PATIENCE_SECONDS)

    @abstractmethod
    def _live(self) -> None:
        """What the thread does until ``_stop`` is set."""
