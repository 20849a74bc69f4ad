"""Checking stored samples of whole fields again: what was drawn, what is known of u, and every column that follows from
the spec and the stored solution."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pdemill.solvers.agreement import agrees
from pdemill.solvers.algebraic import Corrector
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.field_recomputed import RECOMPUTED, Checked, Estimates
from pdemill.solvers.instance import InvalidSample
from pdemill.solvers.methods.direct import Direct
from pdemill.store.kept_operator import RHS
from pdemill.store.layout import Shard


def check_certificates(job: FieldJob, group: zarr.Group, shard: Shard, rows: NDArray[np.intp]) -> list[str]:
    """The faults of some rows of a stored shard: each sample is drawn and assembled anew, and what follows from its
    stored solution recomputed."""
    part: Any = group[shard.split]
    columns = {name: np.asarray(part[name][shard.start : shard.stop]) for name in _names(job, shard.split)}
    estimates = Estimates(job, shard, rows, columns)
    method = Direct(method="direct") if job.method.missing() else job.method
    corrector = Corrector(method.solver(), job.kept)
    faults = []
    for row in rows.tolist():
        number = shard.start + row
        stored = {name: column[row] for name, column in columns.items()}
        faults += [
            f"sample {number} of {shard.split}: {fault}" for fault in _faults(job, number, stored, estimates, corrector)
        ]
    return faults


def _names(job: FieldJob, split: str) -> list[str]:
    wanted = {"input", "solution", "params", "sample_id", "method", "algebraic_error", RHS, *RECOMPUTED}
    wanted |= set(job.discretisation.own_layout())
    return [part.name for part in job.layout.arrays_of(split) if part.name in wanted]


def _faults(
    job: FieldJob, number: int, stored: dict[str, Any], estimates: Estimates, corrector: Corrector
) -> Iterator[str]:
    if stored["sample_id"] != number:
        yield f"stored under the number {stored['sample_id']}"
    instance = job.instance(estimates.shard.split, number)
    try:
        equation = job.discretisation.equation(instance)
    except InvalidSample as fault:
        yield f"the spec does not draw it: {fault}"
        return
    unknowns = job.discretisation.from_fields(stored["solution"].astype(np.float64))
    checked = Checked(job, number, stored, instance, equation, unknowns, estimates, corrector)
    for name, made in job.drawn_in(instance, equation.shift).items():
        if not agrees(stored[name], made, job.here):
            yield f"its {name} is not what the spec draws"
    yield from checked.known_values()
    for name, recompute in RECOMPUTED.items():
        faults = list(recompute(checked)) if name in stored else []
        yield from faults
        if faults:
            return  # what follows from a wrong solution is wrong too
