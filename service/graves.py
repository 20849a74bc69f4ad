"""Deleting stores. On a disk they are moved aside at once, and removed then. In a bucket nothing can be moved: a file
in the state directory, the grave, says that a store is being deleted, and while it is there nobody begins it anew."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from secrets import token_hex

from pdemill.errors import PdemillError, StoreBusy
from pdemill.flock import FileLock
from pdemill.service.background import Background
from pdemill.service.ledger import UNFINISHED, Ledger
from pdemill.settings import Settings
from pdemill.store.disk import Lock
from pdemill.store.manifest import FOLDER
from pdemill.store.places import disk_at
from pdemill.store.root import ROOT

TRASH = ".trash"
"""How the name of a folder begins that is being deleted."""
BEGUN = b"begun"
"""What a grave holds once it may be that the store is written off."""
LOOK_SECONDS = 60.0

log = logging.getLogger("pdemill.graves")


def bury(settings: Settings, dataset: str, allowed: Callable[[], bool]) -> None:
    """Delete the store of a data set if that is ``allowed``, which is asked while nobody writes it. Raises
    StoreBusy."""
    store = settings.store(dataset)
    if isinstance(store, Path):
        grave = store.with_name(f"{TRASH}-{token_hex(8)}")
        with Lock(store, patience=1.0) if store.exists() else nullcontext():
            if allowed() and store.exists():
                store.rename(grave)
        _remove(grave)
        return
    settings.graves.mkdir(exist_ok=True)
    with _grave(settings.graves / dataset) as held:
        if not held:
            raise StoreBusy("the store is being deleted")
        os.pwrite(held, BEGUN, 0)
        if allowed():
            _empty(store)


def is_buried(settings: Settings, dataset: str) -> bool:
    """Whether the store of a data set is being deleted, or was when somebody died."""
    return not isinstance(settings.data_dir, Path) and (settings.graves / dataset).exists()


class Graves(Background):
    """Finishes what processes that died were deleting: on a disk at once, in a bucket now and then."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._settings, self._ledger = settings, ledger
        super().__init__()

    @property
    def wanted(self) -> bool:
        return not isinstance(self._settings.data_dir, Path)

    def start(self) -> None:
        if isinstance(self._settings.datasets, Path):
            for grave in self._settings.datasets.glob(f"{TRASH}-*"):
                _remove(grave)
        super().start()

    def _live(self) -> None:
        while not self._stop.is_set():
            try:
                self.clear()
            except (PdemillError, OSError, sqlite3.Error) as error:
                log.warning("cannot go on deleting: %s", error)
            self._stop.wait(LOOK_SECONDS)

    def clear(self) -> None:
        """Empty the graves that nobody is at. One whose data set ended, and was not written off, was not begun."""
        for grave in self._settings.graves.glob("*"):
            with _grave(grave) as held:
                if not held or os.pread(held, len(BEGUN), 0) != BEGUN:  # made by the look at one that was just removed
                    continue
                row = self._ledger.dataset(grave.name)
                if row is None or row.status in (*UNFINISHED, "dismissed"):
                    _empty(str(self._settings.store(grave.name)))


@contextmanager
def _grave(path: Path) -> Iterator[int]:
    """Hold a grave, which is removed in the end, unless something went wrong: its handle, or 0 where another process
    has it."""
    lock = FileLock(path)
    try:
        held = lock.take() and path.exists() and os.path.samestat(path.stat(), os.fstat(lock.handle))
        yield lock.handle if held else 0
        if held:
            path.unlink()
    finally:
        lock.release()


def _empty(store: str) -> None:
    """Delete the objects of a store: its root first, so that nobody reads what is half there, then its manifests."""
    from pdemill.objects.bucket import Bucket  # late: an extra

    bucket, disk = Bucket(store), disk_at(store)
    names = [name for name, _ in bucket.names()]
    parts = (
        [name for name in names if name == ROOT],
        [name for name in names if name.startswith(f"{FOLDER}/")],
        [name for name in names if name != ROOT and not name.startswith(f"{FOLDER}/")],
    )
    for part in parts:
        for _ in disk.each(bucket.delete, part):
            pass


def _remove(grave: Path) -> None:
    """Another process may be at it as well."""
    if grave.exists():
        shutil.rmtree(grave, onexc=_unless_gone)


def _unless_gone(_call: object, _path: str, error: BaseException) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
