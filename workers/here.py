"""What a worker works on: its settings, and the data directory, whose id is in all that it shares through Redis."""

from __future__ import annotations

import logging
from time import sleep

from pdemill.data_directory import DataDirectory
from pdemill.settings import Settings

log = logging.getLogger("pdemill.worker")


def await_directory(directory: DataDirectory) -> None:
    """Wait until the data directory is there."""
    if trouble := directory.trouble():
        log.warning("%s: %s; waiting", directory.root, trouble)
        while directory.trouble():
            sleep(1.0)
        log.warning("%s is back", directory.root)


settings = Settings.read()
directory = DataDirectory(settings.data_dir, settings.data_id)
await_directory(directory)
