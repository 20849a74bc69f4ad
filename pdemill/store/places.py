"""Disks by place: folders of this machine and buckets."""

from __future__ import annotations

from pathlib import Path

from pdemill.addresses import Place, home
from pdemill.store.disk import Disk, LocalDisk


def disk_at(place: Place) -> Disk:
    """The disk at a path or an address. Raises MissingExtra, StoreError."""
    found = home(place, "the store")
    if isinstance(found, Path):
        return LocalDisk(found)
    from pdemill.objects.bucket import Bucket  # late: who has local stores need not wait for other libraries
    from pdemill.store.object_disk import ObjectDisk

    return ObjectDisk(Bucket(found))


def below(place: Place, name: str) -> Place:
    """The place of something below another one."""
    return place / name if isinstance(place, Path) else f"{place.rstrip('/')}/{name}"
