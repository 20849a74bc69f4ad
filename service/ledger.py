"""The ledger: which jobs were submitted, by whom, for which data set. SQLite in the data directory.

A data set is one spec and one set of software versions; several jobs may want the same one. What a data set's
store holds is not written here: that is read from its manifests.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from threading import Lock
from typing import Any, Literal, get_args

from service.database import check_whole, connect

type Status = Literal["accepted", "running", "successful", "failed", "dismissed"]
STATUSES: tuple[str, ...] = get_args(Status.__value__)
UNFINISHED = ("accepted", "running")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS datasets (
    id TEXT PRIMARY KEY, spec TEXT NOT NULL, spec_sha256 TEXT NOT NULL, samples INTEGER NOT NULL,
    work INTEGER NOT NULL, status TEXT NOT NULL, message TEXT NOT NULL DEFAULT '',
    done INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
    queued REAL NOT NULL, started REAL, finished REAL
) STRICT;
CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL,
    dataset TEXT NOT NULL REFERENCES datasets(id), status TEXT NOT NULL, message TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL, started REAL, finished REAL, idempotency TEXT, UNIQUE (owner, idempotency)
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_by_owner ON jobs (owner, seq);
CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (owner, status, seq);
CREATE INDEX IF NOT EXISTS jobs_by_dataset ON jobs (dataset, status);
CREATE TABLE IF NOT EXISTS loads (owner TEXT PRIMARY KEY, jobs INTEGER NOT NULL, work INTEGER NOT NULL) STRICT;
CREATE TRIGGER IF NOT EXISTS job_begins AFTER INSERT ON jobs WHEN NEW.status IN ('accepted', 'running') BEGIN
    INSERT INTO loads SELECT NEW.owner, 1, work FROM datasets WHERE id = NEW.dataset
    ON CONFLICT (owner) DO UPDATE SET jobs = jobs + 1, work = work + excluded.work;
END;
CREATE TRIGGER IF NOT EXISTS job_ends AFTER UPDATE OF status ON jobs
WHEN OLD.status IN ('accepted', 'running') AND NEW.status NOT IN ('accepted', 'running') BEGIN
    UPDATE loads SET jobs = jobs - 1, work = work - (SELECT work FROM datasets WHERE id = NEW.dataset)
    WHERE owner = NEW.owner;
END;
CREATE TABLE IF NOT EXISTS mends (
    dataset TEXT PRIMARY KEY, shards INTEGER NOT NULL, found REAL NOT NULL, ended REAL
) STRICT;
CREATE TABLE IF NOT EXISTS looks (dataset TEXT PRIMARY KEY, at REAL NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS datasets_by_status ON datasets (status, queued);
"""


@dataclass(frozen=True)
class Dataset:
    """A row of ``datasets``; ``work`` is samples times unknowns, ``done`` and ``failed`` are samples."""

    id: str
    spec: str
    spec_sha256: str
    samples: int
    work: int
    status: Status
    message: str
    done: int
    failed: int
    queued: float
    started: float | None
    finished: float | None


@dataclass(frozen=True)
class JobRecord:
    """A row of ``jobs``."""

    seq: int
    id: str
    owner: str
    dataset: str
    status: Status
    message: str
    created: float
    started: float | None
    finished: float | None
    idempotency: str | None


@dataclass(frozen=True)
class Load:
    """Unfinished jobs, and their samples times unknowns."""

    jobs: int
    work: int


@dataclass(frozen=True)
class Mend:
    """Shards of a data set that were found damaged (none: its metadata), when, and when they were solved again."""

    dataset: str
    shards: int
    found: float
    ended: float | None


class Ledger:
    """Jobs and data sets. One connection writes, one reads; both may be used from any thread."""

    def __init__(self, path: Path, check: Callable[[], None] = lambda: None) -> None:
        """``check`` raises where nothing may be written to the file any more."""
        self._check = check
        self.trouble = ""
        """What is wrong with the file, once that has shown."""
        self._writer, self._reader = connect(path), connect(path)
        check_whole(path, self._reader)
        self._write_lock, self._read_lock = Lock(), Lock()
        self._writer.executescript(_SCHEMA)

    def close(self) -> None:
        self._writer.close()
        self._reader.close()

    # Jobs

    def submit(
        self,
        owner: str,
        dataset: Dataset,
        idempotency: str | None,
        room: Callable[[], None] = lambda: None,
        gone: Callable[[], bool] = lambda: False,
    ) -> tuple[JobRecord, bool]:
        """A new job for a data set, or the job that this owner made with the same idempotency key.

        The data set is made if it is not there, and begun again if it ended badly, or ended well and its store or a
        part of it is ``gone``. The flag says whether the job is new. ``room`` raises if one more job is too many;
        nobody submits another while they look.
        """
        with self._write() as db:
            if idempotency is not None and (known := self._find(db, owner, idempotency)) is not None:
                return known, False
            room()
            row = db.execute("SELECT status, message FROM datasets WHERE id = ?", (dataset.id,)).fetchone()
            now, status, message = time.time(), dataset.status, ""
            if row is None:
                columns = list(vars(dataset))
                marks = ", ".join("?" * len(columns))
                db.execute(
                    f"INSERT INTO datasets ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608
                    list(vars(dataset).values()),
                )
            elif row["status"] in ("accepted", "running") or (row["status"] == "successful" and not gone()):
                status, message = row["status"], row["message"]
            else:
                db.execute(
                    "UPDATE datasets SET status = 'accepted', message = '', queued = ?, finished = NULL, done = 0 "
                    "WHERE id = ?",
                    (now, dataset.id),
                )
            ended = now if status not in UNFINISHED else None
            job = token_hex(8)
            db.execute(
                "INSERT INTO jobs (id, owner, dataset, status, message, created, started, finished, idempotency) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    job,
                    owner,
                    dataset.id,
                    status,
                    message,
                    now,
                    now if status != "accepted" else None,
                    ended,
                    idempotency,
                ),
            )
            made = _job(db.execute("SELECT * FROM jobs WHERE id = ?", (job,)).fetchone())
        assert made is not None
        return made, True

    def knows(self, owner: str, idempotency: str) -> bool:
        """Whether this owner has made a job with this idempotency key."""
        query = "SELECT 1 FROM jobs WHERE owner = ? AND idempotency = ?"
        return self._one(query, (owner, idempotency)) is not None

    @staticmethod
    def _find(db: sqlite3.Connection, owner: str, idempotency: str) -> JobRecord | None:
        return _job(
            db.execute("SELECT * FROM jobs WHERE owner = ? AND idempotency = ?", (owner, idempotency)).fetchone()
        )

    def job(self, owner: str, job: str) -> tuple[JobRecord, Dataset] | None:
        """A job of this owner with its data set."""
        row = self._one("SELECT * FROM jobs WHERE id = ? AND owner = ?", (job, owner))
        found = _job(row)
        dataset = self.dataset(found.dataset) if found is not None else None
        return (found, dataset) if found is not None and dataset is not None else None

    def jobs(self, owner: str, status: str | None, before: int | None, limit: int) -> list[tuple[JobRecord, Dataset]]:
        """The newest jobs of an owner, those older than number ``before`` only."""
        where, values = ["owner = ?"], [owner]
        if status is not None:
            where.append("status = ?")
            values.append(status)
        query = f"SELECT * FROM jobs WHERE {' AND '.join(where)} AND seq < ? ORDER BY seq DESC LIMIT ?"  # noqa: S608
        rows = self._all(query, (*values, before if before is not None else 2**62, limit))
        jobs = [job for job in map(_job, rows) if job is not None]
        return [(job, dataset) for job in jobs if (dataset := self.dataset(job.dataset)) is not None]

    def dismiss(self, owner: str, job: str) -> bool:
        """Dismiss a job that is not finished. True if that leaves its data set without any job that wants it."""
        with self._write() as db:
            row = db.execute("SELECT dataset, status FROM jobs WHERE id = ? AND owner = ?", (job, owner)).fetchone()
            if row["status"] not in UNFINISHED:
                return False
            db.execute("UPDATE jobs SET status = 'dismissed', finished = ? WHERE id = ?", (time.time(), job))
            wanted = db.execute(
                "SELECT 1 FROM jobs WHERE dataset = ? AND status IN ('accepted', 'running') "
                "UNION SELECT 1 FROM mends WHERE dataset = ? AND ended IS NULL", (row["dataset"], row["dataset"]),
            ).fetchone()  # fmt: skip
            if wanted is None:
                db.execute("UPDATE datasets SET status = 'dismissed' WHERE id = ?", (row["dataset"],))
            return wanted is None

    def give_up(self, owner: str, job: str) -> bool:
        """Dismiss a finished job. True if that leaves its store, now written off, without any job that is on it."""
        with self._write() as db:
            row = db.execute("SELECT dataset FROM jobs WHERE id = ? AND owner = ?", (job, owner)).fetchone()
            other = db.execute(
                "SELECT 1 FROM jobs WHERE dataset = ? AND id != ? AND status != 'dismissed'",
                (row["dataset"], job),
            ).fetchone()
            message = "its store was deleted" if other is None else "given up; another job is on its store, which stays"
            db.execute("UPDATE jobs SET status = 'dismissed', message = ? WHERE id = ?", (message, job))
            if other is None:
                db.execute(
                    "UPDATE datasets SET status = 'dismissed', done = 0, failed = 0 WHERE id = ?", (row["dataset"],)
                )
            return other is None

    def load(self, owner: str | None = None) -> Load:
        """The unfinished load of one owner or of all."""
        where, values = ("WHERE owner = ?", (owner,)) if owner is not None else ("", ())
        query = f"SELECT COALESCE(SUM(jobs), 0) AS jobs, COALESCE(SUM(work), 0) AS work FROM loads {where}"  # noqa: S608
        row = self._one(query, values)
        assert row is not None
        return Load(row["jobs"], row["work"])

    # Data sets

    def dataset(self, dataset: str) -> Dataset | None:
        return _dataset(self._one("SELECT * FROM datasets WHERE id = ?", (dataset,)))

    def may_read(self, owner: str, dataset: str) -> bool:
        """Whether an owner has a job on a data set."""
        return self._one("SELECT 1 FROM jobs WHERE dataset = ? AND owner = ?", (dataset, owner)) is not None

    def with_status(self, status: str, limit: int) -> list[Dataset]:
        """The data sets that have waited longest."""
        rows = self._all("SELECT * FROM datasets WHERE status = ? ORDER BY queued LIMIT ?", (status, limit))
        return [dataset for dataset in map(_dataset, rows) if dataset is not None]

    def counts(self) -> dict[str, int]:
        """Jobs by status."""
        return {
            row["status"]: row["n"] for row in self._all("SELECT status, COUNT(*) AS n FROM jobs GROUP BY status", ())
        }

    def begun(self, dataset: str) -> None:
        """A data set, and the jobs on it, are running."""
        now = time.time()
        with self._write() as db:
            db.execute(
                "UPDATE datasets SET status = 'running', started = COALESCE(started, ?) WHERE id = ? "
                "AND status = 'accepted'", (now, dataset),
            )  # fmt: skip
            db.execute(
                "UPDATE jobs SET status = 'running', started = ? WHERE dataset = ? AND status = 'accepted'",
                (now, dataset),
            )

    def ended(self, dataset: str, status: Status, message: str, done: int, failed: int) -> None:
        """A data set, and the unfinished jobs on it, have come to an end."""
        now = time.time()
        with self._write() as db:
            db.execute(
                "UPDATE datasets SET status = ?, message = ?, done = ?, failed = ?, finished = ? WHERE id = ? "
                "AND status IN ('accepted', 'running')",
                (status, message, done, failed, now, dataset),
            )
            db.execute("UPDATE mends SET ended = ? WHERE dataset = ? AND ended IS NULL", (now, dataset))
            db.execute(
                "UPDATE jobs SET status = ?, message = ?, finished = ?, started = COALESCE(started, ?) "
                "WHERE dataset = ? AND status IN ('accepted', 'running')",
                (status, message, now, now, dataset),
            )

    # Damage

    def mend(self, dataset: str, shards: int) -> bool:
        """Begin a data set that has ended again, for so many of its shards were found damaged. The jobs on it stay as
        they are. False if it has not ended, or not with a store."""
        now = time.time()
        with self._write() as db:
            begun = db.execute(
                "UPDATE datasets SET status = 'accepted', message = '', queued = ?, finished = NULL WHERE id = ? "
                "AND status IN ('successful', 'failed')", (now, dataset),
            )  # fmt: skip
            if begun.rowcount:
                db.execute("INSERT OR REPLACE INTO mends VALUES (?, ?, ?, NULL)", (dataset, shards, now))
            return bool(begun.rowcount)

    def mended(self, dataset: str) -> Mend | None:
        """The last time that a data set was found damaged."""
        row = self._one("SELECT * FROM mends WHERE dataset = ?", (dataset,))
        return None if row is None else Mend(**dict(row))

    def looked(self, dataset: str) -> None:
        """The files of a data set's store were looked at."""
        with self._write() as db:
            db.execute("INSERT OR REPLACE INTO looks VALUES (?, ?)", (dataset, time.time()))

    def look_soon(self, dataset: str) -> None:
        """The files of a data set's store should be the next to be looked at."""
        with self._write() as db:
            db.execute("INSERT OR REPLACE INTO looks VALUES (?, 0)", (dataset,))

    def unlooked(self, before: float) -> str | None:
        """The data set that has ended and whose store was not looked at for longest, if that is so long ago."""
        row = self._one(
            "SELECT id, COALESCE(at, 0) AS seen FROM datasets LEFT JOIN looks ON dataset = id "
            "WHERE status IN ('successful', 'failed') AND seen < ? ORDER BY seen LIMIT 1", (before,),
        )  # fmt: skip
        return None if row is None else str(row["id"])

    # SQLite

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._write_lock:
            self._check()
            with self._noting():
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    yield self._writer
                except BaseException:
                    self._writer.execute("ROLLBACK")
                    raise
                self._writer.execute("COMMIT")

    def _one(self, query: str, values: Sequence[Any]) -> sqlite3.Row | None:
        with self._read_lock, self._noting():
            row: sqlite3.Row | None = self._reader.execute(query, values).fetchone()
            return row

    def _all(self, query: str, values: Sequence[Any]) -> list[sqlite3.Row]:
        with self._read_lock, self._noting():
            return self._reader.execute(query, values).fetchall()

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Remember that the file is damaged, once SQLite has met the damage."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if type(error) is sqlite3.DatabaseError:
                self.trouble = f"it is damaged ({error})"
            raise


def _job(row: sqlite3.Row | None) -> JobRecord | None:
    return None if row is None else JobRecord(**dict(row))


def _dataset(row: sqlite3.Row | None) -> Dataset | None:
    return None if row is None else Dataset(**dict(row))
