"""The file-system operations that a store is written with, one by one, so that each can be made to fail."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Protocol, Self
from uuid import uuid4

from pdemill.errors import StoreBusy, StoreError
from pdemill.flock import FileLock

TEMPORARY = ".tmp"


class Readable(Protocol):
    """Files by name, relative to a folder, with ``/``."""

    def read(self, name: str) -> bytes: ...
    def exists(self, name: str) -> bool: ...


class Disk(Readable, Protocol):
    """A folder that can be written. Nothing is durable before it has been synced."""

    def size(self, name: str) -> int: ...
    def names(self) -> Iterator[str]: ...
    def make_folder(self, name: str) -> None: ...
    def write(self, name: str, data: bytes) -> None: ...
    def sync(self, name: str) -> None: ...
    def replace(self, source: str, target: str) -> None: ...
    def sync_folder(self, name: str) -> None: ...
    def remove(self, name: str) -> None: ...


class LocalDisk:
    """A folder of the local file system."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()

    def exists(self, name: str) -> bool:
        return (self.root / name).exists()

    def size(self, name: str) -> int:
        """Length of a file in bytes; -1 where there is none."""
        path = self.root / name
        return path.stat().st_size if path.exists() else -1

    def names(self) -> Iterator[str]:
        """All files below the folder, sorted."""
        for folder, folders, files in os.walk(self.root):
            folders.sort()
            for file in sorted(files):
                yield (Path(folder) / file).relative_to(self.root).as_posix()

    def make_folder(self, name: str) -> None:
        (self.root / name).mkdir()

    def write(self, name: str, data: bytes) -> None:
        (self.root / name).write_bytes(data)

    def sync(self, name: str) -> None:
        self._sync(self.root / name, os.O_RDONLY)

    def replace(self, source: str, target: str) -> None:
        (self.root / source).replace(self.root / target)

    def sync_folder(self, name: str) -> None:
        self._sync(self.root / name, os.O_RDONLY | os.O_DIRECTORY)

    def remove(self, name: str) -> None:
        (self.root / name).unlink()

    @staticmethod
    def _sync(path: Path, flags: int) -> None:
        handle = os.open(path, flags)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_durably(disk: Disk, name: str, data: bytes) -> None:
    """Put a file in place so that a crash at any moment leaves the old file, no file, or the whole new one."""
    folder = name.rpartition("/")[0]
    make_folders(disk, folder)
    temporary = f"{name}.{uuid4().hex}{TEMPORARY}"
    try:
        disk.write(temporary, data)
        disk.sync(temporary)
        disk.replace(temporary, name)
        disk.sync_folder(folder)
    except OSError as error:
        _discard(disk, temporary)
        raise StoreError(
            f"cannot write {name}: {error.strerror or error}; finished shards are safe, run it again"
        ) from error


def _discard(disk: Disk, name: str) -> None:
    """Give the space of a half-written file back; what cannot be removed is left to the next sweep."""
    try:
        if disk.exists(name):
            disk.remove(name)
    except OSError as error:
        logging.getLogger(__name__).warning("cannot remove %s: %s", name, error.strerror or error)


def make_folders(disk: Disk, name: str) -> None:
    """Make a folder and those above it, durably."""
    if not name or disk.exists(name):
        return
    parent = name.rpartition("/")[0]
    make_folders(disk, parent)
    try:
        disk.make_folder(name)
        disk.sync_folder(parent)
    except FileExistsError:
        return
    except OSError as error:
        raise StoreError(f"cannot make the folder {name}: {error.strerror or error}") from error


def sweep(disk: Disk) -> None:
    """Remove the temporary files of writers that died; only while no writer is alive."""
    for name in list(disk.names()):
        if name.endswith(TEMPORARY):
            try:
                disk.remove(name)
            except OSError as error:
                raise StoreError(f"cannot remove {name}: {error.strerror or error}; run it again") from error


class Lock:
    """The right to write a store. It is held by this process and by every child that inherits ``handle``; see FileLock.

    Workers of a run that was killed take a moment to end, so the lock is tried for ``patience`` seconds. Queue
    workers, each with a shard of its own, hold it ``shared``: they keep out a run that means to have it alone.
    """

    def __init__(self, root: Path, patience: float = 5.0, shared: bool = False) -> None:
        self._lock = FileLock(root, folder=True, shared=shared)
        try:
            limit = monotonic() + patience
            while not self._lock.take():
                if monotonic() > limit:
                    raise StoreBusy(f"{root} is being written by another pdemill; wait for it or stop it")
                sleep(0.05)
        except StoreError:
            self._lock.release()
            raise

    @property
    def handle(self) -> int:
        return self._lock.handle

    def release(self) -> None:
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.release()
