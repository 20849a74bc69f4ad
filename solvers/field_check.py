"""Checking stored samples of whole fields again: what was drawn, and residuals against the equation."""

from __future__ import annotations

from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pdemill.store.layout import Shard
from solvers.certify import rounding_residual
from solvers.field_job import FieldJob


def check_certificates(job: FieldJob, group: zarr.Group, shard: Shard, rows: NDArray[np.intp]) -> list[str]:
    """The faults of some rows of a stored shard: each sample is drawn and assembled anew, and the residual of its
    stored solution recomputed."""
    faults = []
    grid, dtype, rtol = job.discretisation, job.spec.store.dtype, job.method.rtol
    part: Any = group[shard.split]
    span = slice(shard.start, shard.stop)
    columns = {name: part[name][span] for name in ("input", "solution", "rel_residual", "sample_id")}
    for row in rows.tolist():
        sample = shard.start + row
        where = f"sample {sample} of {shard.split}"
        instance = job.instance(shard.split, sample)
        equation = grid.equation(instance)
        unknowns = grid.from_fields(columns["solution"][row].astype(np.float64))
        found = equation.relative_residual(unknowns)
        allowed = rtol + rounding_residual(equation, unknowns, dtype)
        if columns["sample_id"][row] != sample:
            faults.append(f"{where}: stored under the number {columns['sample_id'][row]}")
        if not columns["rel_residual"][row] <= rtol:
            faults.append(f"{where}: its certificate {columns['rel_residual'][row]:.1e} is above rtol {rtol:g}")
        if not found <= allowed:
            faults.append(f"{where}: residual {found:.1e} of the stored solution is above {allowed:.1e}")
        if not np.array_equal(job.inputs(instance, equation.shift).astype(dtype), columns["input"][row]):
            faults.append(f"{where}: its input is not what the spec draws")
    return faults
