"""``python -m pdemill.workers.health``: exit status 0 if a worker of this host is alive; a container's check."""

from __future__ import annotations

import os
import socket
import sys

from redis import RedisError

from pdemill.broker import explain
from pdemill.data_directory import DataDirectory
from pdemill.errors import DirectoryAway, PdemillError
from pdemill.leases import Leases
from pdemill.settings import Settings


def main() -> None:
    """Look for a worker that says it is alive and whose process is here."""
    try:
        settings = Settings.read()
    except PdemillError as error:
        sys.exit(f"error: {error}")
    try:
        directory = DataDirectory(settings.data_dir, settings.data_id)
        directory.require()
        workers = Leases.at(settings, directory.id).workers()
    except DirectoryAway as error:
        sys.exit(f"error: {error}")
    except RedisError as error:
        sys.exit(f"error: {explain(error, settings)}")
    if not any(worker.host == socket.gethostname() and _runs(worker.pid) for worker in workers):
        sys.exit("error: no worker of this host is alive")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main()
