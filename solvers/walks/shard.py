"""One shard of a pointwise job: sample, walk, certify."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.store.layout import Shard
from pdemill.store.store import ShardData
from solvers.instance import InvalidSample
from solvers.shard import Progress
from solvers.solution import Result
from solvers.stopwatch import Stopwatch
from solvers.walks.estimates import Estimate
from solvers.walks.job import PointJob
from solvers.walks.labels import Drawn, Labeller

MOST_TRUNCATED = 1e-3
"""Share of a sample's walks that may be cut short."""
MOST_WEIGHT = 100.0
"""Above this, the few heaviest walks decide, and a standard error means nothing."""


def solve_points(job: PointJob, shard: Shard, report: Callable[[Progress], None]) -> tuple[ShardData, Stopwatch]:
    """The rows of a shard; a sample without an honest label is a failure in them, never an exception."""
    watch = Stopwatch()
    rows = Rows(job, shard)
    labeller = Labeller(job, shard.split)
    for done, number in enumerate(range(shard.start, shard.stop), start=1):
        result, reason = solve_sample(labeller, rows, number, watch)
        if not result.ok:
            rows.fail(number - shard.start, result, reason)
        report(Progress(done, 0, not result.ok))
    return rows.finished(), watch


def solve_sample(labeller: Labeller, rows: Rows, number: int, watch: Stopwatch | None = None) -> tuple[Result, str]:
    """Put sample ``number`` into its row, and tell whether it has an honest label."""
    watch = watch or Stopwatch()
    row = number - rows.start
    try:
        with watch.step("sample"):
            drawn = labeller.draw(number)
        with watch.step("store"):
            rows.put_inputs(row, drawn)
        before = watch.seconds["solve"]
        with watch.step("solve"):
            found = labeller.label(drawn)
        with watch.step("store"):
            rows.put_label(row, drawn, found, watch.seconds["solve"] - before)
    except InvalidSample as fault:
        return Result.INVALID, str(fault)
    return judged(labeller.job, found)


def judged(job: PointJob, found: Estimate) -> tuple[Result, str]:
    """Whether an estimate is honest: finite, hardly truncated, not carried by a few heavy walks, below its target."""
    if not (np.isfinite(found.value).all() and np.isfinite(found.stderr).all()):
        return Result.NOT_FINITE, Result.NOT_FINITE.value
    if found.truncated.sum() > MOST_TRUNCATED * found.walks.sum():
        return Result.TRUNCATED, f"{Result.TRUNCATED.value} ({found.truncated.sum():,} of {found.walks.sum():,})"
    if found.weight > MOST_WEIGHT:
        return Result.HEAVY, f"{Result.HEAVY.value} (largest weight {found.weight:.1e})"
    target = job.method.target_stderr
    if target is not None and (worst := float(found.stderr.max())) > target:
        return Result.MISSED_STDERR, f"{Result.MISSED_STDERR.value} ({worst:.1e} at a point)"
    return Result.CONVERGED, ""


class Rows:
    """The arrays of a shard while they fill."""

    def __init__(self, job: PointJob, shard: Shard) -> None:
        self.job, self.start = job, shard.start
        self.failures: list[dict[str, Any]] = []
        self.arrays: dict[str, NDArray[Any]] = {
            part.name: np.full((len(shard), *part.shape), part.fill, dtype=part.dtype) for part in job.layout().arrays
        }
        self.arrays["sample_id"][:] = np.arange(shard.start, shard.stop)

    def put_inputs(self, row: int, drawn: Drawn) -> None:
        """Keep what was drawn."""
        with np.errstate(over="ignore"):
            self._put(row, points=drawn.points, input=self.job.inputs(drawn.sample, drawn.data, drawn.points))
            if self.job.sensors:
                places, values = self.job.at_sensors(drawn.sample, drawn.data)
                self._put(row, boundary_points=places, boundary_input=values)
        if self.job.parameters:
            self._put(row, params=list(drawn.sample.parameters().values()))

    def put_label(self, row: int, drawn: Drawn, found: Estimate, seconds: float) -> None:
        """Keep an estimate."""
        size = float(np.sqrt(np.mean(found.value**2)))
        spread = float(np.sqrt(np.mean(found.stderr**2)))
        with np.errstate(over="ignore"):
            self._put(
                row, solution=found.value, stderr=found.stderr, walks=found.walks, truncated=found.truncated,
                epsilon=drawn.epsilon, steps=found.steps, error_estimate=spread / size if size else spread,
                largest_weight=found.weight, solve_seconds=seconds, method=1,
            )  # fmt: skip
            if found.gradient is not None:
                self._put(row, gradient=found.gradient, gradient_stderr=found.gradient_stderr)
            if found.batches is not None:
                self._put(row, batches=found.batches)

    def _put(self, row: int, **values: Any) -> None:
        for name, value in values.items():
            self.arrays[name][row] = value

    def fail(self, row: int, result: Result, reason: str) -> None:
        """Note that a sample has no label; what was found is not kept."""
        for name in ("solution", "stderr", "gradient", "gradient_stderr", "batches", "error_estimate"):
            if name in self.arrays:
                self.arrays[name][row] = np.nan
        self.arrays["method"][row] = 0
        sample = int(self.arrays["sample_id"][row])
        self.failures.append({"row": row, "sample": sample, "result": result.name, "reason": reason})

    def finished(self) -> ShardData:
        """The rows with their summary."""
        good = self.arrays["method"] > 0
        errors = self.arrays["error_estimate"][good]
        walks = self.arrays["walks"][good].astype(np.int64)
        summary = {"walks": int(walks.sum()), "worst_stderr": float(errors.max()) if good.any() else None}
        return ShardData(self.arrays, tuple(self.failures), summary)
