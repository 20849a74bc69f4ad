"""The cost of jobs at points, from formulas."""

from __future__ import annotations

from math import ceil

import numpy as np

from pdemill.solvers.estimate import PROCESS_BYTES, SAMPLE_SECONDS, Cost, channels, slowness
from pdemill.solvers.methods.walk_batch import BATCH
from pdemill.solvers.methods.walks import Walks
from pdemill.solvers.walks.place import PointPlace
from pdemill.spec.job import Spec
from pdemill.store.layout import shard_samples

LEAST_CELLS = 16
LANE_SECONDS = 2e-9
"""One walk that is shared, for one sample."""
POINT_BYTES = 20
"""Standard error, walks, truncated walks, epsilon and steps of a point."""


def cost(spec: Spec) -> Cost:
    """The cost of a job at points."""
    problem, method = spec.problem, spec.solver.resolve(spec.problem)
    points = problem.size
    assert isinstance(method, Walks)
    each = method.seconds(problem, points)
    if method.estimator == "shared":
        seconds = each + spec.samples * (points * method.most_walks * LANE_SECONDS + SAMPLE_SECONDS)
    else:
        seconds = spec.samples * (each + SAMPLE_SECONDS)
    size = _point_bytes(spec, method)
    shard = spec.store.shard or shard_samples(size)
    shards = sum(ceil(samples / shard) for samples in spec.splits.values())
    here = round(slowness() * seconds, 3)
    memory, others = PROCESS_BYTES + 2 * shard * size, {"walks": here, **_by_cells(spec, method)}
    return Cost(points, spec.samples * size, here, method.method, shards, int(memory), 0, others)


def _point_bytes(spec: Spec, method: Walks) -> int:
    """Bytes of a sample: what there is at every point, and at the sensors."""
    problem, width = spec.problem, np.dtype(spec.store.dtype).itemsize
    assert isinstance(problem, PointPlace)
    axes = problem.dimension
    each = 8 * axes + width * (channels(problem, sides=False) + 1) + POINT_BYTES
    if method.gradients:
        each += axes * (width + 4)
    if method.returned == "per_batch":
        each += width * ceil(method.most_walks / BATCH)
    moving = problem.random_domain or any(value.is_random for _, _, value in problem.side_slots())
    sensors = problem.sensors if moving else 0
    return problem.size * each + sensors * (8 * axes + 2 * width)


def _by_cells(spec: Spec, method: Walks) -> dict[str, float]:
    """The cost of solving for whole fields instead, factorising the matrix of every sample, on a grid or mesh whose
    error is that of the walks: 1 / sqrt(walks) against one over the square of the cells along the domain."""
    dimension = spec.problem.dimension
    cells = max(LEAST_CELLS, ceil(4 * method.most_walks**0.25))
    unknowns = float(cells) ** dimension
    if dimension > 3:
        return {}
    once = 2.6e-7 * unknowns + 2.3e-9 * unknowns**1.5 if dimension < 3 else 3.4e-10 * unknowns**2
    return {f"direct, {cells} cells per axis": round(slowness() * spec.samples * (once + SAMPLE_SECONDS), 3)}
