"""What the manifests of a store say of it, remembered until they change."""

from __future__ import annotations

import time
from collections.abc import Hashable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pdemill.addresses import Place
from pdemill.errors import PdemillError
from pdemill.service.stores import counted, manifest_names
from pdemill.store.manifest import FOLDER
from pdemill.store.places import disk_at
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
        self._known: dict[Place, tuple[Hashable, Count]] = {}

    def of(self, root: Place) -> Count:
        """The counts of a store; nothing where there is none, or none that can be read."""
        try:
            stamp, settled = _stamp(root)
            known = self._known.get(root)
            if known is not None and known[0] == stamp:
                return known[1]
            count = _count(root)
        except (PdemillError, OSError, ValueError, KeyError, TypeError, AttributeError):
            return Count()
        if settled:
            self._known[root] = stamp, count
        return count


def _stamp(root: Place) -> tuple[Hashable, bool]:
    """What changes with the manifests of a store, and whether it tells the next change from the last one."""
    if not isinstance(root, Path):
        return frozenset(manifest_names(root)), True
    changed = (root / FOLDER).stat().st_mtime_ns
    return changed, time.time() - changed / 1e9 > SETTLED_SECONDS


def _count(root: Place) -> Count:
    attributes, disk, names = read_attributes(root), disk_at(root), manifest_names(root)
    there = [shard for shard in shards_of(attributes) if shard.name in names]
    found = [manifest for manifest in disk.each(partial(counted, disk), there) if manifest is not None]
    return Count(sum(m.stop - m.start for m in found), sum(len(m.failures) for m in found))
