"""What ``inspect`` tells of every split, row by row, and how numbers are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.inspect import SplitReport
from pdemill.store.root import in_time, is_pointwise

NOTHING = np.empty(0)
"""A column that older stores do not have."""


def count_known(values: NDArray[Any]) -> int:
    return int(np.isfinite(values).sum())


def median_of(values: NDArray[Any], form: str = "{:.1e}") -> str:
    known = values[np.isfinite(values)]
    return form.format(np.median(known)) if known.size else "-"


def worst_of(values: NDArray[Any]) -> str:
    known = values[np.isfinite(values)]
    return f"{known.max():.1e}" if known.size else "-"


COUNTS: dict[str, Callable[[SplitReport], str]] = {
    "samples": lambda row: str(row.samples),
    "certified": lambda row: str(row.certified),
    "failed": lambda row: str(len(row.failures)),
    "missing": lambda row: str(row.missing),
}
_POINTS: dict[str, Callable[[SplitReport], str]] = {
    "standard error relative to u, median": lambda row: median_of(row.columns["error_estimate"]),
    "standard error relative to u, worst": lambda row: worst_of(row.columns["error_estimate"]),
    "largest weight of a walk": lambda row: worst_of(row.columns["largest_weight"]),
    "milliseconds per solve, median": lambda row: median_of(1e3 * row.columns["solve_seconds"], "{:.3g}"),
}
_TIMES: dict[str, Callable[[SplitReport], str]] = {
    "error in time, median": lambda row: median_of(row.columns["time_error_estimate"]),
    "error in time, worst": lambda row: worst_of(row.columns["time_error_estimate"]),
    "the same as stored, worst": lambda row: worst_of(row.columns["stored_error"]),
    "right until, least": lambda row: f"{row.columns['valid_until'].min():g}" if row.certified else "-",
    "share of the smallest modes, worst": lambda row: worst_of(row.columns.get("spectral_tail", NOTHING)),
    "violation of invariants, worst": lambda row: worst_of(row.columns.get("invariant_defect", NOTHING)),
    "gaps in budgets, worst": lambda row: worst_of(row.columns.get("budget_defect", NOTHING)),
    "error of linear systems, worst": lambda row: worst_of(row.columns.get("algebraic_error", NOTHING)),
    "error against the refined grid, worst": lambda row: worst_of(row.columns["error_estimate"]),
    "steps, median": lambda row: median_of(row.columns["steps"], "{:.0f}"),
    "milliseconds per trajectory, median": lambda row: median_of(1e3 * row.columns["solve_seconds"], "{:.3g}"),
}
_FIELDS: dict[str, Callable[[SplitReport], str]] = {
    "relative residual, median": lambda row: median_of(row.columns["rel_residual"]),
    "relative residual, worst": lambda row: worst_of(row.columns["rel_residual"]),
    "error against the discrete system, worst": lambda row: worst_of(row.columns.get("algebraic_error", NOTHING)),
    "the same with rounding, worst": lambda row: worst_of(row.columns.get("stored_error", NOTHING)),
    "discretisation error, estimated on": lambda row: (
        f"{count_known(row.columns['error_estimate'])} of {row.certified}"
    ),
    "discretisation error (estimated), median": lambda row: median_of(row.columns["error_estimate"]),
    "discretisation error (estimated), worst": lambda row: worst_of(row.columns["error_estimate"]),
    "order of convergence (observed), median": lambda row: median_of(row.columns.get("error_order", NOTHING), "{:.2f}"),
    "iterations, median": lambda row: median_of(row.columns["iterations"], "{:.0f}"),
    "milliseconds per solve, median": lambda row: median_of(1e3 * row.columns["solve_seconds"], "{:.3g}"),
}

_AUDITS: dict[str, Callable[[SplitReport], str]] = {
    "audited": lambda row: str(count_known(row.columns["audit_error"])),
    "error against the continuous equation, median": lambda row: median_of(row.columns["audit_error"]),
    "error against the continuous equation, worst": lambda row: worst_of(row.columns["audit_error"]),
    "half width of its 95 % interval, median": lambda row: median_of(row.columns["audit_interval"]),
}


def rows_of(attributes: dict[str, Any], reports: list[SplitReport]) -> dict[str, Callable[[SplitReport], str]]:
    """What ``inspect`` tells of every split."""
    if is_pointwise(attributes):
        return _POINTS
    if in_time(attributes):
        return _TIMES
    return _FIELDS | (_AUDITS if "audit_error" in reports[0].columns else {})
