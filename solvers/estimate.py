"""The cost of a spec, from formulas: nothing is drawn, assembled or solved.

The constants were fitted to the presets on one machine; how fast this one is, is measured once per process with a
factorisation. The tests hold every preset's estimate against its measured cost. Iterative methods depend on the
matrices: theirs is an order of magnitude.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from statistics import median
from time import thread_time
from typing import Any

import scipy.sparse
import scipy.sparse.linalg

from pdemill.arrays import npy_bytes
from pdemill.kept import SIDE
from pdemill.spec.job import Spec
from pdemill.spec.problem import Problem

SAMPLE_SECONDS, UNKNOWN_SECONDS = 0.8e-3, 0.9e-7
"""Drawing, assembling, certifying and writing: per sample, and per unknown of it."""
PROCESS_BYTES = 250e6
"""Memory of a process that has loaded all libraries and works on something small."""
YARDSTICK_SECONDS = 0.0200
"""The time of the yardstick where the constants were fitted."""


@dataclass(frozen=True)
class Cost:
    """``bytes`` of the arrays before compression; ``cpu_seconds`` of one core of this machine; ``memory``: bytes of a
    process that works on it, of which ``factor_bytes`` are the factors of a matrix, where it keeps any, and
    ``recycled_bytes`` recycled vectors with what is worked on with them. ``options``: the method's own, as it runs."""

    unknowns: int
    bytes: int
    cpu_seconds: float
    method: str
    shards: int
    memory: int = 0
    factor_bytes: int = 0
    alternatives: dict[str, float] = field(default_factory=dict)
    """CPU seconds of other ways to about the same error, by name."""
    recycled_bytes: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    operator_bytes: int = 0
    """Of ``bytes``, those of the operators that the store is asked to keep."""


def estimate(spec: Spec) -> Cost:
    """The cost of a job, as its discretiser knows it, at all fidelities, with the copies of users' arrays in its store;
    method, unknowns and alternatives are of the spec's own fidelity."""
    every = [spec.alone, *map(spec.at, spec.fidelities)]
    costs: list[Cost] = [one.problem.discretisation.cost(one) for one in every]
    return replace(
        costs[0],
        bytes=sum(cost.bytes for cost in costs) + sum(map(npy_bytes, spec.array_ids)),
        operator_bytes=sum(cost.operator_bytes for cost in costs),
        cpu_seconds=sum(cost.cpu_seconds for cost in costs),
        shards=sum(cost.shards for cost in costs),
        memory=max(cost.memory for cost in costs),
        factor_bytes=max(cost.factor_bytes for cost in costs),
        recycled_bytes=max(cost.recycled_bytes for cost in costs),
        options=spec.solver.resolve(spec.problem).model_dump(mode="json"),
    )


def channels(problem: Problem, sides: bool) -> int:
    """Input channels: every field that is drawn, those on sides if they count, or the source; and the mask of what
    obstacles leave."""
    own = [field for path, field in problem.slots() if path[0] != "domain"]
    drawn = sum(field.is_random and field.has_channel for field in own) + (SIDE in problem.conditions)
    drawn += sum(field.is_random and field.has_channel for _, _, field in problem.side_slots()) if sides else 0
    return max(drawn, 1)


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
