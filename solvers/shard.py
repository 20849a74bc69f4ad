"""One shard, along the straight line: sample, order, assemble, solve, certify."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pdemill.points import Array
from pdemill.store.layout import Shard
from pdemill.store.store import ShardData
from solvers.certify import audited_samples, discretisation_error, refined_samples
from solvers.instance import Instance, InvalidSample
from solvers.job import FAILED, Job
from solvers.operators.system import System
from solvers.ordering.order import resolve_sort, solve_order
from solvers.rows import Rows
from solvers.sequence import Label, Sequence
from solvers.solution import Result
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
    with watch.step("store"):
        rows = Rows(job, ids)
    chosen = set(refined_samples(job.spec, shard.split).tolist())
    sequence = Sequence(job.method)
    method = job.refined_method() if chosen else None
    refined = Sequence(method) if method is not None else None
    audited = set(audited_samples(job.spec, shard.split).tolist()) & set(ids.tolist())
    auditor = _auditor(job, shard.split) if audited else None
    done = 0
    for ready in _assembled(job, rows, shard, order.tolist(), _batch(job, sequence), watch):
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
    job: Job, rows: Rows, shard: Shard, order: list[int], batch: int, watch: Stopwatch
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
                with watch.step("sample"):
                    instance.evaluate(job.discretisation.points, job.discretisation.side_points)
                with watch.step("assemble"):
                    system = job.discretisation.assemble(instance)
                with watch.step("store"):
                    rows.put_inputs(row, instance, system)
                ready.append((row, instance, system))
            except InvalidSample as fault:
                ready.append((row, instance, Label(None, np.nan, 0, FAILED, Result.INVALID, str(fault))))
        yield ready


def _labels(rows: Rows, ready: list[Assembled], sequence: Sequence, watch: Stopwatch) -> Iterator[Label]:
    """The labels of assembled systems, stored; solved in batches, and handed on as soon as each batch is through."""
    left = [(row, instance, system) for row, instance, system in ready if isinstance(system, System)]
    size = _batch(rows.job, sequence)
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


def _batch(job: Job, sequence: Sequence) -> int:
    return sequence.batch(job.discretisation.pattern, job.problem.properties.constant)


def _auditor(job: Job, split: str) -> Auditor | None:
    if job.spec.certify.audit is None:
        return None
    from solvers.audit import Auditor  # late: only audits load compiled walks

    return Auditor(job, split, job.spec.certify.audit)


def _audited(rows: Rows, row: int, instance: Instance, label: Label, auditor: Auditor) -> Label:
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
