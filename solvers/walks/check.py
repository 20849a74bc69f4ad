"""Checking pointwise samples of a store again: what was drawn, and some of the labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pdemill.solvers import flags
from pdemill.solvers.agreement import agrees
from pdemill.solvers.instance import InvalidSample
from pdemill.solvers.walks.drawn import drawn_arrays, relative_error
from pdemill.solvers.walks.job import PointJob
from pdemill.solvers.walks.labels import Drawn, Labeller
from pdemill.store.layout import Shard

CHECKED_POINTS = 2
"""Points per sample whose walks are done again."""
ROUNDING = 1e-6
"""Tolerance for float32 and for the order of sums."""
ELSEWHERE = 1.0
"""Standard errors by which labels made elsewhere may differ: a rounding makes a walk in a few thousand end at another
place."""


def check_labels(job: PointJob, group: zarr.Group, shard: Shard, rows: NDArray[np.intp]) -> list[str]:
    """Check some samples of a shard: what was drawn is drawn anew, labels of a few points are walked, and the columns
    that follow from the labels recomputed."""
    part: Any = group[shard.split]
    columns = {a.name: np.asarray(part[a.name][shard.start : shard.stop]) for a in job.layout.arrays_of(shard.split)}
    labeller = Labeller(job, shard.split)
    faults = []
    for row in rows.tolist():
        sample = shard.start + row
        stored = {name: column[row] for name, column in columns.items()}
        faults += [f"sample {sample} of {shard.split}: {fault}" for fault in _faults(labeller, sample, stored)]
    return faults


def _faults(labeller: Labeller, number: int, stored: dict[str, Any]) -> Iterator[str]:
    if stored["sample_id"] != number:
        yield f"stored under the number {stored['sample_id']}"
    try:
        drawn = labeller.draw(number)
    except InvalidSample as fault:
        yield f"the spec does not draw it: {fault}"
        return
    job = labeller.job
    made = drawn_arrays(job, drawn.sample, drawn.data, drawn.points)
    if not agrees(stored["points"], made["points"], job.here):
        yield "its points are not those of the spec"
        return
    for name, values in made.items():
        if not agrees(stored[name], values, job.here):
            yield f"its {name} is not what the spec draws"
    faults = list(_label_faults(labeller, drawn, number, stored))
    yield from faults or _column_faults(drawn, stored)


def _label_faults(labeller: Labeller, drawn: Drawn, number: int, stored: dict[str, Any]) -> Iterator[str]:
    chosen = np.unique((np.arange(CHECKED_POINTS) * 7919 + 31 * number) % len(drawn.points))
    found = labeller.label_at(drawn, drawn.points[chosen], chosen)
    slack = 0.0 if labeller.job.here else ELSEWHERE
    for place, value, stderr in zip(chosen.tolist(), found.value, found.stderr, strict=True):
        allowed = ROUNDING * (abs(value) + stderr) + slack * stderr
        if not abs(stored["solution"][place] - value) <= allowed:
            yield f"its label at point {place} is not what the walks give ({value:.6g})"
        elif not abs(stored["stderr"][place] - stderr) <= allowed:
            yield f"the standard error of its label at point {place} is not what the walks give ({stderr:.6g})"
    if not labeller.job.here:
        return
    for name in ("walks", "truncated", "steps", "gradient", "gradient_stderr"):
        made = getattr(found, name)
        if name in stored and made is not None and not np.allclose(stored[name][chosen], made, ROUNDING, ROUNDING):
            yield f"its {name} at points {', '.join(map(str, chosen))} is not what the walks give"
    if stored["largest_weight"] < np.float32(found.weight) * (1.0 - ROUNDING):
        yield f"its largest_weight {stored['largest_weight']:.3g} is below that of a walk, {found.weight:.3g}"


def _column_faults(drawn: Drawn, stored: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the columns that follow from the labels of all points."""
    if not np.allclose(stored["epsilon"], drawn.epsilon, ROUNDING, 0.0):
        yield "its epsilon is not that of the spec"
    error = relative_error(stored["solution"].astype(np.float64), stored["stderr"].astype(np.float64))
    if not abs(stored["error_estimate"] - error) <= ROUNDING * (error + 1.0):
        yield f"its error_estimate {stored['error_estimate']:.3g} is not the recomputed {error:.3g}"
    elif "flags" in stored:
        for name in flags.disputed(flags.Evidence(stored), int(stored["flags"]), here=True):
            yield f"its flags are not what the stored numbers give: {name}"
