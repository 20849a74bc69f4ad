"""The data directory of a server: known by a marker file with an id, so that an empty folder in its place, where a disk
is not mounted, is not taken for it. It may be in a bucket; its state, the ledger above all, is in a folder of its own
or in the same one."""

from __future__ import annotations

from logging import Logger
from pathlib import Path
from secrets import token_hex
from time import monotonic, sleep

from pdemill.addresses import Place
from pdemill.errors import DirectoryAway, PdemillError
from pdemill.store.disk import LocalDisk
from pdemill.store.places import disk_at
from pdemill.store.placing import write_once

MARKER = "pdemill-id"
LEDGER = "jobs.sqlite"
LOOK_SECONDS = 1.0
BUCKET_SECONDS = 5.0
"""For so long a bucket that was there is not asked again: whoever writes there notices by itself that it is away."""


class DataDirectory:
    """A data directory as this process knows it: its id is the one given, or the first one seen.

    ``state``: the folder of the ledger, where that is another one; it has the same id. ``pinned``: they must stay the
    very same folders, for this process has files in them open; one that was copied or restored in its place has the
    same id, but is another.
    """

    def __init__(self, root: Place, known: str = "", pinned: bool = False, state: Path | None = None) -> None:
        self.root, self.id, self.state, self._pinned = root, known, state, pinned
        self._places: dict[Path, tuple[int, int]] = {}
        self._seen = -BUCKET_SECONDS

    @classmethod
    def made(cls, root: Place, known: str = "", state: Path | None = None) -> DataDirectory:
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
            if isinstance(root, Path):
                (root / "datasets").mkdir(exist_ok=True)
        except (OSError, PdemillError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            why = cause.strerror if isinstance(cause, OSError) else error
            raise PdemillError(f"cannot use {root}: {why}") from None
        return found

    @property
    def home(self) -> str:
        """Where the ledger's folder was when it was last looked at; another folder with the same id is a copy."""
        folder = self.state or self.root
        return ":".join(map(str, self._places.get(folder, ()))) if isinstance(folder, Path) else folder

    def trouble(self, anew: bool = False) -> str:
        """Why it cannot be used now; nothing if it can. ``anew``: a bucket is asked, whatever it said a moment ago."""
        if anew:
            self._seen = -BUCKET_SECONDS
        if isinstance(self.root, Path):
            found = self._trouble(self.root, "data directory")
        else:
            found = self._trouble_in_bucket(self.root)
        return found or ("" if self.state is None else self.state_trouble())

    def state_trouble(self) -> str:
        """Why the folder of the ledger cannot be used now; nothing if it can."""
        if self.state is None:
            return self.trouble()
        return self._trouble(self.state, "state directory")

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

    def _trouble_in_bucket(self, root: str) -> str:
        if monotonic() - self._seen < BUCKET_SECONDS:
            return ""
        try:
            found = disk_at(root).read(MARKER).decode(errors="replace").strip()
        except FileNotFoundError:
            return f"the data directory is not there, for it has no object {MARKER}"
        except OSError as error:
            return f"the data directory cannot be read: {error.strerror}"
        except PdemillError as error:
            return f"the data directory cannot be read: {error}"
        self.id = self.id or found
        if found != self.id:
            return "another data directory is in its place"
        self._seen = monotonic()
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

    def require_state(self) -> None:
        """Raise DirectoryAway if the folder of the ledger cannot be used now."""
        if trouble := self.state_trouble():
            raise DirectoryAway(trouble)


def _mark(place: Place, text: bytes) -> None:
    """Make a data or state directory with a marker, unless there is one."""
    if isinstance(place, Path):
        place.mkdir(parents=True, exist_ok=True)
    disk = disk_at(place)
    if not disk.exists(MARKER):
        write_once(disk, MARKER, text)


def _begin_state(root: Place, state: Path) -> None:
    """Make the state directory of a data directory. Raises PdemillError where the ledger is still in the latter."""
    if isinstance(root, Path) and (root / LEDGER).exists() and not (state / LEDGER).exists():
        raise PdemillError(f"it holds {LEDGER}, the list of jobs: stop its server, and move {LEDGER}* to {state} first")
    state.mkdir(parents=True, exist_ok=True)
    if not (state / MARKER).exists():
        write_once(LocalDisk(state), MARKER, disk_at(root).read(MARKER))
