"""``python -m pdemill.workers.marker``: waits until the data directory can be used, and prints its id; ends with its
parent. It is a process of its own, since a worker that used the library for buckets could not fork any more."""

from __future__ import annotations

import os
import sys
from logging import getLogger

from pdemill.data_directory import DataDirectory
from pdemill.process import die_with_parent
from pdemill.settings import Settings


def main() -> None:
    """Wait, and tell."""
    die_with_parent(os.getppid())
    settings = Settings.read()
    directory = DataDirectory(settings.data_dir, settings.data_id)
    directory.wait(getLogger("pdemill.worker"))
    sys.stdout.write(directory.id)


if __name__ == "__main__":
    main()
