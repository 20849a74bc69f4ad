"""Solving a whole shard again: every lasting array must come out as it is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.solvers.agreement import same_bits
from pdemill.solvers.job import Job
from pdemill.store.layout import MEASURED, Shard
from pdemill.store.manifest import Manifest

ELSEWHERE = 1e4
"""Units of rtol by which solutions of another machine may differ, relative to their norm."""


def resolved_faults(job: Job, shard: Shard, manifest: Manifest, rows: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    """What is not as solving again gives it: to the bit where the store was made here; elsewhere solutions to what the
    tolerance leaves open, and which samples fail. Raises MissingExtra where the method cannot run here."""
    if lacking := job.method.missing():
        raise lacking
    data, _ = job.solve(shard, lambda progress: None)
    own, _ = job.part(shard.split)
    told = {failure["row"]: failure for failure in manifest.failures}
    made = {failure["row"]: dict(failure) for failure in data.failures}
    for row in sorted(told.keys() | made.keys()):
        if (told.get(row) if own.here else row in told) != (made.get(row) if own.here else row in made):
            reason = made[row]["reason"] if row in made else "it is solved"
            yield f"sample {shard.start + row} of {shard.split}: solving it again gives another end: {reason}"
    good = np.setdiff1d(np.arange(len(shard)), [*told, *made])
    for part in job.layout.arrays_of(shard.split):
        if part.name in MEASURED:
            continue
        for row in good.tolist():
            if not _agree(own, part.name, rows, data.arrays, row):
                yield f"sample {shard.start + row} of {shard.split}: its {part.name} is not what solving it again gives"


def _agree(job: Job, name: str, rows: Mapping[str, NDArray[Any]], made: Mapping[str, NDArray[Any]], row: int) -> bool:
    stored, again = np.asarray(rows[name][row]), np.asarray(made[name][row])
    if job.here:
        return same_bits(stored, again)
    if name != "solution":
        return True
    error = stored.astype(np.float64) - again.astype(np.float64)
    if "stderr" in made:
        return bool(np.all(np.abs(error) <= made["stderr"][row] + np.abs(again) * 1e-6))
    allowed = ELSEWHERE * getattr(job.method, "rtol", 0.0) + 4.0 * float(np.finfo(stored.dtype).eps)
    return bool(np.linalg.norm(error) <= allowed * np.linalg.norm(again))
