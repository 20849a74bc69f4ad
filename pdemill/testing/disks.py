"""A disk in memory that loses what was not synced, and fails where it is told to."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext

from pdemill.store.disk import Disk


class Crash(BaseException):
    """The machine stopped; nothing may catch it."""


class MemoryDisk(Disk):
    """Files in memory, in two states: as a running process sees them, and as they survive a crash.

    Content survives once its file was synced, a new name or a replacement once its folder was synced. What
    is not synced may survive or not: ``crash`` takes all of it, none of it, or only the names below one folder.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.folders: set[str] = {""}
        self.synced: dict[str, bytes] = {}
        self.durable: dict[str, bytes] = {}
        self.durable_folders: set[str] = {""}
        self.held: set[str] = set()

    def read(self, name: str) -> bytes:
        if name not in self.files:
            raise FileNotFoundError(name)
        return self.files[name]

    def exists(self, name: str) -> bool:
        return name in self.files or name in self.folders

    def size(self, name: str) -> int:
        return len(self.files[name]) if name in self.files else -1

    def names(self) -> Iterator[str]:
        return iter(sorted(self.files))

    def top(self) -> set[str]:
        return {name.partition("/")[0] for name in (*self.files, *self.folders) if name}

    def make_folder(self, name: str) -> None:
        if name in self.folders:
            raise FileExistsError(name)
        assert _folder(name) in self.folders
        self.folders.add(name)

    def write(self, name: str, data: bytes | Iterable[bytes]) -> None:
        assert _folder(name) in self.folders
        assert name not in self.files
        self.files[name] = data if isinstance(data, bytes) else b"".join(data)
        self.held.add(name)

    def sync(self, name: str) -> None:
        self.synced[name] = self.files[name]

    def replace(self, source: str, target: str) -> None:
        self.files[target] = self.files.pop(source)
        if source in self.synced:
            self.synced[target] = self.synced.pop(source)
        self.held.discard(source)

    def link(self, source: str, target: str) -> None:
        if target in self.files:
            raise FileExistsError(target)
        self.files[target] = self.files[source]
        if source in self.synced:
            self.synced[target] = self.synced[source]

    def abandoned(self, name: str) -> bool:
        return name not in self.held

    def alone(self, folder: str) -> AbstractContextManager[object]:
        return nullcontext()

    def sync_folder(self, name: str) -> None:
        self.durable_folders |= {folder for folder in self.folders if folder and _folder(folder) == name}
        here = {file for file in self.durable if _folder(file) == name}
        for file in here - set(self.files):
            del self.durable[file]
        for file in self.files:
            if _folder(file) == name:
                self.durable[file] = self.synced.get(file, b"")

    def remove(self, name: str) -> None:
        if name not in self.files:
            raise FileNotFoundError(name)
        del self.files[name]
        self.held.discard(name)

    def crash(self, keep: str = "nothing") -> MemoryDisk:
        """The disk as it is found after a crash.

        ``keep``: of what was not synced, "everything" survives, "nothing", or the names in the folder called so.
        """
        found = MemoryDisk()
        if keep == "everything":
            found.files = dict(self.files)
            found.folders = set(self.folders)
        else:
            found.folders = {f for f in self.durable_folders if all(p in self.durable_folders for p in _above(f))}
            lucky = {name: self.synced.get(name, b"") for name in self.files if _folder(name) == keep}
            alive = {**self.durable, **lucky}
            found.files = {name: data for name, data in alive.items() if _folder(name) in found.folders}
        found.synced = dict(found.files)
        found.durable = dict(found.files)
        found.durable_folders = set(found.folders)
        return found


class FailingDisk(MemoryDisk):
    """A memory disk whose operation number ``at`` crashes before or after it, or half-way, or gives an error."""

    def __init__(self, disk: MemoryDisk, at: int, how: str) -> None:
        super().__init__()
        self.__dict__.update(disk.__dict__)
        self.at, self.how, self.operations = at, how, 0

    def _count(self) -> bool:
        """Whether this operation is the chosen one; raises if it fails before it is done."""
        self.operations += 1
        if self.operations != self.at:
            return False
        if self.how == "before":
            raise Crash
        if self.how in ("ENOSPC", "EIO"):
            raise OSError(getattr(errno, self.how), self.how)
        return True

    def make_folder(self, name: str) -> None:
        chosen = self._count()
        super().make_folder(name)
        self._after(chosen)

    def write(self, name: str, data: bytes | Iterable[bytes]) -> None:
        self.operations += 1
        chosen = self.operations == self.at
        if chosen and self.how == "before":
            raise Crash
        if chosen and self.how in ("half", "ENOSPC", "EIO"):
            whole = data if isinstance(data, bytes) else b"".join(data)
            super().write(name, whole[: len(whole) // 2])
            if self.how == "half":
                raise Crash
            raise OSError(getattr(errno, self.how), self.how)
        super().write(name, data)
        self._after(chosen)

    def sync(self, name: str) -> None:
        chosen = self._count()
        super().sync(name)
        self._after(chosen)

    def replace(self, source: str, target: str) -> None:
        chosen = self._count()
        super().replace(source, target)
        self._after(chosen)

    def link(self, source: str, target: str) -> None:
        chosen = self._count()
        super().link(source, target)
        self._after(chosen)

    def sync_folder(self, name: str) -> None:
        chosen = self._count()
        super().sync_folder(name)
        self._after(chosen)

    def remove(self, name: str) -> None:
        chosen = self._count()
        super().remove(name)
        self._after(chosen)

    def _after(self, chosen: bool) -> None:
        if chosen and self.how in ("after", "half"):
            raise Crash


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _above(folder: str) -> list[str]:
    parts = folder.split("/")
    return ["/".join(parts[:i]) for i in range(1, len(parts))]
