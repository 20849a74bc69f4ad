"""What a spec costs, from formulas: nothing is drawn, assembled or solved.

The constants were fitted to the presets on one machine; how fast this one is, is measured once per process with a
factorisation. The tests hold every preset's estimate against its measured cost. Iterative methods depend on the
matrices: theirs is an order of magnitude.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from math import ceil
from statistics import median
from time import thread_time

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from pdemill.spec.job import Spec
from pdemill.spec.method import LinearMethod
from pdemill.spec.problem import Problem
from pdemill.store.layout import shard_samples
from solvers.certify import audited_count, refined_count
from solvers.methods.walks import BATCH, Walks
from solvers.planning.candidates import candidates, name_of, refining

SAMPLE_SECONDS, UNKNOWN_SECONDS = 0.8e-3, 0.9e-7
"""Drawing, assembling, certifying and writing: per sample, and per unknown of it."""

AUDITED_WALK_SECONDS = 6e-6
"""One walk of an audit with its data: 3e-6 with constant coefficients, 1e-5 with fields of 128 modes per axis."""
LEAST_CELLS = 16
LANE_SECONDS = 2e-9
"""One walk that is shared, for one sample."""
POINT_BYTES = 20
"""Standard error, walks, truncated walks, epsilon and steps of a point."""
YARDSTICK_SECONDS = 0.0200
"""What the yardstick took where the constants were fitted."""


@dataclass(frozen=True)
class Cost:
    """``bytes`` of the arrays before compression; ``cpu_seconds`` of one core of this machine."""

    unknowns: int
    bytes: int
    cpu_seconds: float
    method: str
    shards: int
    alternatives: dict[str, float] = field(default_factory=dict)
    """CPU seconds of other ways to about the same error, by name."""


def estimate(spec: Spec) -> Cost:
    """The cost of a job."""
    return _of_points(spec) if spec.problem.pointwise else _of_fields(spec)


def _of_points(spec: Spec) -> Cost:
    problem, method = spec.problem, spec.solver.resolve(spec.problem)
    points = problem.unknowns
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
    return Cost(points, spec.samples * size, here, method.method, shards, {"walks": here, **_by_cells(spec, method)})


def _point_bytes(spec: Spec, method: Walks) -> int:
    """Bytes of a sample: what there is at every point, and at the sensors."""
    problem, width = spec.problem, np.dtype(spec.store.dtype).itemsize
    axes = problem.dimension
    each = 8 * axes + width * (_channels(problem) + 1) + POINT_BYTES
    if method.gradients:
        each += axes * (width + 4)
    if method.returned == "per_batch":
        each += width * ceil(method.most_walks / BATCH)
    moving = problem.random_domain or any(value.is_random for _, _, value in problem.side_slots())  # type: ignore[attr-defined]
    sensors = problem.sensors if moving else 0  # type: ignore[attr-defined]
    return problem.unknowns * each + int(sensors) * (8 * axes + 2 * width)


def _by_cells(spec: Spec, method: Walks) -> dict[str, float]:
    """What it would cost to solve for whole fields, factorising the matrix of every sample, on a grid or mesh whose
    error is that of the walks: 1 / sqrt(walks) against one over the square of the cells along the domain."""
    dimension = spec.problem.dimension
    cells = max(LEAST_CELLS, ceil(4 * method.most_walks**0.25))
    unknowns = float(cells) ** dimension
    if dimension > 3:
        return {}
    once = 2.6e-7 * unknowns + 2.3e-9 * unknowns**1.5 if dimension < 3 else 3.4e-10 * unknowns**2
    return {f"direct, {cells} cells per axis": round(slowness() * spec.samples * (once + SAMPLE_SECONDS), 3)}


def _of_fields(spec: Spec) -> Cost:
    problem = spec.problem
    unknowns = problem.unknowns
    method = spec.solver.resolve(problem)
    assert isinstance(method, LinearMethod)
    each = method.seconds(problem, unknowns)
    seconds = spec.samples * _seconds(each, unknowns)
    refined = sum(refined_count(spec, split) for split in spec.splits)
    finer = unknowns * 2**problem.dimension
    finely = refining(problem, unknowns, method.rtol) if refined else None
    if finely is not None:
        seconds += refined * _seconds(finely.seconds(problem, finer), finer)
    seconds += _audit_seconds(spec)
    channels, size = _channels(problem), unknowns * np.dtype(spec.store.dtype).itemsize
    shard = spec.store.shard or shard_samples(channels * size)
    shards = sum(ceil(samples / shard) for samples in spec.splits.values())
    bytes_ = spec.samples * (channels + 1) * size
    others = {
        name_of(other): round(slowness() * (seconds + spec.samples * (other.seconds(problem, unknowns) - each)), 3)
        for other in candidates(problem, unknowns, method.rtol, method.sort, method.guess)
    }
    return Cost(unknowns, bytes_, round(slowness() * seconds, 3), method.method, shards, others)


def _audit_seconds(spec: Spec) -> float:
    """The walks of audits."""
    if spec.certify.audit is None:
        return 0.0
    walks = spec.certify.audit.probes * spec.certify.audit.walks
    return AUDITED_WALK_SECONDS * walks * sum(audited_count(spec, split) for split in spec.splits)


@cache
def slowness() -> float:
    """How much longer than there a fixed task takes here: SuperLU on the five-point matrix of a 96 x 96 grid."""
    line = scipy.sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(96, 96))
    matrix = scipy.sparse.csc_array(scipy.sparse.kronsum(line, line))
    times = []
    for _ in range(5):
        begin = thread_time()
        scipy.sparse.linalg.splu(matrix)
        times.append(thread_time() - begin)
    return median(times) / YARDSTICK_SECONDS


def _seconds(solve: float, unknowns: int) -> float:
    return solve + SAMPLE_SECONDS + UNKNOWN_SECONDS * unknowns


def _channels(problem: Problem) -> int:
    """Input channels: every field that is drawn, or the source; at points, those that are not on sides."""
    drawn = sum(field.is_random for _, field in problem.slots())
    if not problem.pointwise:
        drawn += sum(field.is_random for _, _, field in problem.side_slots())
    return max(drawn, 1)
