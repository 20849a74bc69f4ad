"""What is still to be done, as the coordinator and metrics ask the ledger, on a connection of their own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from itertools import batched
from pathlib import Path
from threading import Lock

from pdemill.service.database import connect

MOST_PARAMETERS = 500
MENDING = ""
"""The owner of data sets whose stores were found damaged: nobody waits for them, but they are to be whole."""

_MENDED = "SELECT dataset FROM mends WHERE ended IS NULL"


class Backlog:
    """The unfinished data sets by owner, shortest first. May be used from any thread. Raises sqlite3.Error."""

    def __init__(self, path: Path) -> None:
        self._db = connect(path)
        self._lock = Lock()
        self._seen = -1

    def close(self) -> None:
        self._db.close()

    def changed(self) -> bool:
        """Whether any connection has written to the ledger since the last call."""
        (version,) = self._rows("PRAGMA data_version")[0]
        found, self._seen = version != self._seen, version
        return bool(found)

    def owners(self) -> list[str]:
        """Those who have unfinished jobs."""
        mending = [MENDING] if self._rows("SELECT 1 FROM mends WHERE ended IS NULL LIMIT 1") else []
        return mending + [row["owner"] for row in self._rows("SELECT owner FROM loads WHERE jobs > 0 ORDER BY owner")]

    def shortest(self, owner: str, most: int) -> list[str]:
        """The data sets of an owner that are estimated to take the least time."""
        if owner == MENDING:
            return [row["dataset"] for row in self._rows(f"{_MENDED} ORDER BY found LIMIT ?", most)]
        rows = self._rows(
            "SELECT DISTINCT dataset FROM backlog WHERE owner = ? ORDER BY seconds, seq LIMIT ?", owner, most
        )
        return [row["dataset"] for row in rows]

    def wanted(self, datasets: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Those of the data sets that somebody still waits for, and who."""
        found: dict[str, list[str]] = {}
        for some in batched(datasets, MOST_PARAMETERS):
            marks = ", ".join("?" * len(some))
            query = (
                f"SELECT DISTINCT dataset, owner FROM backlog WHERE dataset IN ({marks}) "  # noqa: S608
                f"UNION SELECT dataset, '{MENDING}' FROM ({_MENDED}) WHERE dataset IN ({marks}) ORDER BY owner"
            )
            for row in self._rows(query, *some, *some):
                found.setdefault(row["dataset"], []).append(row["owner"])
        return {dataset: tuple(owners) for dataset, owners in found.items()}

    def shards(self) -> int:
        """Estimated shards of all data sets that somebody waits for, finished ones included."""
        row = self._rows("SELECT COALESCE(SUM(shards), 0) FROM datasets WHERE status IN ('accepted', 'running')")[0]
        return int(row[0])

    def oldest(self) -> float | None:
        """When the data set was queued that has waited longest without being begun."""
        queued: float | None = self._rows("SELECT MIN(queued) FROM datasets WHERE status = 'accepted'")[0][0]
        return queued

    def _rows(self, query: str, *values: str | int) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(query, values).fetchall()
