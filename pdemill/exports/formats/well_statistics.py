"""Statistics of fields as The Well keeps them beside its data: ``stats.yaml``, by which its loaders normalise.

Source: PolymathicAI/the_well, the_well/data/normalization.py, which asks for mean, std, mean_delta and std_delta of
every field, a number or, for vectors, one per component.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import hypot
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from pdemill.exports.source import Part, Source
from pdemill.kept import MASK, SIDE
from pdemill.store.moments import Moments

FILE = "stats.yaml"


def write_statistics(
    source: Source, folder: Path, scalars: Mapping[str, int], vectors: Mapping[str, Sequence[int]]
) -> None:
    """Write those of the certified samples of the first split, that to train on.

    ``mean``, ``std`` and ``rms`` of all values; ``mean_delta``, ``std_delta`` and ``rms_delta`` of the differences from
    one state to the next of what varies in time, 0 where there is one state alone. Solutions around obstacles count
    where the domain is kept, as in the store's own statistics.
    """
    values: dict[str, list[Moments]] = {}
    steps: dict[str, list[Moments]] = {}
    channels = {**{name: [number] for name, number in scalars.items()}, **vectors}
    for part in source.splits[0].parts():
        for name, number in source.constants.items():
            _add(values, name, [part.fields["x"][:, number]])
        for name, numbers in channels.items():
            states = [_states(source, part, number) for number in numbers]
            _add(values, name, [_within(source, part, state) for state in states])
            _add(steps, name, [np.diff(state, axis=1) for state in states])
    found = {
        key: {name: told if name in vectors else told[0] for name, told in numbers.items()}
        for of, suffix in ((values, ""), (steps, "_delta"))
        for key, numbers in _summaries(of, suffix).items()
    }
    (folder / FILE).write_text(yaml.safe_dump(found, sort_keys=False), encoding="utf-8")


def _states(source: Source, part: Part, number: int) -> NDArray[Any]:
    """A channel of the solution, [sample, t, *space]."""
    channel = part.fields["y"][:, number]
    return channel.astype(np.float64) if source.in_time else channel[:, None].astype(np.float64)


def _within(source: Source, part: Part, states: NDArray[Any]) -> Iterable[NDArray[Any]]:
    """The values of the cells that are in no obstacle, sample by sample."""
    if SIDE not in source.attributes.get("sides", ()):
        return states
    kept = part.fields["x"][:, source.attributes["input_channels"].index(MASK)] > 0.0
    return [state[:, cells] for state, cells in zip(states, kept, strict=True)]


def _add(total: dict[str, list[Moments]], name: str, components: Sequence[Iterable[NDArray[Any]]]) -> None:
    found = [Moments.of(rows for rows in component if rows.size) for component in components]
    total[name] = list(map(add, total[name], found)) if name in total else found


def _summaries(total: Mapping[str, Sequence[Moments]], suffix: str) -> dict[str, dict[str, list[float]]]:
    """Mean, standard deviation and root mean square by name, per component."""
    told = {name: [_numbers(moments) for moments in components] for name, components in total.items()}
    return {
        f"{key}{suffix}": {name: [numbers[place] for numbers in components] for name, components in told.items()}
        for place, key in enumerate(("mean", "std", "rms"))
    }


def _numbers(moments: Moments) -> tuple[float, float, float]:
    found = moments.summary()
    mean, std = found.get("mean", 0.0), found.get("std", 0.0)
    return mean, std, hypot(mean, std)
