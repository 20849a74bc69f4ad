"""Summarises the contents of a store in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.addresses import home
from pdemill.errors import CorruptStore
from pdemill.progress import Failure
from pdemill.store import manifest as manifests
from pdemill.store.decode import UNREADABLE
from pdemill.store.flags import Flags
from pdemill.store.groups import group_at
from pdemill.store.places import disk_at
from pdemill.store.root import read_attributes, shards_of, splits_of
from pdemill.store.runs import RUN

COLUMNS = (
    "rel_residual", "algebraic_error", "stored_error", "error_estimate", "error_order", "audit_error", "audit_interval",
    "flags", "largest_weight", "time_error_estimate", "valid_until", "steady_at", "spectral_tail",
    "invariant_defect", "budget_defect", "budget_limit", "steps", "iterations", "solve_seconds", "method", "sample_id",
)  # fmt: skip


ERRORS = ("error_estimate", "audit_error", "stored_error", "algebraic_error")
"""Columns that state an error of a sample."""


@dataclass
class SplitReport:
    """One split: samples, how many are certified, and the columns of those that are."""

    split: str
    samples: int
    certified: int = 0
    failures: list[Failure] = field(default_factory=list)
    columns: dict[str, NDArray[Any]] = field(default_factory=dict)
    flags: Flags = field(default_factory=Flags)
    runs: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Shards by the number of the run that made them and when it began, as far as manifests tell."""

    @property
    def flagged(self) -> int:
        """Certified samples with any flag."""
        return int(np.count_nonzero(self.columns.get("flags", ())))

    @property
    def flag_counts(self) -> dict[str, int]:
        """Certified samples by flag."""
        return self.flags.counts(self.columns["flags"]) if "flags" in self.columns else {}

    @property
    def missing(self) -> int:
        return self.samples - self.certified - len(self.failures)


def report(store: str | Path) -> tuple[dict[str, Any], list[SplitReport]]:
    """The attributes of a store and a report per split."""
    root = home(store, "the store to inspect")
    attributes = read_attributes(root)
    reports = {split: SplitReport(split, samples) for split, samples in splits_of(attributes).items()}
    disk = disk_at(root)
    for shard, manifest in manifests.read_all(disk, shards_of(attributes), disk.each):
        if manifest is None:
            continue
        row = reports[shard.split]
        row.certified += manifest.certified
        if run := manifest.run.get(RUN):
            row.runs[run["number"], run["began"]] += 1
        row.failures += [Failure(shard.split, f["sample"], f"{f['result']}: {f['reason']}") for f in manifest.failures]
    try:
        arrays = group_at(root)
        for split, row in reports.items():
            group: Any = arrays[split]
            row.columns = _certified(group)
            row.flags = Flags.of(group["flags"].attrs) if "flags" in group else Flags()
    except UNREADABLE as error:
        raise CorruptStore(f"{store} cannot be read ({error}); pdemill verify tells more") from None
    return attributes, list(reports.values())


def how_made(attributes: Mapping[str, Any]) -> Iterator[str]:
    """The hash of a store's spec, its method, and the designs of its splits, a line each."""
    yield f"spec: {attributes['spec_sha256']}"
    plan = attributes["plan"]
    yield f"method: {plan['method']} ({', '.join(f'{key} {value}' for key, value in plan.items() if key != 'method')})"
    for split, told in attributes.get("designs", {}).items():
        spread = (
            f"; centred discrepancy {told['discrepancy']:g} of {told['points']:,} points" if "points" in told else ""
        )
        note = told.get("note") or f"{'can' if told['extensible'] else 'cannot'} be extended"
        yield f"design of {split}: {told['method']} over {', '.join(told['scalars'])}{spread}; {note}"


def _certified(group: Any) -> dict[str, NDArray[Any]]:
    """The columns of a split's certified samples."""
    values = {name: np.asarray(group[name][...]) for name in COLUMNS if name in group}
    good = values["method"] > 0
    return {name: column[good] for name, column in values.items()}


@dataclass(frozen=True)
class Stated:
    """A certified sample with the largest error that is stated of it, the column that states it, its residual (None at
    points) and its flags."""

    split: str
    sample: int
    error: float
    column: str
    residual: float | None
    flags: tuple[str, ...]


def worst(reports: list[SplitReport], count: int) -> list[Stated]:
    """The certified samples with the largest stated errors, the largest first; the residual stands in where no error is
    stated."""
    found = [stated for report in reports for stated in _stated(report, count)]
    return sorted(found, key=lambda stated: -stated.error)[:count]


def _stated(report: SplitReport, count: int) -> list[Stated]:
    """Those of one split."""
    columns = report.columns
    names = [name for name in ERRORS if name in columns]
    table = np.stack([np.nan_to_num(columns[name].astype(np.float64), nan=-1.0) for name in names])
    largest, which = table.max(axis=0), table.argmax(axis=0)
    residuals = columns.get("rel_residual")
    errors = largest if residuals is None else np.where(largest >= 0.0, largest, residuals)
    rows = np.argsort(-errors, kind="stable")[:count].tolist()
    return [
        Stated(
            report.split,
            int(columns["sample_id"][row]),
            float(errors[row]),
            names[which[row]] if largest[row] >= 0.0 else "rel_residual",
            None if residuals is None else float(residuals[row]),
            report.flags.names(columns["flags"][row]) if "flags" in columns else (),
        )
        for row in rows
    ]
