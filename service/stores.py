"""What the service asks of a store, wherever that is: in the data directory on a disk, or in one in a bucket."""

from __future__ import annotations

import os
from collections.abc import Hashable
from pathlib import Path

from pdemill.addresses import Place
from pdemill.errors import CorruptStore
from pdemill.store.disk import Disk
from pdemill.store.layout import Shard
from pdemill.store.manifest import FOLDER, Manifest, finished, read
from pdemill.store.places import below, disk_at
from pdemill.store.root import ROOT


def is_begun(store: Place) -> bool:
    """Whether there is a store."""
    return disk_at(store).exists(ROOT)


def identity(store: Place) -> Hashable:
    """What tells one root of a store from another; None where there is none."""
    if isinstance(store, Path):
        try:
            status = (store / ROOT).stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns
    from pdemill.objects.bucket import Bucket  # late: an extra

    try:
        return Bucket(store).head(ROOT)
    except FileNotFoundError:
        return None


def manifest_names(store: Place) -> set[str]:
    """The names of the shards that have a manifest, and of what lies beside these."""
    if isinstance(store, Path):
        return {path.stem for path in (store / FOLDER).glob("*.json")}
    return {name.removesuffix(".json") for name in disk_at(below(store, FOLDER)).names() if name.endswith(".json")}


def counted(disk: Disk, shard: Shard) -> Manifest | None:
    """The manifest of a finished shard. In a bucket it is enough that it is there: objects are there in full, those of
    a shard before their manifest; what was lost since is found when the store is finished, and by the scrubber."""
    if disk.locks:
        return finished(disk, shard)
    try:
        return read(disk, shard)
    except CorruptStore:
        return None


def stamp(store: Place) -> tuple[int, int]:
    """Bytes of a store, and a number that changes when a file does."""
    if isinstance(store, Path):
        files = list[tuple[str, int, Hashable]]()
        for folder, _, names in os.walk(store):
            for name in names:
                path = Path(folder) / name
                status = path.stat()
                files.append((str(path), status.st_size, (status.st_mtime_ns, status.st_ino)))
    else:
        from pdemill.objects.bucket import Bucket  # late: an extra

        files = [(name, found.size, found.tag) for name, found in Bucket(store).names()]
    return sum(size for _, size, _ in files), hash(tuple(sorted(files, key=lambda file: file[0])))


def manifest_times(store: Place) -> dict[str, float]:
    """When the manifests of shards were written, in seconds since 1970, by the name of the shard."""
    if isinstance(store, Path):
        return {path.stem: path.stat().st_mtime for path in (store / FOLDER).glob("*-*.json")}
    import obstore  # late: an extra

    from pdemill.objects.opening import opened

    pages = obstore.list(opened(str(below(store, FOLDER))))
    return {entry["path"].removesuffix(".json"): entry["last_modified"].timestamp() for page in pages for entry in page}
