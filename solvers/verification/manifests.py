"""Checking what the manifest of a shard says against its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import ldexp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.solvers.job import Job
from pdemill.store.layout import MEASURED, Shard
from pdemill.store.manifest import Manifest, name_of
from pdemill.store.store import Store

type Rows = Mapping[str, NDArray[Any]]

STATISTICS = 1e-9
"""Relative difference of means and deviations that were summed elsewhere."""


def file_faults(store: Store, shard: Shard, manifest: Manifest) -> Iterator[str]:
    """Files that the manifest should describe and does not, or the other way round."""
    wanted, told = set(store.files_of(shard)), set(manifest.all_files())
    for name in sorted(wanted - told):
        yield f"{name_of(shard)} says nothing of {name}"
    for name in sorted(told - wanted):
        yield f"{name_of(shard)} tells of {name}, which is no file of the shard"
    lasting = {name for name in wanted if name.split("/")[1] not in MEASURED}
    if wanted == told and set(manifest.files) != lasting:
        yield f"{name_of(shard)} takes measured files for lasting ones"
    if manifest.schema != store.layout.attributes["schema"]:
        yield f"{name_of(shard)} has schema {manifest.schema}, its store {store.layout.attributes['schema']}"


def row_faults(shard: Shard, manifest: Manifest, rows: Rows) -> Iterator[str]:
    """Failures of the manifest against those among the rows."""
    told = {failure["row"] for failure in manifest.failures}
    found = set(np.flatnonzero(rows["method"] <= 0).tolist())
    for row in sorted(told ^ found):
        sample = f"sample {shard.start + row} of {shard.split}"
        yield f"{sample}: its method says that it {'failed' if row in found else 'is certified'}, its manifest does not"


def summary_faults(job: Job, shard: Shard, manifest: Manifest, rows: Rows, all_rows: bool) -> Iterator[str]:
    """The solver statistics against the columns; where rows are drawn anyway also what takes drawing all of them."""
    own, split = job.part(shard.split)
    made, told = own.summary(rows, replace(shard, split=split) if all_rows else None), dict(manifest.summary)
    if not all_rows or manifest.failures:  # a failed sample may have been solved first
        made.pop("first", None)
        told.pop("first", None)
    if told != made:
        keys = sorted(key for key in told.keys() | made.keys() if told.get(key, ...) != made.get(key, ...))
        yield f"{name_of(shard)}: its summary does not follow from the rows: {', '.join(keys)}"


def moment_faults(store: Store, shard: Shard, manifest: Manifest, rows: Rows) -> Iterator[str]:
    """The statistics of channels against the rows."""
    made = store.moments(rows, manifest.failures)
    for channel in sorted(made.keys() | manifest.moments.keys()):
        mine, told = made.get(channel), manifest.moments.get(channel)
        if mine is None or told is None or not _near(told, mine):
            yield f"{name_of(shard)}: its moments of {channel} are not those of the rows"


def _near(told: Mapping[str, float], made: Mapping[str, float]) -> bool:
    if told.keys() != made.keys():
        return False
    scale = max(abs(made.get("least", 0.0)), abs(made.get("greatest", 0.0)))
    square = min(ldexp(scale, -int(made.get("exponent", 0))), 1e150) ** 2
    sizes = {"mean": scale, "m2": made["count"] * square}
    return all(abs(told[key] - made[key]) <= STATISTICS * sizes.get(key, 0.0) for key in made)
