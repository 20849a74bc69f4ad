"""The cost of jobs for whole fields, from formulas."""

from __future__ import annotations

from math import ceil

import numpy as np

from pdemill.solvers.estimate import PROCESS_BYTES, SAMPLE_SECONDS, UNKNOWN_SECONDS, Cost, channels, slowness
from pdemill.solvers.methods.candidates import candidates, for_few, for_quarters, name_of
from pdemill.solvers.operators.box import halved
from pdemill.solvers.place import WholeFieldPlace
from pdemill.solvers.subsets import audited_count, ordered_count, refined_count
from pdemill.spec.job import Spec
from pdemill.spec.method import LinearMethod
from pdemill.store.layout import shard_samples

AUDITED_WALK_SECONDS = 6e-6
"""One walk of an audit with its data: 3e-6 with constant coefficients, 1e-5 with fields of 128 modes per axis."""
MOVED_SECONDS = 1e-2
"""A mesh of a sample's own, and fields at its nodes."""
SYSTEM_BYTES = 200.0
"""A system, its equation and what was drawn for it, per unknown."""
AHEAD_UNKNOWNS = 500_000
"""Unknowns of the systems that are assembled ahead, together."""
MESH_ENTRIES = {1: 7.0, 2: 11.5}
"""Entries per row of a matrix of elements of that order on triangles, without those at sides."""
SHARD_COPIES = 2
"""The rows of a shard are held, and encoded."""


def cost(spec: Spec) -> Cost:
    """The cost of a job for whole fields."""
    problem = spec.problem
    assert isinstance(problem, WholeFieldPlace)
    unknowns, systems = problem.size, problem.systems
    method = spec.solver.resolve(problem)
    assert isinstance(method, LinearMethod)
    each, once = systems * method.seconds(problem, unknowns), method.setup_seconds(problem, unknowns)
    moved = MOVED_SECONDS if problem.moves else 0.0
    seconds = once + spec.samples * (moved + _seconds(each, unknowns))
    memory, factors = method.memory(problem, unknowns), method.factor_bytes(problem, unknowns)
    refined = sum(refined_count(spec, split) for split in spec.splits)
    finer = unknowns * 2**problem.dimension
    coarser = problem.structured and halved(problem.cells) is not None
    third = unknowns // 2**problem.dimension if coarser else unknowns * 4**problem.dimension
    ordered, chosen = ordered_count(spec, coarser) if refined else 0, for_few if coarser else for_quarters
    for size, samples, choose in ((finer, refined, for_few), (third, ordered, chosen)):
        if samples and (other := choose(problem, size, method.rtol)) is not None:
            again = _seconds(systems * other.seconds(problem, size), size)
            seconds += other.setup_seconds(problem, size) + samples * (moved + again)
            memory += other.memory(problem, size) + SYSTEM_BYTES * size
            factors += other.factor_bytes(problem, size)
    seconds += _audit_seconds(spec)
    inputs, outputs = channels(problem, sides=True), len(problem.channels)
    size = unknowns // outputs * np.dtype(spec.store.dtype).itemsize
    kept = _operator_bytes(spec)
    shard = spec.store.shard or shard_samples(max(max(inputs, outputs) * size, kept))
    shards = sum(ceil(samples / shard) for samples in spec.splits.values())
    bytes_ = spec.samples * ((inputs + outputs) * size + kept)
    memory += PROCESS_BYTES + SYSTEM_BYTES * max(unknowns, AHEAD_UNKNOWNS)
    memory += SHARD_COPIES * shard * bytes_ / spec.samples

    def instead(other: LinearMethod) -> float:
        more = (
            spec.samples * (systems * other.seconds(problem, unknowns) - each)
            + other.setup_seconds(problem, unknowns)
            - once
        )
        return round(slowness() * (seconds + more), 3)

    others = {
        name_of(other): instead(other)
        for other in candidates(problem, unknowns, method.rtol, method.sort, method.guess)
    }
    here = round(slowness() * seconds, 3)
    known = unknowns, bytes_, here, method.method, shards, int(memory), int(factors)
    recycled = int(method.recycled_bytes(problem, unknowns))
    return Cost(*known, others, recycled, operator_bytes=spec.samples * kept)


def _operator_bytes(spec: Spec) -> int:
    """Of the operator of one sample, about, where the store keeps it: the entries of its rows, and b."""
    if not spec.store.operator:
        return 0
    problem = spec.problem
    entries = 2.0 * problem.dimension + 1.0 if problem.structured else MESH_ENTRIES[getattr(problem, "order", 1)]
    return int(problem.size * (entries + 1.0) * np.dtype(spec.store.dtype).itemsize)


def _audit_seconds(spec: Spec) -> float:
    """The walks of audits."""
    if spec.certify.audit is None:
        return 0.0
    walks = spec.certify.audit.probes * spec.certify.audit.walks
    return AUDITED_WALK_SECONDS * walks * sum(audited_count(spec, split) for split in spec.splits)


def _seconds(solve: float, unknowns: int) -> float:
    return solve + SAMPLE_SECONDS + UNKNOWN_SECONDS * unknowns
