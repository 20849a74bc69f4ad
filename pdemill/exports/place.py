"""A folder that is there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from pdemill.errors import ExportError
from pdemill.store.disk import TEMPORARY, LocalDisk
from pdemill.store.root import ROOT


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder under a temporary name beside ``out``; synced and renamed to it at the end, removed after an error.

    Raises ExportError if ``out`` exists, is inside a store, or cannot be written.
    """
    target = out.absolute()
    _check_free(out)
    temporary = target.with_name(f".{target.name}.{uuid4().hex}{TEMPORARY}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        _sync(temporary)
        _check_free(out)
        temporary.rename(target)
        LocalDisk(target.parent).sync_folder("")
    except OSError as error:
        raise ExportError(f"cannot write {out}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def reserve(path: Path, size: int) -> None:
    """Make sure that a file of so many bytes can be written. Raises OSError; the file is gone afterwards."""
    try:
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    finally:
        path.unlink(missing_ok=True)


def _check_free(out: Path) -> None:
    if os.path.lexists(out):
        raise ExportError(f"{out} exists; choose another place, or remove it")
    for parent in reversed(out.resolve().parents):
        if (parent / ROOT).exists():
            raise ExportError(f"{out} is inside the store {parent}; choose another place")


def _sync(folder: Path) -> None:
    disk = LocalDisk(folder)
    for name in disk.names():
        disk.sync(name)
    for path, _, _ in os.walk(folder):
        disk.sync_folder(path)
