"""Estimates of the discretisation error of labels: the difference to the solution on cells of half the size, and the
order of convergence that a third grid shows."""

from __future__ import annotations

from math import log2, nan
from typing import Any, NamedTuple

import numpy as np
import zarr
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.certify import common, discretisation_error
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.field_rows import NONE, Estimate
from pdemill.solvers.instance import Instance, InvalidSample
from pdemill.solvers.operators.discretisation import Discretisation
from pdemill.solvers.operators.norms import relative_norm
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.solvers.subsets import many_refined
from pdemill.spec.method import LinearMethod
from pdemill.store.layout import Shard

LARGEST = float(np.finfo(np.float32).max)
"""The largest estimate that is told: its column is float32."""
NOISE = 10.0
"""Times their algebraic errors and rounding by which solutions must differ for an order to mean anything."""


class Solved(NamedTuple):
    """A sample on another grid: its fields there, their algebraic error, and its outputs."""

    fields: Array
    error: float
    outputs: Array | None = None


class Refiner:
    """Estimates for samples of a job, one after another."""

    def __init__(self, job: FieldJob) -> None:
        self._job = job
        method = job.refined_method()
        self._fine = _Solver(job, method, job.refined) if method else None
        self._third: _Solver | None = None

    def estimate(self, instance: Instance, fields: Array, algebraic_error: float, ordered: bool) -> Estimate:
        """The estimate for one sample with the label ``fields`` [C, ...]; ``ordered``: also the order, from a third
        grid and the label as it is stored."""
        fine = self._fine.solved(instance) if self._fine else None
        if fine is None:
            return NONE
        grid = self._job.discretisation.of(instance)
        fields = grid.marked(fields, instance)
        label, restricted = common(fields, grid.restrict_fields(fine.fields))
        order = grid.order_of(instance)
        error = min(max(discretisation_error(label[p], restricted[p], order) for p in grid.parts), LARGEST)
        observed = self._order(instance, fields, algebraic_error, fine) if ordered else nan
        return Estimate(error, observed, fine.outputs)

    def _order(self, instance: Instance, fields: Array, algebraic_error: float, fine: Solved) -> float:
        job, third = self._job, self._job.third
        with np.errstate(over="ignore"):
            kept = fields.astype(job.spec.store.dtype)
        job.discretisation.settle(kept)
        stored = kept.astype(np.float64)
        if third is None or np.isinf(stored).any():
            return nan
        if self._third is None:
            self._third = _Solver(job, third.method, third.grid)
        other = self._third.solved(instance)
        if other is None:
            return nan
        spacing = float(np.finfo(job.spec.store.dtype).eps)
        label = Solved(stored, algebraic_error)
        grids, solutions = (job.discretisation, job.refined), (label, fine, other)
        if third.coarser:
            grids, solutions = (third.grid, job.discretisation), (other, label, fine)
        noise = spacing + sum(s.error for s in solutions if np.isfinite(s.error))
        return observed_order((grids[0].of(instance), grids[1].of(instance)), tuple(s.fields for s in solutions), noise)


def observed_order(grids: tuple[Discretisation, Discretisation], fields: tuple[Array, ...], noise: float) -> float:
    """log2 of ‖u_2h - R u_h‖ / ‖R (u_h - R u_h/2)‖ at the places of the coarsest of three grids, of which ``grids`` are
    the two coarser ones, of the quantity in which it is least; NaN where the solutions differ by no more than NOISE
    times ``noise``."""
    coarse, middle = grids
    one, two = fields[0], coarse.restrict_fields(fields[1])
    three = coarse.restrict_fields(middle.restrict_fields(fields[2]))
    one, two, three = common(one, two, three)
    found = nan
    for part in coarse.parts:
        before, after = (relative_norm(a[part] - b[part], three[part]) for a, b in ((one, two), (two, three)))
        if min(before, after) > NOISE * noise:
            found = min(log2(before / after), found)  # a number before NaN
    return found


def estimate_stored(job: FieldJob, group: zarr.Group, shard: Shard, rows: NDArray[np.intp]) -> list[float]:
    """The estimated discretisation errors of some stored labels, in the order of the rows; NaN where there is none."""
    part: Any = group[shard.split]
    refiner, found = Refiner(job), []
    for number in (shard.start + rows).tolist():
        label = np.asarray(part["solution"][number], dtype=np.float64)
        found.append(refiner.estimate(job.instance(shard.split, number), label, 0.0, ordered=False).error)
    return found


class _Solver:
    """Solves samples on another grid than the job's."""

    def __init__(self, job: FieldJob, method: LinearMethod, grid: Discretisation) -> None:
        self._job, self._grid = job, grid
        self._sequence = job.sequence(method, grid, to_rounding=job.schema > 1, bounds=many_refined(job.spec))

    def solved(self, instance: Instance) -> Solved | None:
        """None where there is no certified solution."""
        grid = self._grid
        try:
            equation = grid.equation(instance)
        except InvalidSample:
            return None
        (label,) = self._job.scheme.labels([equation], self._sequence, Stopwatch())
        if label.unknowns is None:
            return None
        unknowns = grid.centred(label.unknowns, instance)
        fields = grid.to_fields(unknowns, instance)
        outputs = grid.outputs(unknowns, instance)[0] if self._job.problem.output_names else None
        return Solved(grid.marked(fields, instance), label.algebraic_error, outputs)
