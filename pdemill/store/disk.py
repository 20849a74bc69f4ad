"""The file-system operations that a store is written with, one by one, so that each can be made to fail."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from time import monotonic, sleep
from typing import Protocol, Self

from pdemill.errors import StoreBusy, StoreError
from pdemill.flock import FileLock, hold, is_abandoned

TEMPORARY = ".tmp"
NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK}
"""What file systems answer that have no hard links: FAT, and some in user space."""
ALONE_SECONDS = 120.0


class Readable(Protocol):
    """Files by name, relative to a folder, with ``/``."""

    def read(self, name: str) -> bytes: ...
    def exists(self, name: str) -> bool: ...


class Disk(Readable, Protocol):
    """A folder that can be written. Nothing is durable before it has been synced.

    ``locks``: whether writers can be kept apart by locks.
    """

    locks: bool = True

    def size(self, name: str) -> int: ...
    def names(self) -> Iterator[str]: ...
    def top(self) -> set[str]: ...
    def make_folder(self, name: str) -> None: ...
    def write(self, name: str, data: bytes | Iterable[bytes]) -> None: ...
    def sync(self, name: str) -> None: ...
    def replace(self, source: str, target: str) -> None: ...
    def link(self, source: str, target: str) -> None: ...
    def abandoned(self, name: str) -> bool: ...
    def alone(self, folder: str) -> AbstractContextManager[object]: ...
    def sync_folder(self, name: str) -> None: ...
    def remove(self, name: str) -> None: ...

    def has_folder(self, name: str) -> bool:
        """Whether files can be written in a folder."""
        return self.exists(name)

    def each[T, R](self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """What work on several files gives, in their order; some of it is done at once where that is faster."""
        return map(work, items)

    def overview(self) -> Disk:
        """The same folder for a look at all of it: what it tells of a file may be what was there a while ago."""
        return self


class LocalDisk(Disk):
    """A folder of the local file system."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self._held: dict[str, int] = {}
        self._warned = False

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

    def top(self) -> set[str]:
        """The files and folders of the folder itself."""
        return {entry.name for entry in self.root.iterdir()}

    def make_folder(self, name: str) -> None:
        (self.root / name).mkdir()

    def write(self, name: str, data: bytes | Iterable[bytes]) -> None:
        """Make a file. It is held until it is moved, removed or let go, so that others see that its writer lives."""
        handle = os.open(self.root / name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        hold(handle)
        self._held[name] = handle
        with os.fdopen(handle, "wb", closefd=False) as file:
            file.writelines([data] if isinstance(data, bytes) else data)

    def sync(self, name: str) -> None:
        self._sync(self.root / name, os.O_RDONLY)

    def replace(self, source: str, target: str) -> None:
        (self.root / source).replace(self.root / target)
        self._let_go(source)

    def link(self, source: str, target: str) -> None:
        """Give a file a second name. Raises FileExistsError where there is such a file, whoever made it and when.

        Where the file system has no hard links, the file is moved, under a lock that all writers of ``target`` take.
        """
        try:
            (self.root / target).hardlink_to(self.root / source)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            self._move_alone(source, target, error)

    def abandoned(self, name: str) -> bool:
        """Whether the writer of a file that was made by ``write`` is dead."""
        return is_abandoned(self.root / name)

    def alone(self, folder: str) -> Lock:
        """The right to take something away that is not as it should be."""
        return Lock(self.root / folder, patience=ALONE_SECONDS)

    def sync_folder(self, name: str) -> None:
        self._sync(self.root / name, os.O_RDONLY | os.O_DIRECTORY)

    def remove(self, name: str) -> None:
        self._let_go(name)
        (self.root / name).unlink()

    def _let_go(self, name: str) -> None:
        if (handle := self._held.pop(name, None)) is not None:
            os.close(handle)

    def _move_alone(self, source: str, target: str, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            logging.getLogger(__name__).warning(
                "the file system of %s has no hard links (%s): shards are put in place under a lock, one at a time",
                self.root, error.strerror,
            )  # fmt: skip
        with Lock((self.root / target).parent, patience=ALONE_SECONDS):
            if self.exists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
            self.replace(source, target)

    @staticmethod
    def _sync(path: Path, flags: int) -> None:
        handle = os.open(path, flags)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


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
