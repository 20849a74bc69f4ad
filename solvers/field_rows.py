"""The rows of a shard of whole fields: collected sample by sample, each written once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers import field_operator, flags
from pdemill.solvers.instance import Instance
from pdemill.solvers.job import FAILED
from pdemill.solvers.operators.equation import DiscreteEquation
from pdemill.solvers.operators.norms import ratio
from pdemill.solvers.sequence import Label
from pdemill.solvers.solution import Result
from pdemill.store.kept_operator import OPERATOR
from pdemill.store.store import ESTIMATED, ShardData

if TYPE_CHECKING:
    from pdemill.solvers.field_job import FieldJob


class Estimate(NamedTuple):
    """The estimated relative L2 error of a label against the continuous equation, and the observed order of
    convergence; NaN where they are not to be had. ``outputs`` on the refined mesh, where there are any."""

    error: float = float("nan")
    order: float = float("nan")
    outputs: Array | None = None


NONE = Estimate()


@dataclass(slots=True)
class Row:
    """All that is known of one sample. ``inputs`` is None where nothing could be drawn, ``solution`` where there is
    none; ``attempted`` tells whether a method was tried on it."""

    number: int
    label: Label
    inputs: Array | None = None
    parameters: tuple[float, ...] = ()
    solution: Array | None = None
    attempted: bool = True
    estimate: Estimate = NONE
    audit: tuple[float, float] | None = None
    own: Mapping[str, Array] = field(default_factory=dict)
    """What is stored of the places of the sample."""

    def failed(self, label: Label) -> Row:
        """The row of a sample whose solution is not to be kept."""
        return replace(self, label=label, solution=None)


class Rows:
    """The arrays of a shard while they fill."""

    def __init__(self, job: FieldJob, split: str, ids: NDArray[np.intp]) -> None:
        self._job = job
        self._failures: list[dict[str, Any]] = []
        self.arrays = job.blank(split, ids)
        self._first: int | None = None
        self._limit = max(job.spec.certify.stored_rtol, job.spec.certify.algebraic_rtol)
        self._codes = {name: code for code, name in enumerate(job.method_names())}

    def write(self, row: Row) -> Row:
        """Keep a sample, certified or not; returns the row as it is kept, a failure where the store's type cannot hold
        its values, or not closely enough."""
        arrays, number = self.arrays, row.number
        with np.errstate(over="ignore"):
            if row.inputs is not None:
                arrays["input"][number] = row.inputs
                for name, values in row.own.items():
                    arrays[name][number] = values
            if row.solution is not None:
                arrays["solution"][number] = row.solution
                self._job.discretisation.settle(arrays["solution"][number])
        stored = row.label.algebraic_error + row.label.rounding
        if row.solution is not None:
            if self._fits(number):
                stored += self._rounding(row.label, row.solution, number)
                fault = rounded(row.label, stored) if stored > self._limit else None
            else:
                fault = misfit(row.label, self._job.spec.store.dtype)
            if fault is not None:
                arrays["solution"][number] = np.nan
                row = replace(row.failed(fault), audit=None, estimate=NONE)
        label = row.label
        if "params" in arrays and row.parameters:
            arrays["params"][number] = row.parameters
        if row.attempted:
            arrays["rel_residual"][number] = label.residual
            arrays["iterations"][number] = label.iterations
            arrays["solve_seconds"][number] = label.seconds
        arrays["method"][number] = self._codes[label.method]
        if row.audit is not None:
            arrays["audit_error"][number], arrays["audit_interval"][number] = row.audit
        arrays["error_estimate"][number] = row.estimate.error
        if self._job.schema > 1:
            arrays["error_order"][number] = row.estimate.order
        if row.solution is not None:
            if self._job.schema > 1:
                arrays["algebraic_error"][number], arrays["stored_error"][number] = label.algebraic_error, stored
        else:
            sample = int(arrays["sample_id"][number])
            self._failures.append(
                {"row": number, "sample": sample, "result": label.result.name, "reason": label.reason}
            )
        return row

    def keep(self, row: Row, equation: DiscreteEquation) -> None:
        """Keep the operator of a certified sample, where the store does."""
        if row.solution is not None and OPERATOR in self.arrays:
            for name, values in field_operator.rows(equation).items():
                self.arrays[name][row.number] = values

    def measure(self, row: Row, instance: Instance) -> None:
        """Keep the outputs of a certified sample, of what is stored of it, and those on the refined mesh."""
        if row.solution is None or "outputs" not in self.arrays:
            return
        grid, stored = self._job.discretisation, self.arrays["solution"][row.number]
        self.arrays["outputs"][row.number], _ = grid.outputs(grid.from_fields(stored.astype(np.float64)), instance)
        if row.estimate.outputs is not None:
            self.arrays["outputs_refined"][row.number] = row.estimate.outputs

    def flag(self, row: Row, instance: Instance, equation: DiscreteEquation) -> None:
        """Keep what deserves a second look at a sample, told from what is stored of it."""
        if row.solution is None or "flags" not in self.arrays:
            return
        stored = {name: values[row.number] for name, values in self.arrays.items()}
        grid = self._job.discretisation
        unknowns = grid.from_fields(stored["solution"].astype(np.float64))
        varies = row.label.variation * (1.0 - float(stored["stored_error"]))
        found = flags.Evidence(stored, flags.StoredField(grid, instance, equation, unknowns, varies))
        self.arrays["flags"][row.number] = flags.told(found)

    def _rounding(self, label: Label, solution: Array, number: int) -> float:
        """How far, at most, the stored solution is from that in float64, relative to what varies in it."""
        stored = self.arrays["solution"][number]
        if stored.dtype == solution.dtype:
            return 0.0
        grid = self._job.discretisation
        if len(grid.parts) > 1:
            return grid.relative(grid.from_fields(stored - solution), grid.from_fields(solution))
        size = label.variation if label.variation > 0.0 else grid.variation(grid.from_fields(solution))
        return ratio(grid.largest_norm(grid.from_fields(stored - solution)), size)

    def _fits(self, number: int) -> bool:
        return bool(
            np.isfinite(self.arrays["solution"][number]).all() and np.isfinite(self.arrays["input"][number]).all()
        )

    def note_first(self, number: int, label: Label) -> None:
        """Remember the first sample that the method itself solved, before it had anything to recycle."""
        if self._first is None and label.unknowns is not None and label.method == self._job.method.method:
            self._first = number

    def finished(self) -> ShardData:
        """The rows with their summary."""
        told = summary(self.arrays)
        if self._job.method.recycles and self._first is not None:
            told["first"] = self._first
        return ShardData(self.arrays, tuple(sorted(self._failures, key=lambda f: f["row"])), told)


def summary(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """What the manifest of a shard with these rows says of them; where a method recycles, also its first row."""
    good = arrays["method"] > 0
    iterations, residuals = arrays["iterations"][good], arrays["rel_residual"][good]
    told = {"iterations": int(iterations.sum()), "worst_residual": float(residuals.max()) if good.any() else None}
    if "error_order" not in arrays:  # schema 1
        return told
    estimates = arrays["error_estimate"][good & np.isfinite(arrays["error_estimate"])]
    worst = float(estimates.max()) if estimates.size else None
    return {**told, ESTIMATED: int(estimates.size), "worst_estimate": worst, **flags.counts(arrays)}


def unresolved(label: Label, result: Result, detail: str) -> Label:
    """The label of a sample whose discretisation error is too large, or unknown."""
    reason = f"{result.value} ({detail})" if detail else result.value
    return replace(label, unknowns=None, method=FAILED, result=result, reason=reason)


def rounded(label: Label, stored: float) -> Label:
    """The label of a sample whose error in the store is too large."""
    reason = f"{Result.ROUNDED.value} (stored error {stored:.1e})"
    return replace(label, unknowns=None, method=FAILED, result=Result.ROUNDED, reason=reason)


def misfit(label: Label, dtype: str) -> Label:
    """The label of a sample whose values the store's type cannot hold."""
    reason = f"its values do not fit into {dtype}: rescale the problem, or set store.dtype"
    return Label(None, label.residual, label.iterations, FAILED, Result.NOT_FINITE, reason, label.seconds)
