"""Going on with a store that other versions of the software, or another kind of machine, began."""

from __future__ import annotations

import numpy as np

from pdemill.errors import CorruptStore, StoreMismatch
from pdemill.solvers.agreement import same_bits
from pdemill.solvers.job import Job
from pdemill.solvers.threads import one_thread
from pdemill.store import manifest as manifests
from pdemill.store.certified import check_files
from pdemill.store.decode import decode
from pdemill.store.store import Store

COMPARED = 64
"""Samples whose draws are compared, at most: the first and the last of as many finished shards, spread evenly."""


@one_thread()
def require_same_draws(job: Job, store: Store) -> None:
    """Raise StoreMismatch unless the finished shards hold, to the bit, what is drawn here."""
    there = [(s, m) for s, m in manifests.read_all(store.disk, store.layout.shards()) if m is not None]
    wanted = np.unique(np.linspace(0, len(there) - 1, min(len(there), COMPARED // 2)).round().astype(int))
    for shard, manifest in (there[i] for i in wanted.tolist()):
        try:
            check_files(store.disk, shard, manifest)
            files = {name: store.disk.read(name) for name in store.files_of(shard)}
            rows = decode(store.layout, store.metadata, shard, files).arrays
        except CorruptStore:
            continue  # is made again
        good = np.setdiff1d(np.arange(len(shard)), [failure["row"] for failure in manifest.failures])
        for row in np.unique(good[[0, -1]]).tolist() if good.size else []:
            number = shard.start + row
            for name, made in job.drawn(shard.split, number).items():
                if not same_bits(rows[name][row], made):
                    raise StoreMismatch(
                        f"sample {number} of {shard.split} of the store has another {name} than is drawn here: it "
                        f"cannot be gone on with; finish it with what began it, or make another"
                    )
