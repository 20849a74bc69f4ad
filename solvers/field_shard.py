"""One shard of whole fields, along the straight line: sample, order, assemble, solve, certify."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from pdemill.points import Array
from pdemill.solvers.field_estimates import Refiner
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.field_rows import Row, Rows, unresolved
from pdemill.solvers.instance import Instance, InvalidSample
from pdemill.solvers.job import FAILED
from pdemill.solvers.operators.equation import DiscreteEquation
from pdemill.solvers.progress import Progress
from pdemill.solvers.sequence import Label, Sequence
from pdemill.solvers.solution import Result
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.solvers.subsets import audited_samples
from pdemill.store.layout import Shard
from pdemill.store.store import ShardData

if TYPE_CHECKING:
    from pdemill.solvers.audit import Auditor

AHEAD, AHEAD_UNKNOWNS = 8, 500_000
"""Equations that are assembled before they are solved: so many, or as many as have so many unknowns together."""


@dataclass(slots=True)
class Prepared:
    """A sample that was drawn, its row in the shard, and its equation, or None where ``fault`` says why."""

    number: int
    instance: Instance
    equation: DiscreteEquation | None
    inputs: Array | None = None
    own: Mapping[str, Array] = field(default_factory=dict)
    fault: str = ""


def solve_shard(job: FieldJob, shard: Shard, report: Callable[[Progress], None]) -> tuple[ShardData, Stopwatch]:
    """The rows of a shard; a sample that cannot be certified is a failure in them, never an exception.

    Solver and recycled state begin anew with every shard, so that its rows depend on the spec and on nothing else.
    """
    watch = Stopwatch()
    with watch.step("order"):
        order = job.order(shard)
    with watch.step("store"):
        rows = Rows(job, shard.split, np.arange(shard.start, shard.stop))
    sequence = job.sequence()
    refine, audit = _refiner(job, shard, watch), _audit(job, shard, watch)
    done = 0
    for prepared in _prepared(job, shard, order.tolist(), _batch(job, sequence), watch):
        for row, sample in _solved(job, rows, prepared, sequence, watch):
            measured = refine(audit(row, sample.instance), sample.instance)
            with watch.step("store"):
                finished = rows.write(measured)
            if sample.equation is not None:
                with watch.step("store"):
                    rows.keep(finished, sample.equation)
                    rows.measure(finished, sample.instance)
                with watch.step("flag"):
                    rows.flag(finished, sample.instance, sample.equation)
            done += 1
            report(Progress(done, row.label.iterations, finished.solution is None))
    return rows.finished(), watch


def _prepared(job: FieldJob, shard: Shard, order: list[int], batch: int, watch: Stopwatch) -> Iterator[list[Prepared]]:
    """The equations of a shard in the order given, in lists as long as the solver likes: at least a few, since it
    drives them out of the cache."""
    ahead = max(1, min(AHEAD, AHEAD_UNKNOWNS // job.discretisation.pattern.size) // batch) * batch
    for begin in range(0, len(order), ahead):
        yield [_prepare(job, shard, number, watch) for number in order[begin : begin + ahead]]


def _prepare(job: FieldJob, shard: Shard, number: int, watch: Stopwatch) -> Prepared:
    with watch.step("sample"):
        instance = job.instance(shard.split, shard.start + number)
    try:
        with watch.step("sample"):
            grid = job.discretisation.of(instance)
            instance.evaluate(grid.points, grid.side_points)
        with watch.step("assemble"):
            equation = grid.equation(instance)
        with watch.step("store"):
            inputs = job.inputs(instance, equation.shift)
    except InvalidSample as fault:
        return Prepared(number, instance, None, fault=str(fault))
    return Prepared(number, instance, equation, inputs, grid.own())


def _solved(
    job: FieldJob, rows: Rows, prepared: list[Prepared], sequence: Sequence, watch: Stopwatch
) -> Iterator[tuple[Row, Prepared]]:
    """The rows of prepared samples with their labels: solved in batches, handed on as soon as each batch is through."""
    left = [sample for sample in prepared if sample.equation is not None]
    size = _batch(job, sequence)
    solved: list[Row] = []
    for sample in prepared:
        if sample.equation is None:
            invalid = Label(None, np.nan, 0, FAILED, Result.INVALID, sample.fault)
            yield Row(sample.number, invalid, attempted=False), sample
            continue
        if not solved:
            part, left = left[:size], left[size:]
            labels = job.scheme.labels([s.equation for s in part if s.equation is not None], sequence, watch)
            with watch.step("store"):
                solved = [_labelled(job, rows, one, label) for one, label in zip(part, labels, strict=True)]
        yield solved.pop(0), sample


def _labelled(job: FieldJob, rows: Rows, sample: Prepared, label: Label) -> Row:
    """The row of a sample with its label."""
    grid, solution = job.discretisation, None
    rows.note_first(sample.number, label)
    if label.unknowns is not None:
        solution = grid.to_fields(grid.centred(label.unknowns, sample.instance), sample.instance)
    parameters = tuple(sample.instance.parameters().values()) if job.parameters else ()
    return Row(sample.number, label, sample.inputs, parameters, solution, own=sample.own)


def _batch(job: FieldJob, sequence: Sequence) -> int:
    return sequence.batch(job.discretisation.pattern, job.problem.properties.constant)


type Step = Callable[[Row, Instance], Row]


def _audit(job: FieldJob, shard: Shard, watch: Stopwatch) -> Step:
    """A step that measures labels against the continuous equation: a row whose label disagrees becomes a failure."""
    chosen = set(audited_samples(job.spec, shard.split, job.schema).tolist()) & set(range(shard.start, shard.stop))
    if not chosen or job.spec.certify.audit is None:
        return lambda row, instance: row
    from pdemill.solvers.audit import Auditor  # late: only audits load compiled walks

    auditor = Auditor(job, shard.split, job.spec.certify.audit)

    def audited(row: Row, instance: Instance) -> Row:
        if row.solution is None or shard.start + row.number not in chosen:
            return row
        with watch.step("audit"):
            return _audited(job, row, instance, auditor)

    return audited


def _audited(job: FieldJob, row: Row, instance: Instance, auditor: Auditor) -> Row:
    assert row.label.unknowns is not None
    found = auditor.audit(instance, job.discretisation.to_fields(row.label.unknowns, instance))
    if found is None:
        return row
    measured = replace(row, audit=(found.error, found.interval))
    if not found.flagged:
        return measured
    reason = f"{Result.DISAGREES.value} ({found.complaint})"
    return measured.failed(replace(row.label, unknowns=None, method=FAILED, result=Result.DISAGREES, reason=reason))


def _refiner(job: FieldJob, shard: Shard, watch: Stopwatch) -> Step:
    """A step that estimates discretisation errors of the samples that were drawn for it; a row beyond
    ``certify.error_rtol`` becomes a failure."""
    chosen = set(job.estimated_already(shard).tolist())
    if not chosen or job.refined_method() is None:
        return lambda row, instance: row
    refiner, limit, ordered = Refiner(job), job.spec.certify.error_rtol, job.ordered(shard.split)

    def refined(row: Row, instance: Instance) -> Row:
        if row.solution is None or row.number not in chosen:
            return row
        with watch.step("refine"):
            error = float(np.float32(row.label.algebraic_error))  # as it is stored
            found = refiner.estimate(instance, row.solution, error, shard.start + row.number < ordered)
        measured = replace(row, estimate=found)
        if limit is None or found.error <= limit:
            return measured
        result = Result.UNRESOLVED if np.isfinite(found.error) else Result.UNESTIMATED
        detail = f"{found.error:.1e}, limit {limit:.1e}" if result is Result.UNRESOLVED else ""
        return measured.failed(unresolved(row.label, result, detail))

    return refined
