"""How fast a job went, from the times at which its manifests were written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pdemill.addresses import Place
from pdemill.service.stores import manifest_times
from pdemill.store.layout import Shard

INTERVALS = 60
SHARDS = 3
"""Shards to an interval, at least: fewer would show when shards end, not how fast samples are solved."""


def written(store: Place, shards: Iterable[Shard]) -> dict[float, int]:
    """Samples by the time (seconds since 1970) at which their shard was finished."""
    times = manifest_times(store)
    found: dict[float, int] = {}
    for shard in shards:
        time = times.get(shard.name)
        if time is not None:
            found[time] = found.get(time, 0) + shard.stop - shard.start
    return found


def rates(samples: Mapping[float, int], began: float) -> list[tuple[float, float]]:
    """(seconds since the beginning, samples per second) over equal intervals until the last shard, at most
    ``INTERVALS``."""
    if not samples or max(samples) <= began:
        return []
    end = max(samples)
    parts = min(INTERVALS, max(1, len(samples) // SHARDS))
    step = (end - began) / parts
    counts = [0] * parts
    for time, number in samples.items():
        counts[min(parts - 1, max(0, int((time - began) / step)))] += number
    return [(round((k + 1) * step, 2), round(n / step, 4)) for k, n in enumerate(counts)]
