"""One shard of an equation in time: sample, march, certify."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers import flags
from pdemill.solvers.instance import InvalidSample
from pdemill.solvers.progress import Progress
from pdemill.solvers.solution import Result
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.solvers.subsets import refined_samples
from pdemill.solvers.trajectories.differences import differences
from pdemill.solvers.trajectories.job import STEADY, Start, TrajectoryJob
from pdemill.solvers.trajectories.ladder import Known, Trajectory, lengthened, warmed
from pdemill.store.layout import Shard
from pdemill.store.store import ShardData

LENGTHENED = "lengthened"
"""In the record of a run: samples that were gone on with from another store."""


def solve_trajectories(
    job: TrajectoryJob, shard: Shard, report: Callable[[Progress], None]
) -> tuple[ShardData, Stopwatch]:
    """The rows of a shard; a sample that cannot be certified is a failure in them, never an exception."""
    watch = Stopwatch()
    rows = Rows(job, shard)
    refined = Refined(job, shard)
    done = 0
    for begin in range(shard.start, shard.stop, job.together):
        numbers = range(begin, min(begin + job.together, shard.stop))
        for steps, failed in _solved(job, shard, numbers, rows, refined, watch):
            done += 1
            report(Progress(done, steps, failed))
    return rows.finished(), watch


def _solved(
    job: TrajectoryJob, shard: Shard, numbers: range, rows: Rows, refined: Refined, watch: Stopwatch
) -> Iterator[tuple[int, bool]]:
    """Samples into their rows: the steps of each, and whether it failed."""
    drawn: list[Start] = []
    for number in numbers:
        try:
            with watch.step("sample"):
                instance = job.instance(shard.split, number)
                start = job.start_of(instance, number)
                rows.put_inputs(number, job.drawn_in(instance, start.state))
                drawn.append(start)
        except InvalidSample as fault:
            rows.fail(number, Result.INVALID, str(fault))
            yield 0, True
    known = rows.known(shard.split, [one.number for one in drawn])
    begun = set(known) if job.times[0] == 0.0 else set()
    ready = {one.number: replace(one, state=known[one.number].after[0]) for one in drawn if one.number in begun}
    with watch.step("warm up"):
        found = list(warmed(job, [one for one in drawn if one.number not in begun]))
    for one in found:
        if isinstance(one, Start):
            ready[one.number] = one
        else:
            rows.fail(one, Result.NOT_FINITE, "the warm-up does not stay finite with any step")
            yield 0, True
    before = watch.seconds["solve"] + watch.seconds["balance"]
    with watch.step("solve"):
        made = list(lengthened(job, list(ready.values()), known, lambda found: unresolved(job, found)))
    with watch.step("balance"):
        balances = balanced(job, ready, made)
    each = (watch.seconds["solve"] + watch.seconds["balance"] - before) / max(len(ready), 1)
    for trajectory in made:
        number, last = trajectory.number, job.valid_until(trajectory.errors)
        with watch.step("refine"):
            error = refined.error(ready[number], trajectory, last) if trajectory.reached else np.nan
        with watch.step("store"):
            asked = number in refined.chosen and job.spec.certify.error_rtol is not None
            ok = rows.put(trajectory, balances.get(number, {}), last, error, each, asked)
        yield trajectory.steps, not ok


def unresolved(job: TrajectoryJob, found: Trajectory) -> bool:
    """Whether smaller steps are in vain: halved once, they cannot mend what is wrong with a sample."""
    return found.run > 1 and found.finite and job.fault(own_of(job, found)) is not None


def own_of(job: TrajectoryJob, found: Trajectory) -> dict[str, float]:
    """The columns of the job's own kind."""
    return job.own(found.frames, found.left, found.fields, found.errors)


def balanced(
    job: TrajectoryJob, starts: Mapping[int, Start], made: Sequence[Trajectory]
) -> dict[int, dict[str, float]]:
    """The columns of invariants and budgets of the trajectories that are right, by number."""
    found: dict[int, dict[str, float]] = {}
    for run in {one.run for one in made}:
        right = [one for one in made if one.run == run and one.reached]
        balances = job.balances([starts[one.number] for one in right], [one.frames for one in right], run)
        found |= {one.number: balance for one, balance in zip(right, balances, strict=True)}
    return found


class Refined:
    """Errors in space of the samples that were drawn for it: the same trajectory on the grid with twice the points
    along every axis, with half the step."""

    def __init__(self, job: TrajectoryJob, shard: Shard) -> None:
        self.job, self.shard = job, shard
        self.chosen = set(refined_samples(job.spec, shard.split, range(shard.start, shard.stop)).tolist())

    def error(self, start: Start, trajectory: Trajectory, until: float) -> float:
        """The largest relative difference up to the time ``until``; NaN for samples that were not drawn, and where the
        finer one does not stay finite."""
        if trajectory.number not in self.chosen:
            return float("nan")
        return self.error_of(start, trajectory.fields, trajectory.run, until)

    def error_of(self, start: Start, fields: Array, run: int, until: float) -> float:
        """The same for the channels [C, T, *shape] that run number ``run`` gave."""
        job = self.job
        apart = differences(fields, job.refined_fields(start, self.shard.split, run + 1))
        found = job.refinement * float(apart[np.array(job.times) <= until].max())
        return found if np.isfinite(found) else float("nan")


class Rows:
    """The arrays of a shard while they fill."""

    def __init__(self, job: TrajectoryJob, shard: Shard) -> None:
        self.job, self.start = job, shard.start
        self.failures: list[dict[str, Any]] = []
        self.arrays = job.blank(shard.split, np.arange(shard.start, shard.stop))
        self.lengthened = 0

    def known(self, split: str, numbers: Iterable[int]) -> dict[int, Known]:
        """What another store knows of some samples."""
        if self.job.known is None:
            return {}
        asked = {number: self.job.known(split, number) for number in numbers}
        found = {number: one for number, one in asked.items() if one is not None}
        self.lengthened += len(found)
        return found

    def put_inputs(self, number: int, drawn: Mapping[str, NDArray[Any]]) -> None:
        """Keep what was drawn."""
        with np.errstate(over="ignore"):
            for name, values in drawn.items():
                self.arrays[name][number - self.start] = values

    def put(
        self, found: Trajectory, balance: Mapping[str, float], last: float, error: float, seconds: float, limited: bool
    ) -> bool:
        """Keep a trajectory, if it is certified; ``balance``: its columns of invariants and budgets; ``limited``: its
        error in space must be known and small enough."""
        job, row, arrays = self.job, found.number - self.start, self.arrays
        arrays["solve_seconds"][row] = seconds
        arrays["steps"][row] = found.steps
        if not found.finite:
            self.fail(found.number, Result.NOT_FINITE, "the trajectory does not stay finite with the smallest step")
            return False
        valid = np.array(job.times) <= last
        own = own_of(job, found) | dict(balance)
        if (fault := job.fault(own)) is not None:
            result, detail = fault
            self.fail(found.number, result, f"{result.value} ({detail})")
            return False
        if not found.reached:
            worst = found.errors[np.array(job.times) <= job.required].max()
            self.fail(
                found.number,
                Result.MISSED_TIME,
                f"{Result.MISSED_TIME.value} (error {worst:.1e}, right until t = {last:g})",
            )
            return False
        limit = job.spec.certify.error_rtol
        if limited and limit is not None and not error <= limit:
            known = Result.UNRESOLVED if np.isfinite(error) else Result.UNESTIMATED
            self.fail(found.number, known, f"{known.value} ({error:.1e})" if np.isfinite(error) else known.value)
            return False
        with np.errstate(over="ignore"):
            arrays["solution"][row] = found.fields
        if not (np.isfinite(arrays["solution"][row]).all() and np.isfinite(arrays["input"][row]).all()):
            reason = f"its values do not fit into {job.spec.store.dtype}: rescale the problem, or set store.dtype"
            self.fail(found.number, Result.NOT_FINITE, reason)
            return False
        rounding = differences(arrays["solution"][row].astype(np.float64), found.fields)[valid]
        if (off := float(rounding.max())) > job.spec.certify.stored_rtol:
            self.fail(found.number, Result.ROUNDED, f"{Result.ROUNDED.value} (by {off:.1e})")
            return False
        arrays["time_error_estimate"][row] = found.errors[valid].max()
        arrays["stored_error"][row] = (found.errors[valid] + rounding).max()
        arrays["frame_error"][row] = np.minimum(found.errors, np.finfo(np.float32).max)
        arrays["valid_until"][row] = last
        if STEADY in arrays:
            arrays[STEADY][row] = found.steady_at
        if "states" in arrays and found.before is not None:
            kept = np.ascontiguousarray(np.stack([found.before, found.frames]))
            arrays["states"][row] = kept.view(np.float64)
        for name, value in own.items():
            arrays[name][row] = value
        arrays["error_estimate"][row] = error
        arrays["method"][row] = 1
        arrays["flags"][row] = flags.told(flags.Evidence({name: column[row] for name, column in arrays.items()}))
        return True

    def fail(self, number: int, result: Result, reason: str) -> None:
        """Note that a sample has no label; what was found is not kept."""
        row = number - self.start
        self.arrays["solution"][row] = np.nan
        self.arrays["method"][row] = 0
        self.failures.append({"row": row, "sample": number, "result": result.name, "reason": reason})

    def finished(self) -> ShardData:
        """The rows with their summary."""
        failures = tuple(sorted(self.failures, key=lambda failure: failure["row"]))
        run = {} if self.job.known is None else {LENGTHENED: self.lengthened}
        return ShardData(self.arrays, failures, self.job.summary(self.arrays, None), run)
