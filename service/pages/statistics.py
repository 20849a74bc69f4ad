"""How good the samples of a store's finished shards are, in distributions.

Of many shards only some are looked at, always the same ones first, and those that were read are remembered; so a look
costs little however large the store is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from pdemill.addresses import Place
from pdemill.inspect import COLUMNS
from pdemill.planning import Plan
from pdemill.service.pages.charts import Histogram, histogram
from pdemill.service.pages.plan import cold_iterations
from pdemill.service.pages.shards import finished_names
from pdemill.store.flags import Flags
from pdemill.store.groups import group_at
from pdemill.store.layout import Shard
from pdemill.store.manifest import read
from pdemill.store.places import disk_at
from pdemill.store.root import read_attributes

REMEMBERED = 32
MOST_SHARDS = 96
FAILURES = 20

type Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class ShardColumns:
    """One shard: the columns of its certified samples, by whom they were solved, and why others were not."""

    columns: Columns
    methods: dict[str, int]
    failures: tuple[tuple[str, int, str], ...]
    flags: Flags
    cold: NDArray[Any]
    """Whether a sample was solved when there was nothing to recycle yet."""


@dataclass(frozen=True)
class Statistics:
    """Of ``shards`` of the ``finished`` ones: how many samples each method solved, which failed, how good they are.
    ``estimated``: how many have their discretisation error estimated; None for values at points."""

    shards: int
    finished: int
    methods: dict[str, int]
    failures: tuple[tuple[str, int, str], ...]
    flagged: int
    flags: dict[str, int]
    """Certified samples by what their flags say."""
    charts: tuple[Histogram, ...]
    estimated: int | None

    @property
    def certified(self) -> int:
        """Samples with a solution."""
        return sum(self.methods.values())


def statistics(parts: Sequence[ShardColumns], finished: int, rtol: float | None, plan: Plan | None) -> Statistics:
    """The distributions over some shards."""
    methods: dict[str, int] = {}
    for part in parts:
        for name, number in part.methods.items():
            methods[name] = methods.get(name, 0) + number
    flags: dict[str, int] = {}
    for part in parts:
        for name, number in part.flags.counts(part.columns.get("flags", np.empty(0, int))).items():
            flags[part.flags.texts[name]] = flags.get(part.flags.texts[name], 0) + number
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns}
    cold = np.concatenate([part.cold for part in parts])
    return Statistics(
        shards=len(parts),
        finished=finished,
        methods=methods,
        failures=tuple(failure for part in parts for failure in part.failures)[:FAILURES],
        flagged=int(np.count_nonzero(columns.get("flags", ()))),
        flags=flags,
        charts=tuple(chart for chart in _charts(columns, cold, rtol, plan) if chart is not None),
        estimated=int(np.isfinite(columns["error_estimate"]).sum()) if "rel_residual" in columns else None,
    )


def _charts(columns: Columns, cold: NDArray[Any], rtol: float | None, plan: Plan | None) -> list[Histogram | None]:
    empty = np.empty(0)
    iterations = columns.get("iterations", empty)
    iterative = iterations.size and iterations.max() > 0
    return [
        _iterations(iterations, cold, cold_iterations(plan)) if iterative else None,
        histogram("Seconds per solve", columns.get("solve_seconds", empty), True),
        histogram("Relative residual", columns.get("rel_residual", empty), True, [("tolerance", rtol)] if rtol else []),
        histogram("Error as it is stored", columns.get("stored_error", empty), True),
        histogram("Error estimate", columns.get("error_estimate", empty), True),
        histogram("Audited error", columns.get("audit_error", empty), True),
    ]


def _iterations(iterations: NDArray[Any], cold: NDArray[Any], without: float | None) -> Histogram | None:
    """Of recycled samples beside those that begin a shard; ``without``: of a method that recycles nothing."""
    marks = [("not recycled", without)] if without else []
    if not cold.any() or cold.all():
        return histogram("Iterations", iterations, False, marks)
    return histogram("Iterations, recycled", iterations[~cold], False, marks, beside=("cold", iterations[cold]))


class Statisticians:
    """Remembers the shards of the stores that were looked at last."""

    def __init__(self) -> None:
        self._known: OrderedDict[Place, dict[str, ShardColumns]] = OrderedDict()
        self._lock = Lock()

    def look(self, store: Place, shards: Sequence[Shard], plan: Plan | None) -> Statistics | None:
        """The statistics of a store; None while no shard is finished."""
        finished = finished_names(store)
        if not finished:
            return None
        chosen = sorted((s for s in shards if s.name in finished), key=lambda s: crc32(s.name.encode()))[:MOST_SHARDS]
        with self._lock:
            known = self._known.get(store, {})
            parts = {shard.name: known.get(shard.name) or columns_of(store, shard) for shard in chosen}
            self._known[store] = parts
            self._known.move_to_end(store)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        rtol = read_attributes(store)["plan"].get("rtol")
        return statistics(list(parts.values()), len(finished), rtol, plan)


def columns_of(store: Place, shard: Shard) -> ShardColumns:
    """Read the columns and the manifest of a finished shard."""
    group: Any = group_at(store)[shard.split]
    columns = {name: np.asarray(group[name][shard.start : shard.stop]) for name in COLUMNS if name in group}
    names = group["method"].attrs["flag_meanings"].split()
    good = columns["method"] > 0
    numbers = np.bincount(columns["method"][good], minlength=len(names)).tolist()
    manifest = read(disk_at(store), shard)
    failures = manifest.failures if manifest is not None else ()
    first = manifest.summary.get("first", -1) if manifest is not None else -1
    return ShardColumns(
        {name: column[good] for name, column in columns.items()},
        {name: number for name, number in zip(names, numbers, strict=True) if number},
        tuple((shard.split, int(f["sample"]), f"{f['result']}: {f['reason']}") for f in failures),
        Flags.of(group["flags"].attrs) if "flags" in group else Flags(),
        (np.arange(shard.stop - shard.start) == first)[good],
    )
