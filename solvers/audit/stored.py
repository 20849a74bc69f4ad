"""Audits of the labels of a store."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pdemill.solvers.audit.labels import audit_labels
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.solution import Result
from pdemill.store.layout import Shard


def audit_stored(
    job: FieldJob, group: zarr.Group, shard: Shard, rows: NDArray[np.intp]
) -> tuple[list[float], list[str]]:
    """The errors of some stored labels, and what is wrong with them."""
    part: Any = group[shard.split]
    labels = np.stack([part["solution"][shard.start + row, 0] for row in rows.tolist()])
    numbers = shard.start + rows
    errors, faults = [], []
    for number, found in zip(numbers.tolist(), audit_labels(job, shard.split, numbers, labels), strict=True):
        errors.append(math.nan if found is None else found.error)
        if found is not None and found.flagged:
            faults.append(f"sample {number} of {shard.split}: {Result.DISAGREES.value} ({found.complaint})")
    return errors, faults
