"""What a worker works on: its settings, and the data directory, whose id is in all that it shares through Redis.

To load it, the data directory has to be there: whoever starts a worker waits for that first. The library for buckets
does not survive a fork, so the process that forks the pool never uses it: it is told the id, and ``look`` is left to
the processes of the pool.
"""

from __future__ import annotations

from pathlib import Path

from pdemill import arrays
from pdemill.data_directory import DataDirectory
from pdemill.settings import Settings

settings = Settings.read()
directory = DataDirectory(settings.data_dir, settings.data_id)


def look() -> None:
    """Find users' arrays in the data directory."""
    arrays.look_in_store(settings.arrays)


if isinstance(settings.data_dir, Path):
    directory.require()
    look()
