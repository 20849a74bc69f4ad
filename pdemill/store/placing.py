"""Files come into a store whole: written and synced under a temporary name, then given their own.

No lock is held meanwhile. A name is given by ``link``, which fails where there is a file: what is in place stays,
whoever is late. Temporary files tell whether their writer lives (``Disk.abandoned``); whoever finds that it does not
removes them. Should that ever hit a living one, it cannot put its file in place and tries again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from types import TracebackType
from typing import Self
from uuid import uuid4

from pdemill.errors import StoreError
from pdemill.store.disk import TEMPORARY, Disk


class Staged:
    """Files under temporary names, which are removed at the end."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._temporary: dict[str, str] = {}

    def add(self, name: str, data: bytes | Iterable[bytes]) -> None:
        """Write a file and sync it."""
        make_folders(self._disk, _folder(name))
        self._remove(name)
        temporary = self._temporary[name] = f"{name}.{uuid4().hex}{TEMPORARY}"
        try:
            self._disk.write(temporary, data)
            self._disk.sync(temporary)
        except OSError as error:
            raise _cannot_write(name, error) from error

    def place(self, name: str) -> bool:
        """Give a file its name, durably; False where there is a file of that name, which is durable then, the one that
        it has replaced included."""
        if name not in self._temporary:
            return False
        try:
            try:
                self._disk.link(self._temporary[name], name)
                placed = True
            except FileExistsError:
                placed = False
            self._disk.sync_folder(_folder(name))
        except OSError as error:
            raise _cannot_write(name, error) from error
        return placed

    def replace(self, name: str) -> None:
        """Give a file its name, durably, whether or not there is one of that name."""
        try:
            self._disk.replace(self._temporary[name], name)
            self._disk.sync_folder(_folder(name))
        except OSError as error:
            raise _cannot_write(name, error) from error
        del self._temporary[name]

    def _remove(self, name: str) -> None:
        if temporary := self._temporary.pop(name, ""):
            remove(self._disk, temporary)  # also where it is out of sight: then it is no longer held

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for name in list(self._temporary):
            try:
                if kind is None or issubclass(kind, Exception):
                    self._remove(name)
            except StoreError as left:
                if error is None:
                    raise
                logging.getLogger(__name__).warning("%s", left)


def write_durably(disk: Disk, name: str, data: bytes) -> None:
    """Put a file in place so that a crash at any moment leaves the old file, no file, or the whole new one."""
    with Staged(disk) as staged:
        staged.add(name, data)
        staged.replace(name)


def write_once(disk: Disk, name: str, data: bytes | Iterable[bytes]) -> bool:
    """The same for a file that is never replaced; False where there is one of that name already."""
    with Staged(disk) as staged:
        staged.add(name, data)
        return staged.place(name)


def make_folders(disk: Disk, name: str) -> None:
    """Make a folder and those above it, durably."""
    if not name or disk.has_folder(name):
        return
    parent = _folder(name)
    make_folders(disk, parent)
    try:
        disk.make_folder(name)
    except FileExistsError:
        pass  # somebody else is making it, and may not have synced it yet
    except OSError as error:
        raise _cannot_make(name, error) from error
    sync_folder(disk, parent)


def sync_folder(disk: Disk, name: str) -> None:
    """Make the names in a folder durable."""
    try:
        disk.sync_folder(name)
    except OSError as error:
        raise StoreError(f"cannot sync {name or 'the folder'}: {error.strerror or error}; run it again") from error


def remove(disk: Disk, name: str) -> None:
    """Remove a file, unless somebody was faster."""
    try:
        disk.remove(name)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot remove {name}: {error.strerror or error}; run it again") from error


def sweep(disk: Disk, alone: bool) -> None:
    """Remove the temporary files of writers that died: those that no living process holds, or all of them, for who has
    the store ``alone``."""
    for name in list(disk.names()):
        if name.endswith(TEMPORARY) and (alone or disk.abandoned(name)):
            remove(disk, name)


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _cannot_write(name: str, error: OSError) -> StoreError:
    return StoreError(f"cannot write {name}: {error.strerror or error}; finished shards are safe, run it again")


def _cannot_make(name: str, error: OSError) -> StoreError:
    return StoreError(f"cannot make the folder {name}: {error.strerror or error}")
