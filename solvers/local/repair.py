"""Mending a store: shards that are not what was certified are taken out and solved again, to the same bits."""

from __future__ import annotations

from pathlib import Path

from pdemill.addresses import Place, home
from pdemill.errors import CorruptStore
from pdemill.progress import Repair, Watcher
from pdemill.solvers.job import Job
from pdemill.solvers.local.generate import generate, locked
from pdemill.solvers.opening import open_work, stored_spec
from pdemill.solvers.verification.files import metadata_faults
from pdemill.store.store import Store


def repair(
    store: str | Path, workers: int = 1, watcher: Watcher = lambda tally: None, other_versions: bool = False
) -> Repair:
    """Hash every file of a store, and solve again the shards of those that are damaged or missing."""
    root = home(store, "the store to repair")
    spec = stored_spec(root)
    with locked(root):
        _job, writing = _opened(root)
        faults, shards = list(metadata_faults(writing)), list(writing.layout.shards())
        damaged = {shard: fault for shard in shards if (fault := writing.fault_of(shard))}
        if faults or damaged:
            writing.check_same_job(other_versions)
            writing.create(other_versions)
            for shard in damaged:
                writing.take_out(shard)
    summary = generate(spec, root, workers, watcher, other_versions)
    return Repair((*faults, *damaged.values()), len(damaged), len(shards), summary)


def _opened(root: Place) -> tuple[Job, Store]:
    try:
        return open_work(root)
    except CorruptStore:  # the mesh
        return open_work(root, anew=True)
