"""What the finished shards of a store hold, in distributions; remembered until more shards are finished."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pdemill.inspect import SplitReport, report
from pdemill.planning import Plan
from service.pages.charts import Histogram, histogram
from service.pages.plan import cold_iterations
from service.pages.shards import finished_names

REMEMBERED = 64
NEWS = 0.02
"""The part by which finished shards must have grown before a store is read anew."""
FAILURES = 20


@dataclass(frozen=True)
class Statistics:
    """Of the samples that are through: how many each method solved, which have no solution, how good they are."""

    shards: int
    failed: int
    methods: dict[str, int]
    failures: tuple[tuple[str, int, str], ...]
    charts: tuple[Histogram, ...]

    @property
    def certified(self) -> int:
        """Samples with a solution; written shards whose manifest is still to come are among them."""
        return sum(self.methods.values())


def statistics(
    attributes: dict[str, Any], reports: list[SplitReport], names: list[str], plan: Plan | None, shards: int
) -> Statistics:
    """The distributions over all splits; ``names`` of the codes in the column ``method``."""
    columns = {name: np.concatenate([row.columns[name] for row in reports]) for name in reports[0].columns}
    failures = [(f.split, f.sample, f.reason) for row in reports for f in row.failures]
    return Statistics(
        shards=shards,
        failed=len(failures),
        methods=_methods(names, columns["method"]),
        failures=tuple(failures[:FAILURES]),
        charts=tuple(chart for chart in _charts(attributes, columns, plan) if chart is not None),
    )


def _methods(names: list[str], codes: NDArray[Any]) -> dict[str, int]:
    """How many samples each method solved."""
    return {
        name: int(number)
        for name, number in zip(names, np.bincount(codes, minlength=len(names)), strict=True)
        if number
    }


def _charts(attributes: dict[str, Any], columns: dict[str, NDArray[Any]], plan: Plan | None) -> list[Histogram | None]:
    empty = np.empty(0)
    iterations = columns.get("iterations", empty)
    cold = cold_iterations(plan)
    rtol = attributes["plan"].get("rtol")
    return [
        histogram("Iterations", iterations, False, [("not recycled", cold)] if cold else [])
        if iterations.size and iterations.max() > 0
        else histogram("Seconds per solve", columns.get("solve_seconds", empty), True),
        histogram("Relative residual", columns.get("rel_residual", empty), True, [("tolerance", rtol)] if rtol else []),
        histogram("Error estimate", columns.get("error_estimate", empty), True),
        histogram("Audited error", columns.get("audit_error", empty), True),
    ]


class Statisticians:
    """Statistics of the stores that were looked at last."""

    def __init__(self) -> None:
        self._known: OrderedDict[Path, Statistics] = OrderedDict()
        self._lock = Lock()

    def look(self, store: Path, shards: int, plan: Plan | None) -> Statistics | None:
        """The statistics of a store of so many shards; None while none is finished."""
        finished = len(finished_names(store))
        if not finished:
            return None
        with self._lock:
            known = self._known.get(store)
            enough = known is not None and (
                known.shards == finished or (finished < shards and known.shards <= finished < known.shards * (1 + NEWS))
            )
            if known is None or not enough:
                attributes, reports = report(store)
                group: Any = zarr.open_group(store, mode="r")[reports[0].split]
                names = group["method"].attrs["flag_meanings"].split()
                known = statistics(attributes, reports, names, plan, finished)
            self._known[store] = known
            self._known.move_to_end(store)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return known
