"""Checking pointwise samples of a store again: what was drawn, and some of the labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.store.layout import Shard
from solvers.instance import InvalidSample
from solvers.walks.job import PointJob
from solvers.walks.labels import Drawn, Labeller

CHECKED_POINTS = 2
"""Points per sample whose walks are done again."""
ROUNDING = 1e-6
"""Tolerance for float32 and for the order of sums."""


def check_labels(job: PointJob, group: zarr.Group, shard: Shard, rows: NDArray[np.intp]) -> list[str]:
    """Check some samples of a shard: points and inputs are drawn anew, labels of a few points walked."""
    part: Any = group[shard.split]
    span = slice(shard.start, shard.stop)
    columns = {name: np.asarray(part[name][span]) for name in ("points", "input", "solution", "stderr", "sample_id")}
    labeller = Labeller(job, shard.split)
    faults = []
    for row in rows.tolist():
        sample = shard.start + row
        stored = {name: column[row] for name, column in columns.items()}
        faults += [f"sample {sample} of {shard.split}: {fault}" for fault in _faults(labeller, sample, stored)]
    return faults


def _faults(labeller: Labeller, number: int, stored: dict[str, Array]) -> Iterator[str]:
    if stored["sample_id"] != number:
        yield f"stored under the number {stored['sample_id']}"
    try:
        drawn = labeller.draw(number)
    except InvalidSample as fault:
        yield f"the spec does not draw it: {fault}"
        return
    job, dtype = labeller.job, labeller.job.spec.store.dtype
    if not np.array_equal(drawn.points, stored["points"]):
        yield "its points are not those of the spec"
        return
    if not np.array_equal(job.inputs(drawn.sample, drawn.data, drawn.points).astype(dtype), stored["input"]):
        yield "its input is not what the spec draws"
    yield from _label_faults(labeller, drawn, number, stored)


def _label_faults(labeller: Labeller, drawn: Drawn, number: int, stored: dict[str, Array]) -> Iterator[str]:
    chosen = np.unique((np.arange(CHECKED_POINTS) * 7919 + 31 * number) % len(drawn.points))
    found = labeller.label_at(drawn, drawn.points[chosen], chosen)
    for place, value, stderr in zip(chosen.tolist(), found.value, found.stderr, strict=True):
        allowed = ROUNDING * (abs(value) + stderr)
        if not abs(stored["solution"][place] - value) <= allowed:
            yield f"its label at point {place} is not what the walks give ({value:.6g})"
        elif not abs(stored["stderr"][place] - stderr) <= allowed:
            yield f"the standard error of its label at point {place} is not what the walks give ({stderr:.6g})"
