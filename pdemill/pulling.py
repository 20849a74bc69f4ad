"""Copying a finished store, or some of its shards, file by file, from wherever it is; a copy that broke off goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from pdemill import arrays
from pdemill.addresses import on_disk, shown
from pdemill.errors import CorruptStore, IncompleteStore, StoreError, StoreMismatch
from pdemill.progress import Tally, Watcher
from pdemill.reader.files import Files
from pdemill.reader.locations import files_at
from pdemill.spec.array_file import ids_in
from pdemill.store.disk import LocalDisk, Lock
from pdemill.store.layout import Shard
from pdemill.store.manifest import FOLDER, Manifest, fingerprint, finished, name_of
from pdemill.store.placing import make_folders, remove, sweep, write_durably
from pdemill.store.root import ROOT, read_root, shards_of, splits_of

PULLING = f"{FOLDER}/pulling.json"
"""In a copy that is not finished: the hash of the root of the store that it is of."""


def pull(
    store: str | Path,
    out: str | Path,
    splits: Sequence[str] = (),
    samples: tuple[int, int | None] = (0, None),
    api_key: str | None = None,
    watcher: Watcher = lambda tally: None,
) -> Path:
    """Copy a finished store into the folder ``out``; see ``pdemill.pull``.

    What is there already is not fetched again; the root comes last, so that half a copy is no store.
    """
    source, folder, called = files_at(store, api_key), on_disk(out, "the copy"), shown(store)
    attributes = read_root(source, called)["attributes"]
    root = source.read(ROOT)
    if not attributes["complete"]:
        raise IncompleteStore(f"{called} is not finished; pull it when it is")
    shards = list(_chosen(attributes, splits, samples))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the folder {folder}: {error.strerror}") from None
    disk = LocalDisk(folder)
    with Lock(folder):
        _begin(disk, root)
        total, done = sum(map(len, shards)), 0
        for shard in shards:
            watcher(Tally(total, done, solved=done))
            if finished(disk, shard) is None:
                _copy(source, disk, shard)
            done += len(shard)
        watcher(Tally(total, done, solved=done))
        if not disk.exists(ROOT):
            _copy_rest(source, disk, root, attributes)
            write_durably(disk, ROOT, root)
        remove(disk, PULLING)
    return folder


def _chosen(attributes: Mapping[str, Any], splits: Sequence[str], samples: tuple[int, int | None]) -> Iterator[Shard]:
    """The shards that are asked for."""
    there = splits_of(attributes)
    for name in splits:
        if name not in there:
            raise StoreError(f"there is no split {name!r}; there are {', '.join(there)}")
    start, stop = samples
    for shard in shards_of(attributes):
        if (not splits or shard.split in splits) and shard.stop > start and (stop is None or shard.start < stop):
            yield shard


def _begin(disk: LocalDisk, root: bytes) -> None:
    """Note what the copy is of, before anything else. Raises StoreMismatch for a folder that holds something else."""
    note = json.dumps({"root": sha256(root).hexdigest()}).encode()
    if disk.exists(ROOT):
        if disk.read(ROOT) != root:
            raise StoreMismatch(f"{disk.root} holds another store, or this one as it was before; choose another folder")
    elif disk.exists(PULLING):
        if disk.read(PULLING) != note:
            half = f"{disk.root} holds half a copy of another store, or of this one as it was before"
            raise StoreMismatch(f"{half}; delete it, or choose another folder")
    elif any(disk.root.iterdir()):
        raise StoreMismatch(f"{disk.root} exists, and is no copy of the store; choose another folder")
    sweep(disk, alone=True)
    make_folders(disk, FOLDER)
    write_durably(disk, PULLING, note)


def _copy(source: Files, disk: LocalDisk, shard: Shard) -> None:
    """Copy the files of a shard, its manifest last."""
    text = _fetched(source, name_of(shard))
    try:
        manifest = Manifest.parse(text)
    except ValueError as error:
        raise CorruptStore(f"{name_of(shard)} did not arrive as a manifest ({error}); pull it again") from None
    for name, known in manifest.all_files().items():
        content = _fetched(source, name)
        if fingerprint(content) != known:
            raise CorruptStore(f"{name} did not arrive as it was written; pull it again")
        write_durably(disk, name, content)
    write_durably(disk, name_of(shard), text)


def _copy_rest(source: Files, disk: LocalDisk, root: bytes, attributes: Mapping[str, Any]) -> None:
    """Copy what holds no samples: metadata, coordinates and meshes, users' arrays."""
    for name, node in json.loads(root)["consolidated_metadata"]["metadata"].items():
        write_durably(disk, f"{name}/{ROOT}", _fetched(source, f"{name}/{ROOT}"))
        if node["node_type"] == "array" and "/" not in name:
            chunk = "/".join([name, "c", *["0"] * len(node["shape"])])
            write_durably(disk, chunk, _fetched(source, chunk))
    for id in sorted(ids_in(attributes["spec"])):
        for name in arrays.files_of(id):
            write_durably(disk, name, _fetched(source, name))
        if not arrays.is_kept(id, disk.root):
            raise CorruptStore(f"{arrays.name_of(id)} did not arrive as it was written; pull it again")


def _fetched(source: Files, name: str) -> bytes:
    try:
        return source.read(name)
    except OSError as error:
        why = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
        raise CorruptStore(f"{name} {why}: the store is damaged, or is being changed") from None
