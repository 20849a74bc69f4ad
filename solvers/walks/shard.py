"""One shard of a pointwise job: sample, walk, certify."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from pdemill.solvers import flags
from pdemill.solvers.instance import InvalidSample
from pdemill.solvers.operators.norms import unit_scale
from pdemill.solvers.progress import Progress
from pdemill.solvers.solution import Result
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.solvers.walks.drawn import drawn_arrays, relative_error, summary
from pdemill.solvers.walks.estimates import PointEstimate
from pdemill.solvers.walks.job import PointJob
from pdemill.solvers.walks.labels import Drawn, Labeller
from pdemill.store.layout import Shard
from pdemill.store.store import ShardData

MOST_TRUNCATED = 1e-3
"""Share of a sample's walks that may be cut short."""
MOST_WEIGHT = 100.0
"""Above this, the few heaviest walks decide, and a standard error means nothing."""
OUT_OF_SCALE = "its values are too small or too large: squares of standard errors are no numbers; rescale the problem"


def solve_points(job: PointJob, shard: Shard, report: Callable[[Progress], None]) -> tuple[ShardData, Stopwatch]:
    """The rows of a shard; a sample without an honest label is a failure in them, never an exception."""
    watch = Stopwatch()
    rows = Rows(job, shard)
    labeller = Labeller(job, shard.split)
    done = 0
    for begin in range(shard.start, shard.stop, labeller.together):
        numbers = range(begin, min(begin + labeller.together, shard.stop))
        for number, (result, reason) in solve_samples(labeller, rows, numbers, watch):
            done += 1
            if not result.ok:
                rows.fail(number - shard.start, result, reason)
            report(Progress(done, 0, not result.ok))
    return rows.finished(), watch


def solve_samples(
    labeller: Labeller, rows: Rows, numbers: Iterable[int], watch: Stopwatch
) -> Iterator[tuple[int, tuple[Result, str]]]:
    """Put samples into their rows, and report for each whether it has an honest label."""
    ready: list[tuple[int, Drawn]] = []
    for number in numbers:
        try:
            with watch.step("sample"):
                drawn = labeller.draw(number)
            with watch.step("store"):
                rows.put_inputs(number - rows.start, drawn)
            ready.append((number, drawn))
        except InvalidSample as fault:
            yield number, (Result.INVALID, str(fault))
    before = watch.seconds["solve"]
    found = _labels(labeller, [drawn for _, drawn in ready], watch)
    each = (watch.seconds["solve"] - before) / max(len(ready), 1)
    for (number, drawn), label in zip(ready, found, strict=True):
        if isinstance(label, InvalidSample):
            yield number, (Result.INVALID, str(label))
            continue
        with watch.step("store"):
            rows.put_label(number - rows.start, drawn, label, each)
        yield number, judged(labeller.job, label)


def _labels(labeller: Labeller, samples: list[Drawn], watch: Stopwatch) -> list[PointEstimate | InvalidSample]:
    """The labels of some samples; where one of them spoils it for the rest, one by one."""
    if not samples:
        return []
    try:
        with watch.step("solve"):
            return list(labeller.labels(samples))
    except InvalidSample as fault:
        if len(samples) == 1:
            return [fault]
        return [label for drawn in samples for label in _labels(labeller, [drawn], watch)]


def judged(job: PointJob, found: PointEstimate) -> tuple[Result, str]:
    """Whether an estimate is honest: finite, hardly truncated, not carried by a few heavy walks, below its target."""
    if not (np.isfinite(found.value).all() and np.isfinite(found.stderr).all()):
        return Result.NOT_FINITE, Result.NOT_FINITE.value
    if unit_scale(found.value) != 1.0:
        return Result.NOT_FINITE, OUT_OF_SCALE
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
        self.arrays = job.blank(shard.split, np.arange(shard.start, shard.stop))

    def put_inputs(self, row: int, drawn: Drawn) -> None:
        """Keep what was drawn."""
        with np.errstate(over="ignore"):
            self._put(row, **drawn_arrays(self.job, drawn.sample, drawn.data, drawn.points))

    def put_label(self, row: int, drawn: Drawn, found: PointEstimate, seconds: float) -> None:
        """Keep an estimate."""
        with np.errstate(over="ignore"):
            self._put(
                row, solution=found.value, stderr=found.stderr, walks=found.walks, truncated=found.truncated,
                epsilon=drawn.epsilon, steps=found.steps, error_estimate=relative_error(found.value, found.stderr),
                largest_weight=found.weight, solve_seconds=seconds, method=1,
            )  # fmt: skip
            if found.gradient is not None:
                self._put(row, gradient=found.gradient, gradient_stderr=found.gradient_stderr)
            if found.batches is not None:
                self._put(row, batches=found.batches)
        if "flags" in self.arrays:
            stored = {"error_estimate": self.arrays["error_estimate"][row]}
            self._put(row, flags=flags.told(flags.Evidence(stored)))

    def _put(self, row: int, **values: Any) -> None:
        for name, value in values.items():
            self.arrays[name][row] = value

    def fail(self, row: int, result: Result, reason: str) -> None:
        """Note that a sample has no label; what was found is not kept."""
        for name in ("solution", "stderr", "gradient", "gradient_stderr", "batches", "error_estimate"):
            if name in self.arrays:
                self.arrays[name][row] = np.nan
        self.arrays["method"][row] = 0
        if "flags" in self.arrays:
            self.arrays["flags"][row] = 0
        sample = int(self.arrays["sample_id"][row])
        self.failures.append({"row": row, "sample": sample, "result": result.name, "reason": reason})

    def finished(self) -> ShardData:
        """The rows with their summary."""
        return ShardData(self.arrays, tuple(self.failures), summary(self.arrays))
