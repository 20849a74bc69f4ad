"""A SQLite file for many threads: one connection writes, one reads, and damage that shows is remembered."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, RLock
from typing import Any

from pdemill.service.database import check_whole, connect


class Tables:
    """The connections to a file. ``check`` raises where nothing may be written to it any more."""

    def __init__(self, path: Path, check: Callable[[], None]) -> None:
        self._check = check
        self.trouble = ""
        """What is wrong with the file, once that has shown."""
        self.path = path
        self._writer, self._reader = connect(path), connect(path)
        check_whole(path, self._reader)
        self._write_lock, self._read_lock = RLock(), Lock()
        self._together = False

    def close(self) -> None:
        self._writer.close()
        self._reader.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that the thread writes meanwhile is written at once, or nothing of it where an error ends it. What it
        reads is as it was before."""
        with self._write():
            self._together = True
            try:
                yield
            finally:
                self._together = False

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._write_lock:
            if self._together:
                yield self._writer
                return
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
