"""The cost of jobs in time, from formulas: an order of magnitude, since the step is found by trial."""

from __future__ import annotations

from math import ceil, prod

import numpy as np

from pdemill.solvers.box_shaped import BoxShaped
from pdemill.solvers.estimate import PROCESS_BYTES, SAMPLE_SECONDS, Cost, channels, slowness
from pdemill.solvers.subsets import refined_count
from pdemill.solvers.trajectories.job import fitting
from pdemill.spec.evolution import Evolution
from pdemill.spec.implicit_method import ImplicitMethod
from pdemill.spec.job import Spec
from pdemill.spec.method import LinearMethod
from pdemill.spec.time_method import TimeMethod

BATCH, FRAMES = 120, 24
"""Numbers per point that are held while a batch is marched: work space, and of every stored time of eight samples."""
SHORTEST, LONGEST, MOST_STEPS = 1e-300, 1e308, 1e15
"""Steps and spans that are counted with."""
PAIR = 1.5
"""A pair of runs, of which the second has twice the steps, in units of the second."""


def cost(spec: Spec) -> Cost:
    """The cost of a job in time."""
    problem, method = spec.problem, spec.solver.resolve(spec.problem)
    assert isinstance(problem, Evolution)
    assert isinstance(method, TimeMethod)
    simulated = prod(method.simulate_resolution or problem.cells)
    steps = expected_steps(problem, method)
    seconds = spec.samples * (trajectory_seconds(problem, method) + SAMPLE_SECONDS)
    refined = sum(refined_count(spec, split) for split in spec.splits)
    seconds += refined * 2 * steps * method.seconds(problem, simulated * 2**problem.dimension)
    width = np.dtype(spec.store.dtype).itemsize
    inputs = channels(problem, sides=True) * prod(problem.cells)
    kept = 16 * len(problem.times) * problem.discretisation.state_numbers(spec) if spec.store.states else 0
    size = width * (problem.size + inputs) + kept
    shard = spec.store.shard or fitting(max(width * max(problem.size, inputs), kept))
    shards = sum(ceil(samples / shard) for samples in spec.splits.values())
    here = round(slowness() * seconds, 3)
    together = 8 * (BATCH + FRAMES * len(problem.times)) * simulated
    recycled = _recycled_bytes(problem, method, simulated)
    memory = int(PROCESS_BYTES + 2 * shard * size + together) + recycled
    known = problem.size, spec.samples * size, here, method.method, shards, memory, 0
    return Cost(*known, {method.method: here}, recycled)


def _recycled_bytes(problem: Evolution, method: TimeMethod, unknowns: int) -> int:
    """Those of the linear method that the spec names for stages: every unknown has a state of its own."""
    systems = method.systems if isinstance(method, ImplicitMethod) else None
    if not isinstance(systems, LinearMethod):
        return 0
    return len(problem.channels) * int(systems.recycled_bytes(problem, unknowns))


def trajectory_seconds(problem: Evolution, method: TimeMethod) -> float:
    """About how many CPU seconds a trajectory takes, both runs together."""
    simulated = prod(method.simulate_resolution or problem.cells)
    return PAIR * expected_steps(problem, method) * method.seconds(problem, simulated)


def expected_steps(problem: Evolution, method: TimeMethod) -> int:
    """Steps of a trajectory: as asked for, else such that the fastest motion of about one crosses a cell."""
    assert isinstance(problem, BoxShaped)
    longest = method.step or method.first_step
    if longest is None:
        finest = min(length / n for length, n in zip(problem.lengths, problem.cells, strict=True))
        carried = problem.discretisation.general and any(term == "advection" for term, _, _ in problem.asked())
        longest = 4.0 * finest if carried or not problem.linear else problem.times[-1]
        longest = finest if problem.second_order else longest
    longest = longest if method.max_step is None else min(longest, method.max_step)
    total = problem.times[-1] + problem.time.warmup
    return max(2 * len(problem.times), ceil(min(min(total, LONGEST) / max(longest, SHORTEST), MOST_STEPS)))
