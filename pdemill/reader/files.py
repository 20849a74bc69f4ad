"""Where the files of a store are: what a reader needs of them, and the local file system."""

from __future__ import annotations

import os
from collections.abc import Hashable
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Protocol

from pdemill.objects import Changed as Changed
from pdemill.process import cores
from pdemill.store.disk import LocalDisk

OPEN_FILES = 128
"""Files that one data set keeps open."""


class Files(Protocol):
    """The files of a store, by name. All methods raise FileNotFoundError, OSError; many threads may call them.

    ``nearby``: reading so many bytes too many is cheaper than asking twice. ``most``: bytes to ask for at once.
    ``threads``: how many should read a batch together.
    """

    threads: int
    nearby: int
    most: int

    def read(self, name: str) -> bytes:
        """A whole file."""
        ...

    def exists(self, name: str) -> bool: ...

    def tail(self, name: str, length: int) -> tuple[bytes, int, Hashable]:
        """The last bytes of a file, its length, and a tag that changes with its content."""
        ...

    def part(self, name: str, start: int, length: int, tag: Hashable) -> bytes:
        """Bytes of a file, fewer at its end. Raises Changed if its tag is another one."""
        ...


class LocalFiles(LocalDisk):
    """A folder. Bytes are read at given places, so that threads and forked processes can share open files."""

    threads = min(4, cores())
    nearby = 0
    most = 2**17

    def __init__(self, root: str | Path) -> None:
        super().__init__(root)
        self._open = lru_cache(OPEN_FILES)(self._opened)

    def _opened(self, name: str) -> _OpenFile:
        return _OpenFile(self.root / name)

    def tail(self, name: str, length: int) -> tuple[bytes, int, Hashable]:
        file = self._open(name)
        start = max(file.size - length, 0)
        return file.part(start, file.size - start), file.size, file.tag

    def part(self, name: str, start: int, length: int, tag: Hashable) -> bytes:
        file = self._open(name)
        if file.tag != tag:
            raise Changed(name)
        return file.part(start, length)


class _OpenFile:
    """An open file, closed when nobody refers to it any more: never under a thread that is reading."""

    def __init__(self, path: Path) -> None:
        self._handle = -1
        self._handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._lock = Lock()
        status = os.fstat(self._handle)
        self.size = status.st_size
        self.tag = (status.st_ino, status.st_mtime_ns, status.st_size)

    def part(self, start: int, length: int) -> bytes:
        data = self._read(length, start)
        while len(data) < length and (more := self._read(length - len(data), start + len(data))):
            data += more
        return data

    def _read(self, length: int, start: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._handle, length, start)
        with self._lock:  # Windows
            os.lseek(self._handle, start, os.SEEK_SET)
            return os.read(self._handle, length)

    def __del__(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
