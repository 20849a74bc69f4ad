"""The cost of jobs for whole fields, from formulas."""

from __future__ import annotations

from math import ceil

import numpy as np

from pdemill.spec.job import Spec
from pdemill.spec.method import LinearMethod
from pdemill.spec.problem import Problem
from pdemill.store.layout import shard_samples
from solvers.estimate import SAMPLE_SECONDS, UNKNOWN_SECONDS, Cost, channels, slowness
from solvers.methods.candidates import candidates, for_few, name_of
from solvers.operators.box import halved
from solvers.subsets import audited_count, ordered_count, quartered, refined_count

AUDITED_WALK_SECONDS = 6e-6
"""One walk of an audit with its data: 3e-6 with constant coefficients, 1e-5 with fields of 128 modes per axis."""


def cost(spec: Spec) -> Cost:
    """The cost of a job for whole fields."""
    problem = spec.problem
    unknowns = problem.size
    method = spec.solver.resolve(problem)
    assert isinstance(method, LinearMethod)
    each = method.seconds(problem, unknowns)
    seconds = spec.samples * _seconds(each, unknowns)
    refined = sum(refined_count(spec, split) for split in spec.splits)
    finer = unknowns * 2**problem.dimension
    seconds += refined * _on_another_grid(problem, finer, method.rtol)
    coarser = problem.structured and halved(problem.cells) is not None
    third = unknowns // 2**problem.dimension if coarser else quartered(unknowns, problem.dimension)
    if refined and third:
        seconds += ordered_count(spec, coarser) * _on_another_grid(problem, third, method.rtol)
    seconds += _audit_seconds(spec)
    inputs, outputs = channels(problem, sides=True), len(problem.channels)
    size = unknowns // outputs * np.dtype(spec.store.dtype).itemsize
    shard = spec.store.shard or shard_samples(max(inputs, outputs) * size)
    shards = sum(ceil(samples / shard) for samples in spec.splits.values())
    bytes_ = spec.samples * (inputs + outputs) * size
    others = {
        name_of(other): round(slowness() * (seconds + spec.samples * (other.seconds(problem, unknowns) - each)), 3)
        for other in candidates(problem, unknowns, method.rtol, method.sort, method.guess)
    }
    return Cost(unknowns, bytes_, round(slowness() * seconds, 3), method.method, shards, others)


def _on_another_grid(problem: Problem, unknowns: int, rtol: float) -> float:
    """One sample solved with so many unknowns; nothing where no method can."""
    method = for_few(problem, unknowns, rtol)
    return _seconds(method.seconds(problem, unknowns), unknowns) if method is not None else 0.0


def _audit_seconds(spec: Spec) -> float:
    """The walks of audits."""
    if spec.certify.audit is None:
        return 0.0
    walks = spec.certify.audit.probes * spec.certify.audit.walks
    return AUDITED_WALK_SECONDS * walks * sum(audited_count(spec, split) for split in spec.splits)


def _seconds(solve: float, unknowns: int) -> float:
    return solve + SAMPLE_SECONDS + UNKNOWN_SECONDS * unknowns
