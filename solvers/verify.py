"""Checking a finished store again: its bytes, and its certificates against the equation."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray

from pdemill import planning
from pdemill.addresses import on_disk
from pdemill.errors import CorruptStore, PdemillError
from pdemill.spec.audit import objection
from pdemill.store import manifest as manifests
from pdemill.store.disk import Disk, LocalDisk
from pdemill.store.layout import Shard
from pdemill.store.manifest import Manifest
from pdemill.store.root import ROOT, as_written, read_attributes, without_description
from pdemill.store.store import Store, check_files
from pdemill.verification import Verification
from solvers.opening import open_work


def verify(store: str | Path, samples: int | None = None, audit: int = 0) -> Verification:
    """Check hashes of all files, then draw and assemble samples anew and recompute their residuals.

    Of a pointwise store, the labels at CHECKED_POINTS points of each sample are walked anew and must be the same bits.
    A stored solution u, rounded to the store's type, passes when ||b - A u|| / ||b|| is at most
    rtol + eps || |A||u| || / ||b||, the most that rounding can add.
    ``samples``: how many per split, spread evenly; default all.
    ``audit``: so many labels per split are measured against the continuous equation by random walks, with the options
    of the spec's ``certify.audit`` or its defaults. Raises PdemillError where that is not possible.
    """
    root = on_disk(store, "the store to verify")
    job, making = open_work(root)
    if audit and (complaint := objection(job.problem)):
        raise PdemillError(f"an audit {complaint}")
    disk = LocalDisk(root)
    attributes = read_attributes(root)
    written = Store(disk, replace(making.layout, attributes=as_written(making.layout.attributes, attributes)))
    faults: list[str] = [f"{name} is not as it was written" for name in _changed_metadata(written)]
    total = done = 0
    errors: list[float] = []
    finished: list[Manifest] = []
    group = zarr.open_group(root, mode="r")
    for shard, manifest in manifests.read_all(disk, making.layout.shards()):
        if manifest is None:
            faults.append(f"shard {shard.name} is missing: run generate again")
            continue
        finished.append(manifest)
        total += manifest.certified
        faults += [f"sample {f['sample']} of {shard.split} failed: {f['reason']}" for f in manifest.failures]
        try:
            check_files(disk, shard, manifest)
        except CorruptStore as error:
            faults.append(str(error))
            continue
        chosen = _chosen(shard, manifest, samples, making.layout.splits[shard.split])
        done += len(chosen)
        faults += job.check(group, shard, chosen)
        walked = _chosen(shard, manifest, audit, making.layout.splits[shard.split])
        if walked.size:
            found, told = job.audit(group, shard, walked)
            errors += found
            faults += told
    if attributes["complete"] and disk.read(ROOT) != written.finished_root(finished):
        faults.append(f"{ROOT} is not as it was written: its attributes do not follow from spec and manifests")
    return Verification(total, done, tuple(faults), content_hash(disk), tuple(errors))


def _changed_metadata(store: Store) -> list[str]:
    return [
        name
        for name, data in store.metadata.items()
        if name != ROOT and (not store.disk.exists(name) or store.disk.read(name) != data)
    ]


def _chosen(shard: Shard, manifest: Manifest, samples: int | None, of: int) -> NDArray[np.intp]:
    """The rows of a shard whose certificates are recomputed."""
    failed = [f["row"] for f in manifest.failures]
    rows = np.setdiff1d(np.arange(len(shard)), failed)
    if samples is None or samples >= of:
        return rows
    wanted = np.unique(np.linspace(0, of - 1, samples).round().astype(int)) if samples else np.empty(0, dtype=int)
    return np.intersect1d(rows, wanted - shard.start)


def content_hash(disk: Disk) -> str:
    """A hash of everything in a store but measured times, and what later versions tell of it besides."""
    total = sha256()
    for name in disk.names():
        if "/solve_seconds/c/" in f"/{name}" or name == planning.FILE:
            continue
        data = disk.read(name)
        if name == ROOT:
            data = without_description(data)
        if name.startswith(f"{manifests.FOLDER}/"):
            data = json.dumps(Manifest(**json.loads(data)).lasting(), sort_keys=True).encode()
        total.update(sha256(name.encode()).digest() + sha256(data).digest())
    return total.hexdigest()
