"""The file of the ledger: opened, checked for damage, backed up."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Protocol

from pdemill.data_directory import LEDGER
from pdemill.errors import PdemillError
from pdemill.service.background import Background
from pdemill.store.disk import LocalDisk

BACKUP = "jobs.backup.sqlite"
BACKUP_SECONDS = 3600.0
PAGES = 256
"""Pages that a backup copies at a time, so that writers get in between."""

log = logging.getLogger("pdemill.ledger")


def connect(path: Path) -> sqlite3.Connection:
    """A connection to the file. Raises PdemillError where it is damaged, or its file system cannot hold a database."""
    try:
        db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        raise PdemillError(f"cannot keep jobs in {path}: {error}; choose a data directory on another disk") from error
    except sqlite3.DatabaseError as error:
        raise _damaged(path, error) from None
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    return db


def check_whole(path: Path, db: sqlite3.Connection) -> None:
    """Raise PdemillError for a damaged file."""
    try:
        found = [str(row[0]) for row in db.execute("PRAGMA quick_check(1)")]
    except sqlite3.DatabaseError as error:
        raise _damaged(path, error) from None
    if found != ["ok"]:
        raise _damaged(path, found[0])


def is_whole(path: Path) -> bool:
    """Whether there is a file that is not damaged."""
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(path)) as db:
            check_whole(path, db)
    except PdemillError:
        return False
    return True


def _damaged(path: Path, what: object) -> PdemillError:
    reason = str(what).splitlines()[-1]
    return PdemillError(f"{path} is damaged ({reason}); run 'pdemill ledger rebuild --data-dir {path.parent}'")


def back_up(path: Path) -> None:
    """Copy the ledger beside it, unless it is damaged. Raises PdemillError, sqlite3.Error, OSError."""
    disk, temporary = LocalDisk(path.parent), f"{BACKUP}.tmp"
    (path.parent / temporary).unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(path.with_name(temporary))) as copy,
    ):
        source.backup(copy, pages=PAGES)
        check_whole(path, copy)
    disk.sync(temporary)
    disk.replace(temporary, BACKUP)
    disk.sync_folder("")


class Watched(Protocol):
    """A ledger whose trouble is told."""

    trouble: str


class Backups(Background):
    """A thread that backs the ledger up every hour in which it changed."""

    def __init__(self, path: Path, ledger: Watched) -> None:
        self._path, self._ledger = path, ledger
        super().__init__()

    def _live(self) -> None:
        last: tuple[int, ...] = ()
        while not self._stop.is_set():
            try:
                now = tuple(path.stat().st_mtime_ns for path in self._files())
                if now != last:
                    back_up(self._path)
                    last = now
            except PdemillError as error:
                log.error("%s", error)
                self._ledger.trouble = str(error).removeprefix(f"{self._path} ")
            except (sqlite3.Error, OSError) as error:
                log.warning("no backup of the ledger: %s", error)
            self._stop.wait(BACKUP_SECONDS)

    def _files(self) -> list[Path]:
        return [path for path in (self._path, self._path.with_name(f"{LEDGER}-wal")) if path.exists()]
