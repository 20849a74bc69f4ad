"""One shard, along the straight line: sample, order, assemble, solve, certify."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.spec.method import LinearMethod
from pdemill.store.layout import Shard
from pdemill.store.store import ShardData
from solvers.certify import audited_samples, discretisation_error, refined_samples, relative_residual
from solvers.instance import Instance, InvalidSample
from solvers.job import FAILED, FALLBACK, Job
from solvers.methods.direct import Direct
from solvers.operators.system import Discretisation, Pattern, System
from solvers.ordering.order import resolve_sort, solve_order
from solvers.solution import Result, Solution, Solver
from solvers.stopwatch import Stopwatch

if TYPE_CHECKING:
    from solvers.audit import Auditor

AHEAD, AHEAD_UNKNOWNS = 8, 500_000
"""Systems that are assembled before they are solved: so many, or as many as have so many unknowns together."""


@dataclass(frozen=True)
class Progress:
    """One more sample is through."""

    done: int
    iterations: int
    failed: bool


class Counts:
    """Adds up the progress of a shard."""

    def __init__(self) -> None:
        self.numbers = {"done": 0, "failed": 0, "iterations": 0}

    def __call__(self, progress: Progress) -> None:
        self.numbers["done"] = progress.done
        self.numbers["failed"] += progress.failed
        self.numbers["iterations"] += progress.iterations


@dataclass(frozen=True)
class Label:
    """A certified solution, or why there is none; ``seconds`` of CPU time its solves took."""

    unknowns: Array | None
    residual: float
    iterations: int
    method: str
    result: Result
    reason: str = ""
    seconds: float = 0.0


class Sequence:
    """A solver with the state that it carries from one system to the next, and a direct solver to fall back on."""

    def __init__(self, method: LinearMethod) -> None:
        self.method = method
        self._solver: Solver[Any] = method.solver()
        self._state: Any = self._solver.start()
        self._fallback: Solver[Any] | None = None

    def batch(self, pattern: Pattern) -> int:
        """How many systems it likes to get at once."""
        return self._solver.batch(pattern)

    def label(self, system: System, watch: Stopwatch) -> Label:
        """Solve and certify one system."""
        return self.labels([system], watch)[0]

    def labels(self, systems: list[System], watch: Stopwatch) -> list[Label]:
        """Solve and certify systems on one pattern, their common time divided evenly among them; one retry with
        ``direct`` for each that the method fails."""
        before = watch.seconds["solve"]
        with watch.step("solve"):
            solutions = self._solver.solve_batch(systems, self._state)
            self._state = solutions[-1].state
        each = (watch.seconds["solve"] - before) / len(systems)
        labels = []
        for system, solution in zip(systems, solutions, strict=True):
            label = replace(self._certify(system, solution, self.method.method, watch), seconds=each)
            accepted = label.unknowns is not None or self.method.method == FALLBACK
            labels.append(label if accepted else self._retry(system, label, watch))
        return labels

    def _retry(self, system: System, label: Label, watch: Stopwatch) -> Label:
        before = watch.seconds["solve"]
        with watch.step("solve"):
            if self._fallback is None:
                self._fallback = Direct(method="direct").solver()
            retry = self._fallback.solve(system, self._fallback.start())
        seconds = label.seconds + watch.seconds["solve"] - before
        second = self._certify(system, retry, FALLBACK, watch)
        spent = replace(second, iterations=label.iterations + second.iterations, seconds=seconds)
        if second.unknowns is not None:
            return spent
        return replace(spent, result=label.result, reason=f"{label.reason}; then {FALLBACK}: {second.reason}")

    def _certify(self, system: System, solution: Solution[Any], method: str, watch: Stopwatch) -> Label:
        iterations = solution.stats.iterations
        if not solution.result.ok:
            return Label(None, np.nan, iterations, FAILED, solution.result, solution.result.value)
        with watch.step("certify"):
            residual = relative_residual(system, solution.value)
        if not residual <= self.method.rtol:
            missed = Result.MISSED_TOLERANCE if np.isfinite(residual) else Result.NOT_FINITE
            return Label(None, residual, iterations, FAILED, missed, f"{missed.value} (residual {residual:.1e})")
        return Label(solution.value, residual, iterations, method, solution.result)


type Assembled = tuple[int, Instance, System | Label]
"""A row of the shard, what was drawn for it, and its system, or why it has none."""


def solve_shard(job: Job, shard: Shard, report: Callable[[Progress], None]) -> tuple[ShardData, Stopwatch]:
    """The rows of a shard; a sample that cannot be certified is a failure in them, never an exception.

    Solver and recycled state begin anew with every shard, so that its rows depend on the spec and on nothing else.
    """
    watch = Stopwatch()
    ids = np.arange(shard.start, shard.stop)
    sort = resolve_sort(job.method.sort, job.method.recycles)
    with watch.step("order"):
        features = [job.features(job.instance(shard.split, int(i))) for i in ids] if sort != "none" else []
        order = solve_order(sort, np.array(features).reshape(len(ids), -1))
    rows = _Rows(job, ids)
    chosen = set(refined_samples(job.spec, shard.split).tolist())
    sequence = Sequence(job.method)
    method = job.refined_method() if chosen else None
    refined = Sequence(method) if method is not None else None
    audited = set(audited_samples(job.spec, shard.split).tolist()) & set(ids.tolist())
    auditor = _auditor(job, shard.split) if audited else None
    done = 0
    for ready in _assembled(job, rows, shard, order.tolist(), sequence.batch(job.discretisation.pattern), watch):
        for (row, instance, _), solved in zip(ready, _labels(rows, ready, sequence, watch), strict=True):
            label = solved
            if label.unknowns is not None and auditor is not None and int(ids[row]) in audited:
                with watch.step("audit"):
                    label = _audited(rows, row, instance, label, auditor)
            if label.unknowns is None:
                rows.fail(row, label)
            elif refined is not None and int(ids[row]) in chosen:
                with watch.step("refine"):
                    rows.arrays["error_estimate"][row] = _refined_error(job, refined, instance, label.unknowns)
            done += 1
            report(Progress(done, label.iterations, label.unknowns is None))
    return rows.finished(), watch


def _assembled(
    job: Job, rows: _Rows, shard: Shard, order: list[int], batch: int, watch: Stopwatch
) -> Iterator[list[Assembled]]:
    """The systems of a shard in the order given, in lists as long as the solver likes: at least a few, since it drives
    them out of the cache."""
    ahead = max(1, min(AHEAD, AHEAD_UNKNOWNS // job.discretisation.pattern.size) // batch) * batch
    for begin in range(0, len(order), ahead):
        ready: list[Assembled] = []
        for row in order[begin : begin + ahead]:
            with watch.step("sample"):
                instance = job.instance(shard.split, shard.start + row)
            try:
                with watch.step("assemble"):
                    system = job.discretisation.assemble(instance)
                with watch.step("store"):
                    rows.put_inputs(row, instance, system)
                ready.append((row, instance, system))
            except InvalidSample as fault:
                ready.append((row, instance, Label(None, np.nan, 0, FAILED, Result.INVALID, str(fault))))
        yield ready


def _labels(rows: _Rows, ready: list[Assembled], sequence: Sequence, watch: Stopwatch) -> Iterator[Label]:
    """The labels of assembled systems, stored; solved in batches, and handed on as soon as each batch is through."""
    left = [(row, instance, system) for row, instance, system in ready if isinstance(system, System)]
    size = sequence.batch(rows.job.discretisation.pattern)
    solved: list[Label] = []
    for _, _, system in ready:
        if isinstance(system, Label):
            yield system
            continue
        if not solved:
            part, left = left[:size], left[size:]
            labels = sequence.labels([system for _, _, system in part], watch)
            with watch.step("store"):
                solved = [rows.put_label(row, instance, x) for (row, instance, _), x in zip(part, labels, strict=True)]
        yield solved.pop(0)


def _auditor(job: Job, split: str) -> Auditor | None:
    if job.spec.certify.audit is None:
        return None
    from solvers.audit import Auditor  # late: only audits load compiled walks

    return Auditor(job, split, job.spec.certify.audit)


def _audited(rows: _Rows, row: int, instance: Instance, label: Label, auditor: Auditor) -> Label:
    """The label, or a failure where it disagrees with the continuous equation."""
    assert label.unknowns is not None
    found = auditor.audit(instance, rows.job.discretisation.to_field(label.unknowns, instance))
    if found is None:
        return label
    rows.put_audit(row, found.error, found.interval)
    if not found.flagged:
        return label
    reason = f"{Result.DISAGREES.value} ({found.complaint})"
    return replace(label, unknowns=None, method=FAILED, result=Result.DISAGREES, reason=reason)


def _refined_error(job: Job, sequence: Sequence, instance: Instance, unknowns: Array) -> float:
    """The estimate for one sample; NaN where the refined problem has no certified solution."""
    coarse, fine, properties = job.discretisation, job.refined, job.problem.properties
    try:
        system = fine.assemble(instance)
    except InvalidSample:
        return float("nan")
    label = sequence.label(system, Stopwatch())
    if label.unknowns is None:
        return float("nan")
    here = coarse.to_field(coarse.centred(unknowns, properties), instance)
    there = fine.to_field(fine.centred(label.unknowns, properties), instance)
    return discretisation_error(here, coarse.restrict(there), coarse.order)


class _Rows:
    """The arrays of a shard while they fill."""

    def __init__(self, job: Job, ids: NDArray[np.intp]) -> None:
        self.job = job
        self.failures: list[dict[str, Any]] = []
        self.arrays: dict[str, NDArray[Any]] = {
            part.name: np.full((len(ids), *part.shape), part.fill, dtype=part.dtype) for part in job.layout().arrays
        }
        self.arrays["sample_id"][:] = ids
        self._codes = {name: code for code, name in enumerate(job.method_names())}

    def put_inputs(self, row: int, instance: Instance, system: System) -> None:
        """Keep what was drawn."""
        with np.errstate(over="ignore"):
            self.arrays["input"][row] = self.job.inputs(instance, system)
        if "params" in self.arrays:
            self.arrays["params"][row] = list(instance.parameters().values())

    def put_label(self, row: int, instance: Instance, label: Label) -> Label:
        """Keep what is known of a sample that was solved, certified or not."""
        grid: Discretisation = self.job.discretisation
        arrays = self.arrays
        arrays["rel_residual"][row] = label.residual
        arrays["iterations"][row] = label.iterations
        arrays["solve_seconds"][row] = label.seconds
        arrays["method"][row] = self._codes[label.method]
        if label.unknowns is None:
            return label
        with np.errstate(over="ignore"):
            field = grid.to_field(grid.centred(label.unknowns, self.job.problem.properties), instance)
            arrays["solution"][row, 0] = field
        if np.isfinite(arrays["solution"][row]).all() and np.isfinite(arrays["input"][row]).all():
            return label
        reason = f"its values do not fit into {self.job.spec.store.dtype}: rescale the problem, or set store.dtype"
        return Label(None, label.residual, label.iterations, FAILED, Result.NOT_FINITE, reason)

    def put_audit(self, row: int, error: float, interval: float) -> None:
        """Keep what walks found, agreeing or not."""
        self.arrays["audit_error"][row], self.arrays["audit_interval"][row] = error, interval

    def fail(self, row: int, label: Label) -> None:
        """Note that a sample has no solution."""
        self.arrays["solution"][row] = np.nan
        self.arrays["method"][row] = self._codes[FAILED]
        sample = int(self.arrays["sample_id"][row])
        self.failures.append({"row": row, "sample": sample, "result": label.result.name, "reason": label.reason})

    def finished(self) -> ShardData:
        """The rows with their summary."""
        good = self.arrays["method"] > 0
        iterations, residuals = self.arrays["iterations"][good], self.arrays["rel_residual"][good]
        summary = {
            "iterations": int(iterations.sum()),
            "worst_residual": float(residuals.max()) if good.any() else None,
        }
        return ShardData(self.arrays, tuple(sorted(self.failures, key=lambda f: f["row"])), summary)
