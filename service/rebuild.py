"""A damaged ledger is made anew: from its backup, from what can still be read of it, and from the stores."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

from pdemill.addresses import Place, on_disk
from pdemill.addresses import home as place
from pdemill.data_directory import LEDGER, MARKER, DataDirectory
from pdemill.errors import PdemillError
from pdemill.flock import FileLock
from pdemill.service.database import BACKUP, is_whole
from pdemill.service.keys import ANYONE
from pdemill.service.ledger import Ledger
from pdemill.service.stores import is_begun
from pdemill.service.submission import work_of
from pdemill.settings import state_of
from pdemill.solvers.opening import stored_spec
from pdemill.store.disk import LocalDisk
from pdemill.store.places import below, disk_at
from pdemill.store.root import ROOT, read_attributes

TABLES = ("totals", "switches", "datasets", "jobs")
SIDES = ("-wal", "-shm")
NEW = "jobs.rebuilt.sqlite"
KNOWN = (
    "id", "spec", "spec_sha256", "samples", "work", "bytes", "status", "done", "failed", "queued", "started",
    "finished",
)  # fmt: skip


def rebuild(
    data_dir: str | Path, state_dir: str | Path | None, owner: str | None, report: Callable[[str], None]
) -> None:
    """Make the ledger of a data directory anew while no server runs on it; the file that was there is kept.

    Jobs on data sets that are known from their stores alone are given to ``owner``.
    """
    home = place(data_dir, "the data directory", PdemillError)
    folder = state_of(home, on_disk(state_dir, "the state directory", PdemillError) if state_dir else None)
    if isinstance(home, Path) and not (home / "datasets").is_dir():
        raise PdemillError(f"{home} is no data directory: it has no folder datasets")
    if not isinstance(home, Path) and not disk_at(home).exists(MARKER):
        raise PdemillError(f"{home} is no data directory: it has no object {MARKER}")
    DataDirectory.made(home, state=folder)
    with _nobody_serves(folder):
        for name in (NEW, *(f"{NEW}{side}" for side in SIDES)):
            (folder / name).unlink(missing_ok=True)
        Ledger(folder / NEW).close()
        with closing(sqlite3.connect(folder / NEW, isolation_level=None)) as db:
            for name in (LEDGER, BACKUP) if is_whole(folder / LEDGER) else (BACKUP, LEDGER):
                if (folder / name).exists():
                    report(f"from {name}: {_copied(folder / name, db)} jobs")
            found = sum(_known(db, home, id, owner or ANYONE.name, report) for id in sorted(_stores(home)))
            report(f"from stores alone: {found} data sets, which belong to {owner or ANYONE.name} now")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        aside = f"jobs.before-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}.sqlite"
        before = (folder / LEDGER).exists()
        if before:
            shutil.copy2(folder / LEDGER, folder / aside)
        for side in SIDES:
            if (folder / f"{LEDGER}{side}").exists():
                (folder / f"{LEDGER}{side}").rename(folder / f"{aside}{side}")
        disk = LocalDisk(folder)
        disk.sync(NEW)
        disk.replace(NEW, LEDGER)
        disk.sync_folder("")
        report(f"ledger: {folder / LEDGER}" + (f"; as it was before: {aside}" if before else ""))


@contextmanager
def _nobody_serves(folder: Path) -> Iterator[None]:
    """Keep servers out of a data directory."""
    locks = []
    try:
        for name in ("serve.lock", "coordinator.lock"):
            locks.append(FileLock(folder / name))
            if not locks[-1].take():
                raise PdemillError(f"{folder} is being served; stop the server first")
        yield
    finally:
        for lock in locks:
            lock.release()


def _stores(home: Place) -> Iterator[str]:
    """The ids of the data sets that have a store."""
    datasets = below(home, "datasets")
    names = [name for name in disk_at(datasets).top() if name.endswith(".zarr")]
    return (name.removesuffix(".zarr") for name in names if is_begun(below(datasets, name)))


def _copied(path: Path, db: sqlite3.Connection) -> int:
    """Take over the rows of another ledger that can be read and are not there; how many jobs that were."""
    added = 0
    for table in TABLES:
        added = 0
        for row in _rows(path, table):
            names, marks = ", ".join(row), ", ".join("?" * len(row))
            try:
                insert = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"  # noqa: S608
                added += db.execute(insert, list(row.values())).rowcount
            except sqlite3.Error:
                continue  # a row that was damaged
    return added


def _rows(path: Path, table: str) -> Iterator[dict[str, Any]]:
    try:
        with closing(sqlite3.connect(path)) as source:
            source.row_factory = sqlite3.Row
            for row in source.execute(f"SELECT * FROM {table}"):  # noqa: S608
                yield dict(row)
    except sqlite3.DatabaseError:
        return


def _known(db: sqlite3.Connection, home: Place, id: str, owner: str, report: Callable[[str], None]) -> bool:
    """Make a data set and a job of a store that no ledger knew; whether it was so."""
    root = below(below(home, "datasets"), f"{id}.zarr")
    if db.execute("SELECT 1 FROM jobs WHERE dataset = ?", (id,)).fetchone():
        return False
    try:
        attributes = read_attributes(root)
        spec = stored_spec(root)
        work = work_of(spec, int(attributes["unknowns"]))
    except (PdemillError, KeyError, TypeError, ValueError) as error:
        report(f"left out: {error}")
        return False
    failed = int(attributes.get("failed_samples", 0))
    status = ("failed" if failed else "successful") if attributes["complete"] else "dismissed"
    done, then = (
        spec.samples if attributes["complete"] else 0,
        (root / ROOT).stat().st_mtime if isinstance(root, Path) else time.time(),
    )
    db.execute(
        f"INSERT OR IGNORE INTO datasets ({', '.join(KNOWN)}) VALUES ({', '.join('?' * len(KNOWN))})",  # noqa: S608
        (
            id, spec.written(), spec.sha256(), spec.samples, work, 8 * work, status, done, failed, then, then,
            then,
        ),
    )  # fmt: skip
    db.execute(
        "INSERT INTO jobs (id, owner, dataset, status, message, created, started, finished) "
        "VALUES (?, ?, ?, ?, 'known from its store', ?, ?, ?)",
        (token_hex(8), owner, id, status, then, then, then),
    )
    return True
