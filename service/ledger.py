"""The ledger: which jobs were submitted, by whom, for which data set. SQLite in the data directory.

A data set is one spec and one set of software versions; several jobs may want the same one. What a data set's
store holds is not written here: that is read from its manifests.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Literal, get_args

from pdemill.service.ledger_schema import LATER, SCHEMA
from pdemill.service.tables import Tables

type Status = Literal["accepted", "running", "successful", "failed", "dismissed"]
STATUSES: tuple[str, ...] = get_args(Status.__value__)
UNFINISHED = ("accepted", "running")


@dataclass(frozen=True)
class Dataset:
    """A row of ``datasets``; ``work`` is samples times unknowns, ``done`` and ``failed`` are samples. Estimated are the
    CPU ``seconds``, the ``memory`` of a process at work, the ``shards``, and, while it is unfinished, the ``bytes``."""

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
    seconds: float = 0.0
    memory: int = 0
    bytes: int = 0
    shards: int = 1


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
    name: str = ""


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


class Ledger(Tables):
    """Jobs and data sets. One connection writes, one reads; both may be used from any thread."""

    def __init__(self, path: Path, check: Callable[[], None] = lambda: None) -> None:
        """``check`` raises where nothing may be written to the file any more."""
        super().__init__(path, check)
        self._set_up()

    def _set_up(self) -> None:
        """Make what is not there yet, also in a ledger of an older version."""
        for table, name, kind, value in LATER:
            columns = [row["name"] for row in self._all(f"PRAGMA table_info({table})", ())]
            if columns and name not in columns:
                self._writer.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")
                self._writer.execute(f"UPDATE {table} SET {name} = {value}")  # noqa: S608
        self._writer.executescript(SCHEMA)
        self._writer.execute(
            "INSERT OR IGNORE INTO backlog SELECT j.owner, d.seconds, j.seq, d.id FROM jobs j "
            "JOIN datasets d ON d.id = j.dataset WHERE j.status IN ('accepted', 'running')"
        )

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
                    "UPDATE datasets SET status = 'accepted', message = '', queued = ?, finished = NULL, done = 0, "
                    "bytes = ? WHERE id = ?",
                    (now, dataset.bytes, dataset.id),
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

    def job(self, owner: str | None, job: str) -> tuple[JobRecord, Dataset] | None:
        """A job of this owner, or of anybody, with its data set."""
        row = self._one("SELECT * FROM jobs WHERE id = ? AND owner = COALESCE(?, owner)", (job, owner))
        found = _job(row)
        dataset = self.dataset(found.dataset) if found is not None else None
        return (found, dataset) if found is not None and dataset is not None else None

    def jobs(
        self, owner: str | None, status: str | None, before: int | None, limit: int
    ) -> list[tuple[JobRecord, Dataset]]:
        """The newest jobs of an owner, or of all, those older than number ``before`` only."""
        chosen = {"owner": owner, "status": status}
        values = [value for value in chosen.values() if value is not None]
        where = "".join(f"{name} = ? AND " for name, value in chosen.items() if value is not None)
        query = f"SELECT * FROM jobs WHERE {where} seq < ? ORDER BY seq DESC LIMIT ?"  # noqa: S608
        rows = self._all(query, (*values, before if before is not None else 2**62, limit))
        jobs = [job for job in map(_job, rows) if job is not None]
        return [(job, dataset) for job in jobs if (dataset := self.dataset(job.dataset)) is not None]

    def rename(self, job: str, name: str) -> None:
        """Give a job another name."""
        with self._write() as db:
            db.execute("UPDATE jobs SET name = ? WHERE id = ?", (name, job))

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
                    "UPDATE datasets SET status = 'dismissed', done = 0, failed = 0, bytes = 0 WHERE id = ?",
                    (row["dataset"],),
                )
            return other is None

    def stored(self, owner: str, *beside: str) -> int:
        """Bytes of the stores that an owner has jobs on, other than those of data sets ``beside``; of unfinished ones
        those that they are estimated to have."""
        row = self._one(
            f"SELECT COALESCE(SUM(bytes), 0) AS bytes FROM datasets WHERE id NOT IN ({', '.join('?' * len(beside))}) "  # noqa: S608
            "AND id IN (SELECT dataset FROM jobs WHERE owner = ? AND status != 'dismissed')",
            (*beside, owner),
        )
        assert row is not None
        return int(row["bytes"])

    def expired(self, before: float, most: int) -> list[str]:
        """Finished data sets with a store on which every job ended before then."""
        rows = self._all(
            "SELECT id FROM datasets WHERE status NOT IN ('accepted', 'running') AND bytes > 0 AND "
            "COALESCE((SELECT MAX(finished) FROM jobs WHERE dataset = datasets.id), queued) < ? LIMIT ?",
            (before, most),
        )
        return [row["id"] for row in rows]

    def expire(self, dataset: str, before: float, message: str) -> bool:
        """Write off a data set that is finished, if every job on it ended before then. Whether it was."""
        with self._write() as db:
            done = db.execute(
                "UPDATE datasets SET status = 'dismissed', done = 0, failed = 0, bytes = 0 WHERE id = ? AND "
                "status NOT IN ('accepted', 'running') AND "
                "COALESCE((SELECT MAX(finished) FROM jobs WHERE dataset = datasets.id), queued) < ?",
                (dataset, before),
            )
            if done.rowcount:
                db.execute(
                    "UPDATE jobs SET status = 'dismissed', message = ? WHERE dataset = ? AND status != 'dismissed'",
                    (message, dataset),
                )
            return bool(done.rowcount)

    def load(self, owner: str | None = None) -> Load:
        """The unfinished load of one owner or of all."""
        where, values = ("WHERE owner = ?", (owner,)) if owner is not None else ("", ())
        query = f"SELECT COALESCE(SUM(jobs), 0) AS jobs, COALESCE(SUM(work), 0) AS work FROM loads {where}"  # noqa: S608
        row = self._one(query, values)
        assert row is not None
        return Load(row["jobs"], row["work"])

    def owners(self, most: int) -> list[tuple[str, int, int]]:
        """Owners with their unfinished jobs and all of them, those with the most unfinished ones first."""
        rows = self._all(
            "SELECT owner, SUM(status IN ('accepted', 'running')) AS unfinished, COUNT(*) AS number FROM jobs "
            "GROUP BY owner ORDER BY unfinished DESC, owner LIMIT ?", (most,),
        )  # fmt: skip
        return [(row["owner"], row["unfinished"], row["number"]) for row in rows]

    # Data sets

    def dataset(self, dataset: str) -> Dataset | None:
        return _dataset(self._one("SELECT * FROM datasets WHERE id = ?", (dataset,)))

    def may_read(self, owner: str, dataset: str) -> bool:
        """Whether an owner has a job on a data set."""
        return self._one("SELECT 1 FROM jobs WHERE dataset = ? AND owner = ?", (dataset, owner)) is not None

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

    def ended(
        self, dataset: str, status: Status, message: str, done: int, failed: int, stored: int | None = None
    ) -> None:
        """A data set, and the unfinished jobs on it, have come to an end, with so many bytes ``stored``, if known."""
        now = time.time()
        with self._write() as db:
            db.execute(
                "UPDATE datasets SET status = ?, message = ?, done = ?, failed = ?, finished = ?, "
                "bytes = COALESCE(?, bytes) WHERE id = ? AND status IN ('accepted', 'running')",
                (status, message, done, failed, now, stored, dataset),
            )
            db.execute("UPDATE mends SET ended = ? WHERE dataset = ? AND ended IS NULL", (now, dataset))
            db.execute(
                "UPDATE jobs SET status = ?, message = ?, finished = ?, started = COALESCE(started, ?) "
                "WHERE dataset = ? AND status IN ('accepted', 'running')",
                (status, message, now, now, dataset),
            )

    # Totals

    def add_totals(self, amounts: Mapping[tuple[str, str], float]) -> None:
        """Add to counters, by name and label."""
        with self._write() as db:
            db.executemany(
                "INSERT INTO totals VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
                [(*key, float(amount)) for key, amount in amounts.items()],
            )

    def totals(self) -> dict[tuple[str, str], float]:
        """The counters, by name and label."""
        return {(row["name"], row["label"]): row["value"] for row in self._all("SELECT * FROM totals", ())}

    # Switches

    def switch(self, name: str, on: bool, by: str) -> None:
        """Note what an admin has switched."""
        with self._write() as db:
            if on:
                db.execute("INSERT OR IGNORE INTO switches VALUES (?, ?, ?)", (name, by, time.time()))
            else:
                db.execute("DELETE FROM switches WHERE name = ?", (name,))

    def switches(self) -> set[str]:
        """What is switched on."""
        return {row["name"] for row in self._all("SELECT name FROM switches", ())}

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


def _job(row: sqlite3.Row | None) -> JobRecord | None:
    return None if row is None else JobRecord(**dict(row))


def _dataset(row: sqlite3.Row | None) -> Dataset | None:
    return None if row is None else Dataset(**dict(row))
