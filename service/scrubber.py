"""The scrubber: hashes the files of finished stores, slowly, and has damaged shards solved again."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable

from pdemill.data_directory import DataDirectory
from pdemill.errors import PdemillError, StoreError
from pdemill.service.alone import alone
from pdemill.service.background import Background
from pdemill.service.ledger import UNFINISHED, Ledger
from pdemill.service.metrics import Metrics
from pdemill.service.stores import is_begun
from pdemill.service.stores import stamp as stamp_of
from pdemill.settings import Settings
from pdemill.store.certified import look, metadata_fault, take_out
from pdemill.store.places import disk_at
from pdemill.store.placing import remove, sweep
from pdemill.store.root import ROOT, read_attributes

AT_ONCE = 256 * 2**20
"""A store of so many bytes is hashed while its spec is submitted again; a larger one is the scrubber's next."""
IDLE_SECONDS = 2.0
KNOWN_SECONDS = 3600.0

log = logging.getLogger("pdemill.scrubber")


class Scrubber(Background):
    """One thread; of several processes on one data directory, one scrubs."""

    def __init__(
        self, settings: Settings, directory: DataDirectory, ledger: Ledger, metrics: Metrics, wake: Callable[[], None]
    ) -> None:
        self._settings, self._directory, self._ledger, self._metrics = settings, directory, ledger, metrics
        self._wake = wake
        super().__init__()
        self._known: dict[str, tuple[int, float]] = {}

    @property
    def wanted(self) -> bool:
        return bool(self._settings.scrub_rate)

    def asked_again(self, dataset: str) -> None:
        """Look at a store that has ended and that is asked for again: at once, unless it is large."""
        row, root = self._ledger.dataset(dataset), self._settings.store(dataset)
        if row is None or row.status in UNFINISHED or not is_begun(root):
            return
        size, stamp = stamp_of(root)
        then = self._known.get(dataset)
        if then is not None and then[0] == stamp and time.monotonic() - then[1] < KNOWN_SECONDS:
            return
        if size > AT_ONCE:
            self._ledger.look_soon(dataset)
            return
        if not self._look(dataset, float("inf")):
            self._known[dataset] = stamp, time.monotonic()

    def _live(self) -> None:
        with alone(self._settings.state / "scrubber.lock", self._stop):
            while not self._stop.is_set():
                try:
                    self._directory.require()
                    dataset = self._ledger.unlooked(time.time() - 3600 * self._settings.scrub_hours)
                    if dataset is not None:
                        self._look(dataset, self._settings.scrub_rate)
                        self._ledger.looked(dataset)
                except (PdemillError, OSError, sqlite3.Error) as error:
                    log.warning("cannot scrub: %s", error)
                self._stop.wait(IDLE_SECONDS)

    def _look(self, dataset: str, rate: float) -> bool:
        """Hash a store, so many bytes per second, and take out what is damaged; whether anything is."""
        root = self._settings.store(dataset)
        disk, damaged, extra = disk_at(root), 0, {"dataset": dataset}
        if not disk.exists(ROOT):
            return False
        try:
            complete = bool(read_attributes(root)["complete"])
            fault = metadata_fault(root)
        except StoreError as error:
            complete, fault = True, str(error)
            remove(disk, ROOT)  # is made anew of the spec
        else:
            for seen in look(root):
                if seen.fault and take_out(disk, seen.shard):
                    damaged += 1
                    log.warning("damaged, is solved again: %s", seen.fault, extra={**extra, "unit": seen.shard.name})
                self._metrics.scrubbed(seen.bytes, bool(seen.fault))
                if self._stop.wait(seen.bytes / rate):
                    return bool(damaged)
            sweep(disk, alone=False)
        if fault:
            log.warning("damaged, is written again: %s", fault, extra=extra)
        if (damaged or fault) and complete and self._ledger.mend(dataset, damaged):
            self._wake()
        return bool(damaged or fault)
