"""Checking the files of a store that are not samples: metadata, the root, and what does not belong there."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from pdemill import arrays, planning
from pdemill.addresses import Place
from pdemill.solvers import growing, lengthening
from pdemill.store import manifest as manifests
from pdemill.store import runs
from pdemill.store.disk import TEMPORARY, Readable
from pdemill.store.manifest import Manifest
from pdemill.store.root import ROOT
from pdemill.store.store import Store


def read(disk: Readable, name: str) -> bytes | None:
    """The content of a file; None where it cannot be read."""
    try:
        return disk.read(name)
    except OSError:
        return None


def metadata_faults(store: Store) -> Iterator[str]:
    """Metadata that does not follow from the spec, the root aside."""
    for name, data in store.metadata.items():
        if name != ROOT and read(store.disk, name) != data:
            yield f"{name} is not as it was written"


def array_faults(root: Place, ids: Collection[str]) -> Iterator[str]:
    """Users' arrays, by their ids, that are not kept in a store as they were given."""
    for id in ids:
        if not arrays.is_kept(id, root):
            yield f"{arrays.name_of(id)} is not the array that the spec names"


def stray_files(store: Store, ids: Collection[str]) -> Iterator[str]:
    """Files that no pdemill writes into such a store, or that a writer left when it died; ``ids``: of users' arrays."""
    plans = map(planning.file_of, ["", *store.layout.attributes.get("fidelities", {})])
    told = {*plans, lengthening.FILE, growing.FILE, runs.FILE}
    known = {*store.metadata, *told, *chain.from_iterable(map(arrays.files_of, ids))}
    for shard in store.layout.shards():
        known.update([manifests.name_of(shard), *store.files_of(shard)])
    for name in store.disk.names():
        if name.endswith(TEMPORARY):
            yield f"{name} was left by a writer that died: run generate again, which removes it"
        elif name not in known:
            yield f"{name} does not belong to the store"


def root_faults(store: Store, attributes: Mapping[str, Any], done: Sequence[Manifest], whole: bool) -> Iterator[str]:
    """What is wrong with the root; ``whole``: all shards are there, so that its statistics follow from ``done``."""
    complete = attributes["complete"]
    if whole and not complete:
        yield f"{ROOT} says that the store is not complete, but all shards are there: run generate again"
    expected = store.finished_root(list(done)) if complete else store.metadata[ROOT]
    found = store.disk.read(ROOT)
    if found == expected:
        return
    there, wanted = json.loads(found), json.loads(expected)
    open_ends = set() if whole else {"stats", "failed_samples", "estimated_samples"}
    keys = there["attributes"].keys() | wanted["attributes"].keys()
    changed = sorted(k for k in keys - open_ends if there["attributes"].get(k, ...) != wanted["attributes"].get(k, ...))
    if changed:
        yield f"{ROOT} is not as it was written: its {', '.join(changed)} do not follow from spec and manifests"
    elif whole or {**there, "attributes": 0} != {**wanted, "attributes": 0}:
        yield f"{ROOT} is not as it was written: it tells of other arrays than the spec asks for, or in another form"
