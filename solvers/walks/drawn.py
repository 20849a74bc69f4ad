"""What a pointwise store holds of a sample as it was drawn, and what follows from its labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers import flags
from pdemill.solvers.operators.norms import unit_scale
from pdemill.solvers.walks.data import Data
from pdemill.solvers.walks.sample import PointSample

if TYPE_CHECKING:
    from pdemill.solvers.walks.job import PointJob


def drawn_arrays(job: PointJob, sample: PointSample, data: Data, points: Array) -> dict[str, Array]:
    """The arrays of the store that hold what was drawn, by name."""
    found = {"points": points, "input": job.inputs(sample, data, points)}
    if job.sensors:
        found["boundary_points"], found["boundary_input"] = job.at_sensors(sample, data)
    if job.parameters:
        found["params"] = np.array(list(sample.parameters().values()))
    return found


def relative_error(value: Array, stderr: Array) -> float:
    """The standard error of a sample relative to u, both as root mean squares."""
    scale = unit_scale(value) if value.any() else unit_scale(stderr)
    size, spread = (float(np.sqrt(np.mean((part * scale) ** 2))) for part in (value, stderr))
    return spread / size if size else spread / scale


def summary(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """What the manifest of a shard with these rows says of them."""
    good = arrays["method"] > 0
    errors, walks = arrays["error_estimate"][good], arrays["walks"][good].astype(np.int64)
    worst = float(errors.max()) if good.any() else None
    return {"walks": int(walks.sum()), "worst_stderr": worst, **flags.counts(arrays)}
