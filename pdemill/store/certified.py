"""Are the files of a shard what its manifest certifies, and taking out those shards whose files are not."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from pdemill.addresses import Place
from pdemill.errors import CorruptStore
from pdemill.store import manifest as manifests
from pdemill.store.disk import Disk
from pdemill.store.layout import Shard
from pdemill.store.manifest import Manifest
from pdemill.store.places import disk_at
from pdemill.store.placing import make_folders, remove, sync_folder
from pdemill.store.root import ROOT, read_attributes, read_root, shards_of


def check_files(disk: Disk, shard: Shard, manifest: Manifest) -> None:
    """Raise CorruptStore unless every file of a shard is the one that its manifest describes."""

    def found_of(name: str) -> dict[str, Any]:
        try:
            return manifests.fingerprint(disk.read(name))
        except OSError as error:
            raise CorruptStore(f"{name} of shard {shard.name} cannot be read: {error.strerror}") from None

    wanted = manifest.all_files()
    for (name, expected), found in zip(wanted.items(), disk.each(found_of, wanted), strict=True):
        if found != expected:
            what = "bytes" if found["bytes"] != expected["bytes"] else "sha256"
            raise CorruptStore(
                f"{name} (samples {shard.start}..{shard.stop - 1} of {shard.split}) is not what was written: "
                f"{what} {found[what]}, expected {expected[what]}"
            )


def certified(disk: Disk, shard: Shard, files: Collection[str] = ()) -> Manifest | None:
    """The manifest of a shard, all of whose files are what it says; None where there is none. Raises CorruptStore for
    one that is not so, or lacks some of ``files``."""
    manifest = manifests.read(disk, shard)
    if manifest is None:
        return None
    if lacking := set(files) - set(manifest.all_files()):
        raise CorruptStore(f"{manifests.name_of(shard)} says nothing of {min(lacking)}")
    check_files(disk, shard, manifest)
    return manifest


def fault_of(disk: Disk, shard: Shard, files: Collection[str] = ()) -> str:
    """What is wrong with a shard; nothing if it is ``certified``."""
    try:
        return "" if certified(disk, shard, files) is not None else f"shard {shard.name} is missing"
    except CorruptStore as error:
        return str(error)


def take_out(disk: Disk, shard: Shard, files: Collection[str] = ()) -> str:
    """Remove the manifest of a shard that is not ``certified``, so that it is solved again, and tell its fault.

    Its files stay: whoever writes the shard keeps those that are right.
    """
    make_folders(disk, manifests.FOLDER)
    with disk.alone(manifests.FOLDER):
        return taken_out(disk, shard, files)


def taken_out(disk: Disk, shard: Shard, files: Collection[str] = ()) -> str:
    """The same for who is alone already."""
    fault = fault_of(disk, shard, files)
    if fault and disk.exists(manifests.name_of(shard)):
        remove(disk, manifests.name_of(shard))
        sync_folder(disk, manifests.FOLDER)
    return fault


class Look(NamedTuple):
    """How many bytes were read of one shard, and what is wrong with it."""

    shard: Shard
    bytes: int
    fault: str


def look(root: Place) -> Iterator[Look]:
    """Hash every shard of a store. One that is missing is a fault where the store says that it is complete."""
    disk, attributes = disk_at(root), read_attributes(root)
    for shard in shards_of(attributes):
        there = disk.exists(manifests.name_of(shard))
        fault = fault_of(disk, shard) if there or attributes["complete"] else ""
        yield Look(shard, _size(disk, shard) if there else 0, fault)


def _size(disk: Disk, shard: Shard) -> int:
    try:
        manifest = manifests.read(disk, shard)
    except CorruptStore:
        return 0
    return 0 if manifest is None else sum(int(known["bytes"]) for known in manifest.all_files().values())


def metadata_fault(root: Place) -> str:
    """The first metadata file of a store that does not say what its root says of it; nothing if there is none."""
    disk = disk_at(root)
    for name, node in read_root(disk, root)["consolidated_metadata"]["metadata"].items():
        try:
            found = json.loads(disk.read(f"{name}/{ROOT}"))
        except (OSError, ValueError):
            return f"{name}/{ROOT} cannot be read"
        if {key: value for key, value in found.items() if key != "consolidated_metadata"} != {
            key: value for key, value in node.items() if key != "consolidated_metadata"
        }:
            return f"{name}/{ROOT} is not as it was written"
    return ""
