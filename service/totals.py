"""Counters of a data directory: kept in its ledger, and added to by all processes on it."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from threading import Lock

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from pdemill.service.ledger import Ledger

COUNTERS = {
    "pdemill_samples": ("Samples that went through", "result", ("certified", "failed")),
    "pdemill_iterations": ("Iterations of all solvers", None, ("",)),
    "pdemill_cpu_seconds": ("CPU time of finished shards", "step", ()),
    "pdemill_owner_cpu_seconds": ("CPU time by the owner of the job that it was spent for", "owner", ()),
    "pdemill_leases_lost": ("Units that were begun, and whose worker vanished", None, ("",)),
    "pdemill_scrubbed_bytes": ("Bytes of finished stores that were hashed", None, ("",)),
    "pdemill_damaged_shards": ("Finished shards that were found damaged", None, ("",)),
    "pdemill_auth_failures": ("Requests without a key that is known", None, ("",)),
}
"""Name, what is counted, the name of its label, and the values of it that are told of before anything is counted."""
HISTOGRAMS = {
    "pdemill_shard_seconds": ("Wall time of a shard", (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0))
}


class Totals(Collector):
    """What was counted since the data directory was made. What has been counted here since the last ``save`` is lost if
    the process is killed."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._new: dict[tuple[str, str], float] = defaultdict(float)
        self._lock = Lock()

    def add(self, name: str, amount: float, label: str = "") -> None:
        with self._lock:
            self._new[name, label] += amount

    def observe(self, name: str, value: float) -> None:
        """Count a value of a histogram."""
        bounds = HISTOGRAMS[name][1]
        place = bisect_left(bounds, value)
        self.add(name, 1, str(bounds[place]) if place < len(bounds) else "+Inf")
        self.add(name, value, "sum")

    def save(self) -> None:
        """Write down what is new. Raises sqlite3.Error; then it is still new."""
        with self._lock:
            new, self._new = self._new, defaultdict(float)
        try:
            if new:
                self._ledger.add_totals(new)
        except BaseException:
            for key, amount in new.items():
                self.add(key[0], amount, key[1])
            raise

    def collect(self) -> Iterator[Metric]:
        """All of them, as Prometheus wants them."""
        with self._lock:
            found = defaultdict(float, self._ledger.totals())
            for key, amount in self._new.items():
                found[key] += amount
        for name, (text, label, known) in COUNTERS.items():
            family = CounterMetricFamily(name, text, labels=[label] if label else [])
            values = dict.fromkeys(known, 0.0) | {key[1]: value for key, value in found.items() if key[0] == name}
            for value, amount in sorted(values.items()):
                family.add_metric([value] if label else [], amount)
            yield family
        for name, (text, bounds) in HISTOGRAMS.items():
            buckets, below = [], 0.0
            for bound in [*map(str, bounds), "+Inf"]:
                below += found[name, bound]
                buckets.append((bound, below))
            histogram = HistogramMetricFamily(name, text)
            histogram.add_metric([], buckets, found[name, "sum"])
            yield histogram
