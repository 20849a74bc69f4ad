"""The data directory of a server: known by a marker file with an id, so that an empty folder in its place, where a disk
is not mounted, is not taken for it."""

from __future__ import annotations

from logging import Logger
from pathlib import Path
from secrets import token_hex
from time import sleep

from pdemill.errors import DirectoryAway, PdemillError
from pdemill.store.disk import LocalDisk
from pdemill.store.placing import write_once

MARKER = "pdemill-id"
LOOK_SECONDS = 1.0


class DataDirectory:
    """A data directory as this process knows it: its id is the one given, or the first one seen.

    ``pinned``: it must stay the very same folder, for this process has files in it open; one that was copied or
    restored in its place has the same id, but is another.
    """

    def __init__(self, root: Path, known: str = "", pinned: bool = False) -> None:
        self.root, self.id, self._pinned = root, known, pinned
        self._place: tuple[int, int] | None = None

    @classmethod
    def made(cls, root: Path, known: str = "") -> DataDirectory:
        """The directory for a server to begin with, pinned. It is made where it is not there, unless its id is
        ``known``: then it has to be there. Raises PdemillError."""
        try:
            if not known:
                root.mkdir(parents=True, exist_ok=True)
                if not (root / MARKER).exists():
                    write_once(LocalDisk(root), MARKER, f"{token_hex(16)}\n".encode())
            found = cls(root, known, pinned=True)
            found.require()
            (root / "datasets").mkdir(exist_ok=True)
        except (OSError, PdemillError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            why = cause.strerror if isinstance(cause, OSError) else error
            raise PdemillError(f"cannot use {root}: {why}") from None
        return found

    @property
    def home(self) -> str:
        """Where it was when it was last looked at; another folder with the same id is a copy."""
        return ":".join(map(str, self._place or ()))

    def trouble(self) -> str:
        """Why it cannot be used now; nothing if it can."""
        try:
            found = (self.root / MARKER).read_text(encoding="utf-8").strip()
            status = self.root.stat()
        except FileNotFoundError:
            return f"the data directory is not there, for it has no file {MARKER}; is its disk mounted?"
        except OSError as error:
            return f"the data directory cannot be read: {error.strerror}"
        place = (status.st_dev, status.st_ino)
        self.id = self.id or found
        if found != self.id:
            return "another data directory is in its place; is the right disk mounted?"
        if self._pinned and place != (self._place or place):
            return "the data directory was replaced by a copy; start the server again"
        self._place = place
        return ""

    def wait(self, log: Logger) -> None:
        """Wait until it can be used."""
        if trouble := self.trouble():
            log.warning("%s: %s; waiting", self.root, trouble)
            while self.trouble():
                sleep(LOOK_SECONDS)
            log.warning("%s is back", self.root)

    def require(self) -> None:
        """Raise DirectoryAway if it cannot be used now."""
        if trouble := self.trouble():
            raise DirectoryAway(trouble)
