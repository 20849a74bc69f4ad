"""The rows of a shard while they fill."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.store.store import ShardData
from solvers.instance import Instance
from solvers.job import FAILED, Job
from solvers.operators.system import Discretisation, System
from solvers.sequence import Label
from solvers.solution import Result


class Rows:
    """The arrays of a shard while they fill."""

    def __init__(self, job: Job, ids: NDArray[np.intp]) -> None:
        self.job = job
        self.failures: list[dict[str, Any]] = []
        self.arrays: dict[str, NDArray[Any]] = {
            part.name: np.full((len(ids), *part.shape), part.fill, dtype=part.dtype) for part in job.layout().arrays
        }
        self.arrays["sample_id"][:] = ids
        self._first: int | None = None
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
        if self._first is None and label.method == self.job.method.method:
            self._first = row
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
        """The rows with their summary; its ``first`` is what the method solved before it had anything to recycle."""
        good = self.arrays["method"] > 0
        iterations, residuals = self.arrays["iterations"][good], self.arrays["rel_residual"][good]
        summary: dict[str, Any] = {
            "iterations": int(iterations.sum()),
            "worst_residual": float(residuals.max()) if good.any() else None,
        }
        if self.job.method.recycles and self._first is not None:
            summary["first"] = self._first
        return ShardData(self.arrays, tuple(sorted(self.failures, key=lambda f: f["row"])), summary)
