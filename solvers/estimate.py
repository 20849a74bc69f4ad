"""What a spec costs, from formulas: nothing is drawn, assembled or solved.

The constants were fitted to the presets, on one core of a 2.1 GHz server processor; the tests hold every preset's
estimate against its measured cost. Iterative methods depend on the matrices: theirs is an order of magnitude.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pdemill.spec.job import Spec
from pdemill.spec.problem import Problem
from solvers.certify import refined_count
from solvers.methods.auto import Auto

SAMPLE_SECONDS, UNKNOWN_SECONDS = 0.8e-3, 0.9e-7
"""Drawing, assembling, certifying and writing: per sample, and per unknown of it."""


@dataclass(frozen=True)
class Cost:
    """``bytes`` of the arrays before compression; ``cpu_seconds`` of one core."""

    unknowns: int
    bytes: int
    cpu_seconds: float
    method: str


def estimate(spec: Spec) -> Cost:
    """The cost of a job."""
    problem = spec.problem
    unknowns = problem.unknowns
    method = spec.solver.resolve(problem)
    seconds = spec.samples * _seconds(method.seconds(problem, unknowns), unknowns)
    refined = sum(refined_count(spec, split) for split in spec.splits)
    finer = unknowns * 2**problem.dimension
    refining = Auto(rtol=method.rtol, sort="none").pick(problem, finer) if refined else None
    if refining is not None:
        seconds += refined * _seconds(refining.seconds(problem, finer), finer)
    values = (_channels(problem) + 1) * unknowns * np.dtype(spec.store.dtype).itemsize
    return Cost(unknowns, spec.samples * values, round(seconds, 3), method.method)


def _seconds(solve: float, unknowns: int) -> float:
    return solve + SAMPLE_SECONDS + UNKNOWN_SECONDS * unknowns


def _channels(problem: Problem) -> int:
    """Input channels: every field that is drawn, or the source."""
    drawn = sum(field.is_random for _, field in problem.slots())
    drawn += sum(field.is_random for _, _, field in problem.side_slots())
    return max(drawn, 1)
