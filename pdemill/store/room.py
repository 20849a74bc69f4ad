"""Whether there is room on the disk."""

from __future__ import annotations

import os
from pathlib import Path

from pdemill.errors import StoreError
from pdemill.store.layout import Shard, StoreLayout

LEAST_FREE = 50_000_000
"""Bytes that are to stay free."""


def free_bytes(folder: Path) -> int:
    """Bytes that may still be written there."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def check_room(root: Path, layout: StoreLayout, shard: Shard) -> None:
    """Raise StoreError where a shard may not fit on the disk of its store."""
    needed, free = len(shard) * sum(array.sample_bytes for array in layout.arrays_of(shard.split)), free_bytes(root)
    if needed > free:
        raise StoreError(f"{shard.name} may take {needed:,} bytes, and the disk has {free:,} left; make room")
