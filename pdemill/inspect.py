"""Summarises the contents of a store in numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pdemill.addresses import on_disk
from pdemill.errors import CorruptStore
from pdemill.progress import Failure
from pdemill.store import manifest as manifests
from pdemill.store.decode import UNREADABLE
from pdemill.store.disk import LocalDisk
from pdemill.store.layout import cut
from pdemill.store.root import read_attributes

COLUMNS = (
    "rel_residual", "algebraic_error", "stored_error", "error_estimate", "audit_error", "audit_interval",
    "largest_weight", "time_error_estimate", "valid_until", "spectral_tail", "steps", "iterations", "solve_seconds",
    "method",
)  # fmt: skip


@dataclass
class SplitReport:
    """One split: samples, how many are certified, and the columns of those that are."""

    split: str
    samples: int
    certified: int = 0
    failures: list[Failure] = field(default_factory=list)
    columns: dict[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        return self.samples - self.certified - len(self.failures)


def report(store: str | Path) -> tuple[dict[str, Any], list[SplitReport]]:
    """The attributes of a store and a report per split."""
    root = on_disk(store, "the store to inspect")
    attributes = read_attributes(root)
    splits = attributes["spec"]["splits"]
    reports = {split: SplitReport(split, samples) for split, samples in splits.items()}
    for shard, manifest in manifests.read_all(LocalDisk(root), cut(splits, int(attributes["shard_samples"]))):
        if manifest is None:
            continue
        row = reports[shard.split]
        row.certified += manifest.certified
        row.failures += [Failure(shard.split, f["sample"], f"{f['result']}: {f['reason']}") for f in manifest.failures]
    try:
        arrays = zarr.open_group(root, mode="r")
        for split, row in reports.items():
            row.columns = _certified(arrays[split])
    except UNREADABLE as error:
        raise CorruptStore(f"{store} cannot be read ({error}); pdemill verify tells more") from None
    return attributes, list(reports.values())


def _certified(group: Any) -> dict[str, NDArray[Any]]:
    """The columns of a split's certified samples."""
    values = {name: np.asarray(group[name][...]) for name in COLUMNS if name in group}
    good = values["method"] > 0
    return {name: column[good] for name, column in values.items()}
