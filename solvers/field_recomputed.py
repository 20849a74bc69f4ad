"""The columns of whole fields that follow from the spec and the stored solution: each is one entry of RECOMPUTED."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers import field_operator, flags
from pdemill.solvers.agreement import agrees, same_bits
from pdemill.solvers.algebraic import Corrector
from pdemill.solvers.certify import estimate_rounding, rounding_residual
from pdemill.solvers.field_estimates import Refiner
from pdemill.solvers.field_job import OUTPUTS, REFINED_OUTPUTS, FieldJob
from pdemill.solvers.field_rows import NONE, Estimate
from pdemill.solvers.instance import Instance
from pdemill.solvers.operators.equation import DiscreteEquation, LinearEquation, NonlinearEquation
from pdemill.solvers.operators.norms import EPSILON, two_norm
from pdemill.store.kept_operator import OPERATOR
from pdemill.store.layout import Shard

ASSEMBLED = 8.0
"""Units of rounding to float64 by which residuals of matrices that were assembled elsewhere may differ."""
SINGLE = 1e-6
"""Relative rounding of a column in float32, and more."""
ORDERS = 16.0
"""Digits of an order, times those of an error: it is the logarithm of two differences, the smaller up to 8 times below
the error."""
TWICE = 2.0
"""Times its stated error that a stored solution may be off by another estimate."""
SOLVED = 1e3
"""Units of rtol by which discretisation errors of problems that were solved elsewhere may differ."""


class Estimates:
    """The discretisation errors of the rows of a shard, found in the order in which the shard found them.

    ``exact``: whether the refined problems are solved as they were, so that the same bits come out.
    """

    def __init__(
        self, job: FieldJob, shard: Shard, rows: NDArray[np.intp], columns: Mapping[str, NDArray[Any]]
    ) -> None:
        self.job, self.shard, self.solutions = job, shard, columns["solution"]
        self.errors = columns.get("algebraic_error", np.zeros(len(shard)))
        self._chosen = set(job.estimated_already(shard).tolist())
        self._rows = set(rows.tolist())
        self.exact = job.here and self._chosen <= self._rows
        self._found: dict[int, Estimate] | None = None

    def of(self, row: int) -> Estimate | None:
        """The estimate for a row; None where none was asked for."""
        if row not in self._chosen:
            return None
        if self._found is None:
            self._found = dict(self._solved())
        return self._found[row]

    def _solved(self) -> Iterator[tuple[int, Estimate]]:
        refiner, ordered = Refiner(self.job), self.job.ordered(self.shard.split) - self.shard.start
        for row in self.job.order(self.shard).tolist():
            if row not in self._chosen & self._rows:
                continue
            instance = self.job.instance(self.shard.split, self.shard.start + row)
            label = self.solutions[row].astype(np.float64)
            yield row, refiner.estimate(instance, label, float(self.errors[row]), row < ordered)


@dataclass(frozen=True)
class Checked:
    """One stored sample, drawn and assembled anew; ``unknowns``: those among its stored solution."""

    job: FieldJob
    number: int
    stored: Mapping[str, Any]
    instance: Instance
    equation: DiscreteEquation
    unknowns: Array
    estimates: Estimates
    corrector: Corrector

    @property
    def row(self) -> int:
        return self.number - self.estimates.shard.start

    @property
    def dtype(self) -> str:
        return self.job.spec.store.dtype

    def known_values(self) -> Iterator[str]:
        """What is wrong with the solution where it needs no solving: values that are given, and a mean that is 0."""
        grid, stored = self.job.discretisation, self.stored["solution"]
        if not agrees(stored, grid.to_fields(self.unknowns, self.instance), self.job.here):
            yield "its solution is not what the spec gives where u is given"
        shift = float(np.abs(self.unknowns - grid.centred(self.unknowns, self.instance)).max())
        spacing = float(np.finfo(self.dtype).eps) / 2.0 + ASSEMBLED * float(np.finfo(np.float64).eps)
        if not shift <= spacing * float(np.abs(self.unknowns).max()):
            yield f"its solution should have mean 0, and has {shift:.1e}"

    def estimate_slack(self, error: float) -> float:
        """By how much the estimate of an error may be off when it is made from the stored solution."""
        fine = self.job.refined_method()
        elsewhere = 0.0 if self.estimates.exact or fine is None else SOLVED * fine.rtol
        rounding = estimate_rounding(self.job.discretisation.order_of(self.instance), self.dtype)
        return 1e-6 * error + (1.0 + error) * rounding + elsewhere

    def disagreement(self, name: str, found: float, allowed: float) -> Iterator[str]:
        """The fault of a stored number that is further than ``allowed`` from the recomputed one."""
        stored = float(self.stored[name])
        if not (abs(stored - found) <= allowed or (np.isnan(stored) and np.isnan(found))):
            yield f"its {name} {stored:.3g} is not the recomputed {found:.3g}"


def _residual(checked: Checked) -> Iterator[str]:
    """The stored residual is that of u before it was rounded to the store's type."""
    stored, rtol = float(checked.stored["rel_residual"]), checked.job.method.rtol
    found = checked.equation.relative_residual(checked.unknowns)
    rounding = rounding_residual(checked.equation, checked.unknowns, checked.dtype)
    if not stored <= rtol:
        yield f"its certificate {stored:.1e} is above rtol {rtol:g}"
    elif not found <= rtol + rounding:
        yield f"residual {found:.1e} of the stored solution is above {rtol + rounding:.1e}"
    else:
        exact = np.finfo(np.float64).eps / np.finfo(checked.dtype).eps
        moved = checked.job.discretisation.null_space or checked.equation.level  # u was rounded after it was solved for
        same = checked.job.here and exact == 1.0 and not moved
        allowed = 0.0 if same and checked.equation.linear else rounding * (1.0 + ASSEMBLED * float(exact))
        yield from checked.disagreement("rel_residual", found, allowed)
        if isinstance(checked.equation, NonlinearEquation):
            yield from _otherwise(checked, checked.equation)


def _otherwise(checked: Checked, equation: NonlinearEquation) -> Iterator[str]:
    """A residual that is assembled in another way, by which the stored solution must be one too."""
    if complaint := equation.objection(checked.unknowns):
        yield complaint
    one, other = equation.residual(checked.unknowns), equation.residual_otherwise(checked.unknowns)
    apart, size = two_norm(one - other), equation.size() or 1.0
    if not apart <= size * ASSEMBLED * rounding_residual(equation, checked.unknowns, "float64"):
        yield f"its residual is another one when it is assembled in another way: apart by {apart / size:.1e}"


def _estimate(checked: Checked) -> Iterator[str]:
    found = checked.estimates.of(checked.row)
    if found is None:
        yield from checked.disagreement("error_estimate", np.nan, 0.0)
        return
    limit, error = checked.job.spec.certify.error_rtol, found.error
    if limit is not None and not float(checked.stored["error_estimate"]) <= limit * (1.0 + SINGLE):
        yield f"its error_estimate {float(checked.stored['error_estimate']):.3g} is above certify.error_rtol {limit:g}"
    else:
        yield from checked.disagreement("error_estimate", error, checked.estimate_slack(error))


def _order(checked: Checked) -> Iterator[str]:
    """Found from the stored label, so that it comes out again; elsewhere solutions may differ by as much as the error
    estimate may."""
    found, stored = checked.estimates.of(checked.row) or NONE, float(checked.stored["error_order"])
    slack = 0.0 if checked.estimates.exact else checked.estimate_slack(found.error) / max(found.error, SINGLE)
    if not (slack > 1e-2 and np.isnan(stored) != np.isnan(found.order)):
        yield from checked.disagreement("error_order", found.order, SINGLE * (1.0 + abs(found.order)) + ORDERS * slack)


def _stored_error(checked: Checked) -> Iterator[str]:
    """The distance of the stored solution to the exact discrete one, by a correction."""
    job, equation, u = checked.job, checked.equation, checked.unknowns
    stated, algebraic = float(checked.stored["stored_error"]), float(checked.stored["algebraic_error"])
    limits = job.spec.certify
    if not isinstance(equation, LinearEquation | NonlinearEquation):
        return  # the labels of other schemes tell no error
    if not (algebraic <= limits.algebraic_rtol and algebraic <= stated):
        yield f"its algebraic_error {algebraic:.1e} is above the limit or the stored_error {stated:.1e}"
    elif not stated <= max(limits.stored_rtol, limits.algebraic_rtol):
        yield f"its stored_error {stated:.1e} is above certify.stored_rtol"
    else:
        system = equation.correction(u)
        if not (u.any() or system.rhs.any()):
            return  # 0 solves a system with b = 0, however nearly singular
        (d,) = checked.corrector.corrections([system], [system.rhs])
        found = np.inf if d is None else job.discretisation.relative(d, system.matrix.counted(u))
        if not found <= TWICE * stated + ASSEMBLED * EPSILON:
            yield f"its solution is off by {found:.1e} of what varies in it, and its stored_error is {stated:.1e}"


def _outputs(checked: Checked) -> Iterator[str]:
    """The outputs of the stored solution."""
    made, sizes = checked.job.discretisation.outputs(checked.unknowns, checked.instance)
    if not agrees(checked.stored[OUTPUTS], made, checked.job.here, sizes):
        yield "its outputs are not those of its solution"


def _refined_outputs(checked: Checked) -> Iterator[str]:
    """The outputs on the refined mesh, where the sample is solved there."""
    found, stored = checked.estimates.of(checked.row) or NONE, checked.stored[REFINED_OUTPUTS]
    made = np.full_like(stored, np.nan) if found.outputs is None else found.outputs
    if checked.estimates.exact:
        agree = same_bits(stored, made)
    else:
        fine = checked.job.refined_method()
        _, sizes = checked.job.discretisation.outputs(checked.unknowns, checked.instance)
        allowed = SOLVED * (fine.rtol if fine else 0.0) * (sizes + np.abs(made))
        agree = bool(((np.abs(stored - made) <= allowed) | (np.isnan(stored) & np.isnan(made))).all())
    if not agree:
        yield "its outputs on the refined mesh are not those of the solution there"


def _flags(checked: Checked) -> Iterator[str]:
    field = flags.StoredField(checked.job.discretisation, checked.instance, checked.equation, checked.unknowns)
    for name in flags.disputed(flags.Evidence(checked.stored, field), int(checked.stored["flags"]), checked.job.here):
        yield f"its flags are not what the stored numbers give: {name}"


def _operator(checked: Checked) -> Iterator[str]:
    for name, made in field_operator.rows(checked.equation).items():
        if not agrees(checked.stored[name], made, checked.job.here):
            yield f"its {name} is not that of its equation"


type Recompute = Callable[[Checked], Iterator[str]]
RECOMPUTED: dict[str, Recompute] = {
    "rel_residual": _residual, "stored_error": _stored_error, "error_estimate": _estimate, "error_order": _order,
    "flags": _flags, OPERATOR: _operator, OUTPUTS: _outputs, REFINED_OUTPUTS: _refined_outputs,
}  # fmt: skip
"""By the name of the column: its faults in one sample."""
