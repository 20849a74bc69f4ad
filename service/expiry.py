"""Finished stores are deleted some time after the last job on them ended, where the server is told to."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from functools import partial

from pdemill.errors import StoreError
from pdemill.service.background import Background
from pdemill.service.graves import bury
from pdemill.service.ledger import Ledger
from pdemill.settings import Settings

LOOK_SECONDS = 60.0
AT_ONCE = 100

log = logging.getLogger("pdemill.expiry")


class Expiry(Background):
    """One thread, at work in the process that ``leads``."""

    def __init__(self, settings: Settings, ledger: Ledger, leads: Callable[[], bool]) -> None:
        self._settings, self._ledger, self._leads = settings, ledger, leads
        super().__init__()

    @property
    def wanted(self) -> bool:
        return bool(self._settings.expire_days)

    def _live(self) -> None:
        while not self._stop.is_set():
            if self._leads():
                try:
                    self.sweep(time.time())
                except (sqlite3.Error, OSError) as error:
                    log.warning("cannot go on: %s", error)
            self._stop.wait(min(LOOK_SECONDS, self._settings.expire_seconds))

    def sweep(self, now: float) -> None:
        """Delete the stores that expired before ``now``; those that are being written stay until the next time."""
        before = now - self._settings.expire_seconds
        message = f"its store expired after {self._settings.expire_days:g} days (PDEMILL_EXPIRE_DAYS)"
        for dataset in self._ledger.expired(before, AT_ONCE):
            try:
                bury(self._settings, dataset, partial(self._ledger.expire, dataset, before, message))
                log.info("expired", extra={"dataset": dataset})
            except StoreError as error:
                log.info("kept: %s", error, extra={"dataset": dataset})
