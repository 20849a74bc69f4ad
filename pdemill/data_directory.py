"""The data directory of a server: known by a marker file with an id, so that an empty folder in its place, where a disk
is not mounted, is not taken for it. Its state, the ledger above all, may lie in a folder of its own."""

from __future__ import annotations

from logging import Logger
from pathlib import Path
from secrets import token_hex
from time import sleep

from pdemill.errors import DirectoryAway, PdemillError
from pdemill.store.disk import LocalDisk
from pdemill.store.placing import write_once

MARKER = "pdemill-id"
LEDGER = "jobs.sqlite"
LOOK_SECONDS = 1.0


class DataDirectory:
    """A data directory as this process knows it: its id is the one given, or the first one seen.

    ``state``: the folder of the ledger, where that is another one; it has the same id. ``pinned``: it must stay the
    very same folder, for this process has files in it open; one that was copied or restored in its place has the same
    id, but is another.
    """

    def __init__(self, root: Path, known: str = "", pinned: bool = False, state: Path | None = None) -> None:
        self.root, self.id, self.state, self._pinned = root, known, state, pinned
        self._places: dict[Path, tuple[int, int]] = {}

    @classmethod
    def made(cls, root: Path, known: str = "", state: Path | None = None) -> DataDirectory:
        """The directory for a server to begin with, pinned. It is made where it is not there, unless its id is
        ``known``: then it has to be there. Raises PdemillError."""
        state = None if state in (None, root) else state
        try:
            if not known:
                _mark(root, f"{token_hex(16)}\n".encode())
                if state is not None:
                    _begin_state(root, state)
            found = cls(root, known, pinned=True, state=state)
            found.require()
            (root / "datasets").mkdir(exist_ok=True)
        except (OSError, PdemillError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            why = cause.strerror if isinstance(cause, OSError) else error
            raise PdemillError(f"cannot use {root}: {why}") from None
        return found

    @property
    def home(self) -> str:
        """Where the ledger's folder was when it was last looked at; another folder with the same id is a copy."""
        return ":".join(map(str, self._places.get(self.state or self.root, ())))

    def trouble(self) -> str:
        """Why it cannot be used now; nothing if it can."""
        return self._trouble(self.root, "data directory") or (
            self._trouble(self.state, "state directory") if self.state is not None else ""
        )

    def _trouble(self, folder: Path, called: str) -> str:
        try:
            found = (folder / MARKER).read_text(encoding="utf-8").strip()
            status = folder.stat()
        except FileNotFoundError:
            return f"the {called} is not there, for it has no file {MARKER}; is its disk mounted?"
        except OSError as error:
            return f"the {called} cannot be read: {error.strerror}"
        place = (status.st_dev, status.st_ino)
        self.id = self.id or found
        if found != self.id:
            if folder == self.state:
                return "the state directory (PDEMILL_STATE_DIR) is that of another data directory"
            return "another data directory is in its place; is the right disk mounted?"
        if self._pinned and place != self._places.get(folder, place):
            return f"the {called} was replaced by a copy; start the server again"
        self._places[folder] = place
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


def _mark(folder: Path, text: bytes) -> None:
    """Make a folder with a marker, unless there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / MARKER).exists():
        write_once(LocalDisk(folder), MARKER, text)


def _begin_state(root: Path, state: Path) -> None:
    """Make the state directory of a data directory. Raises PdemillError where the ledger is still in the latter."""
    if (root / LEDGER).exists() and not (state / LEDGER).exists():
        raise PdemillError(f"it holds {LEDGER}, the list of jobs: stop its server, and move {LEDGER}* to {state} first")
    _mark(state, (root / MARKER).read_bytes())
