"""Copying a finished store over HTTP, file by file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from pdemill import arrays
from pdemill.errors import CorruptStore, StoreError
from pdemill.spec.array_file import ids_in
from pdemill.store.disk import LocalDisk
from pdemill.store.manifest import FOLDER, fingerprint, name_of, read
from pdemill.store.placing import make_folders, write_durably
from pdemill.store.root import ROOT, shards_of


def download(get: Callable[[str], bytes], folder: Path) -> Path:
    """Copy the store whose files ``get`` fetches by name; the root comes last, so that half a copy is no store.

    Raises CorruptStore for a file that is not what its manifest says, StoreError for a folder that exists.
    """
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise StoreError(f"{folder} exists; choose another folder") from None
    disk = LocalDisk(folder)
    root = get(ROOT)
    document = json.loads(root)
    attributes = document["attributes"]
    for name, node in document["consolidated_metadata"]["metadata"].items():
        write_durably(disk, f"{name}/{ROOT}", get(f"{name}/{ROOT}"))
        if node["node_type"] == "array" and "/" not in name:
            chunk = "/".join([name, "c", *["0"] * len(node["shape"])])
            write_durably(disk, chunk, get(chunk))
    for id in sorted(ids_in(attributes["spec"])):
        for name in arrays.files_of(id):
            write_durably(disk, name, get(name))
        if not arrays.is_kept(id, folder):
            raise CorruptStore(f"{arrays.name_of(id)} did not arrive as it was written; download it again")
    make_folders(disk, FOLDER)
    for shard in shards_of(attributes):
        write_durably(disk, name_of(shard), get(name_of(shard)))
        manifest = read(disk, shard)
        assert manifest is not None
        for name, expected in manifest.all_files().items():
            content = get(name)
            if fingerprint(content) != expected:
                raise CorruptStore(f"{name} did not arrive as it was written; download it again")
            write_durably(disk, name, content)
    write_durably(disk, ROOT, root)
    return folder
