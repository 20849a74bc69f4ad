"""What the manifests of a store say of it, remembered until they change."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from pdemill.errors import PdemillError
from pdemill.store.disk import LocalDisk
from pdemill.store.manifest import FOLDER, finished
from pdemill.store.root import read_attributes, shards_of

SETTLED_SECONDS = 2.0
"""How old a change of a folder must be for its time to tell it from the next one."""


class Count(NamedTuple):
    """Samples in finished shards, and those of them without a solution."""

    done: int = 0
    failed: int = 0


class Counts:
    """The counts of stores that nobody works on, or whose worker is not known. Many threads may ask."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[int, Count]] = {}

    def of(self, root: Path) -> Count:
        """The counts of a store; nothing where there is none, or none that can be read."""
        try:
            stamp = (root / FOLDER).stat().st_mtime_ns
            known = self._known.get(root)
            if known is not None and known[0] == stamp:
                return known[1]
            count = _count(root)
        except (PdemillError, OSError, ValueError, KeyError, TypeError, AttributeError):
            return Count()
        if time.time() - stamp / 1e9 > SETTLED_SECONDS:
            self._known[root] = stamp, count
        return count


def _count(root: Path) -> Count:
    attributes, disk = read_attributes(root), LocalDisk(root)
    names = {path.stem for path in (root / FOLDER).glob("*.json")}
    shards = shards_of(attributes)
    found = [manifest for shard in shards if shard.name in names and (manifest := finished(disk, shard)) is not None]
    return Count(sum(m.stop - m.start for m in found), sum(len(m.failures) for m in found))
