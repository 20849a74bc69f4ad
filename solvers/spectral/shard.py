"""One shard of an equation in time: sample, march, certify."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers import flags
from pdemill.solvers.instance import InvalidSample
from pdemill.solvers.progress import Progress
from pdemill.solvers.solution import Result
from pdemill.solvers.spectral.grid import Spectra
from pdemill.solvers.spectral.job import TrajectoryJob
from pdemill.solvers.spectral.ladder import Start, Trajectory, differences, start_of, trajectories, valid_until, warmed
from pdemill.solvers.spectral.outputs import output
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.solvers.subsets import refined_samples
from pdemill.store.layout import Shard
from pdemill.store.store import ShardData

MOST_TAIL = 0.01
"""Largest share of the modes in the last third of those resolved, in the 2-norm of a certified solution."""


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
                start = start_of(job, instance, number)
                rows.put_inputs(number, job.drawn_in(instance, start.state))
                drawn.append(start)
        except InvalidSample as fault:
            rows.fail(number, Result.INVALID, str(fault))
            yield 0, True
    ready: dict[int, Start] = {}
    with watch.step("warm up"):
        found = list(warmed(job, drawn))
    for one in found:
        if isinstance(one, Start):
            ready[one.number] = one
        else:
            rows.fail(one, Result.NOT_FINITE, "the warm-up does not stay finite with any step")
            yield 0, True
    before = watch.seconds["solve"]
    with watch.step("solve"):
        made = list(trajectories(job, list(ready.values()), lambda found: unresolved(job, found))) if ready else []
    each = (watch.seconds["solve"] - before) / max(len(ready), 1)
    for trajectory in made:
        number, last = trajectory.number, valid_until(job, trajectory.errors)
        with watch.step("refine"):
            error = refined.error(ready[number], trajectory, last) if trajectory.reached else np.nan
        with watch.step("store"):
            asked = number in refined.chosen and job.spec.certify.error_rtol is not None
            ok = rows.put(trajectory, last, error, each, asked)
        yield trajectory.steps, not ok


def unresolved(job: TrajectoryJob, found: Trajectory) -> bool:
    """Whether smaller steps are in vain: halved once, they leave too much in the smallest modes of the grid."""
    return found.run > 1 and found.finite and tail_of(job, found) > MOST_TAIL


def tail_of(job: TrajectoryJob, found: Trajectory) -> float:
    """The largest spectral tail after t = 0, up to the time required or as long as the trajectory is right; the initial
    state is as it is given."""
    times = np.array(job.times)
    counted = (times > 0.0) & (times <= max(job.required, valid_until(job, found.errors)))
    return float(job.grid.tail(found.frames[counted]).max(initial=0.0))


class Refined:
    """Errors in space of the samples that were drawn for it: the trajectory from the same initial state on the grid
    with twice the points along every axis, with half the step."""

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
        apart = differences(fields, self.fields(start, run + 1))
        found = float(apart[np.array(self.job.times) <= until].max())
        return found if np.isfinite(found) else float("nan")

    def fields(self, start: Start, run: int) -> Array:
        """The stored channels of a sample from the refined grid, [C, T, *shape]."""
        job = self.job
        grid = job.grid.refined
        symbols = job.symbols(job.instance(self.shard.split, start.number), grid)
        state = np.zeros(grid.modes, np.complex128)
        state[job.grid.places_in_refined] = start.state
        march, u = job.march([symbols], grid), state[None]
        frames = [u[0].copy()] if job.times[0] == 0.0 else []
        with np.errstate(over="ignore", invalid="ignore"):
            for length, count in zip(job.lengths, job.steps(run), strict=True):
                march.advance(u, length, count)
                frames.append(u[0].copy())
            parts = [self._at_stored(output(name, grid, np.stack(frames))) for name in job.problem.channels]
        return np.stack(parts)

    def _at_stored(self, spectra: Spectra) -> Array:
        """The values [T, *shape] of coefficients [T, modes] at the stored points: of all modes where the job's grid is
        the stored one, else of the stored modes, to which labels are reduced."""
        job = self.job
        if job.grid is job.stored:
            return job.grid.refined.fields(spectra)[(slice(None), *(slice(None, None, 2),) * job.grid.dimension)]
        return job.stored.fields(spectra[:, job.stored.places_in(job.grid.refined)])


class Rows:
    """The arrays of a shard while they fill."""

    def __init__(self, job: TrajectoryJob, shard: Shard) -> None:
        self.job, self.start = job, shard.start
        self.failures: list[dict[str, Any]] = []
        self.arrays = job.blank(shard.split, np.arange(shard.start, shard.stop))

    def put_inputs(self, number: int, drawn: Mapping[str, NDArray[Any]]) -> None:
        """Keep what was drawn."""
        with np.errstate(over="ignore"):
            for name, values in drawn.items():
                self.arrays[name][number - self.start] = values

    def put(self, found: Trajectory, last: float, error: float, seconds: float, limited: bool) -> bool:
        """Keep a trajectory, if it is certified; ``limited``: its error in space must be known and small enough."""
        job, row, arrays = self.job, found.number - self.start, self.arrays
        arrays["solve_seconds"][row] = seconds
        arrays["steps"][row] = found.steps
        if not found.finite:
            self.fail(found.number, Result.NOT_FINITE, "the trajectory does not stay finite with the smallest step")
            return False
        valid = np.array(job.times) <= last
        tail = tail_of(job, found)
        if tail > MOST_TAIL:
            self.fail(found.number, Result.TOO_COARSE, f"{Result.TOO_COARSE.value} ({tail:.1%})")
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
        arrays["spectral_tail"][row] = tail
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
        return ShardData(self.arrays, failures, self.job.summary(self.arrays, None))
