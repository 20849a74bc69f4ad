"""Setting up a process of the pool."""

from __future__ import annotations

import os

import zarr

from pdemill.process import die_with_parent
from pdemill.workers.memory import limit


def start_process() -> None:
    """Set up a process of the pool."""
    die_with_parent(os.getppid())
    limit()
    zarr.config.set({"async.concurrency": 1, "threading.max_workers": 1})
