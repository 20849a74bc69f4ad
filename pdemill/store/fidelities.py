"""One layout of the stores of a job at several fidelities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.store.layout import StoreLayout

APART = ("spec", "spec_sha256", "designs")
"""Attributes that tell of all fidelities at once."""

type Shared = Mapping[str, tuple[tuple[str, ...], NDArray[Any]]]


def joined(base: StoreLayout, others: Mapping[str, StoreLayout]) -> StoreLayout:
    """The layout ``base`` with every split of the others as one of its own, ``train@128``.

    Arrays that all samples share and that are not those of ``base`` have the same ending, ``x@128``, and so have
    dimensions of another length. What else of the attributes differs is told in ``fidelities``.
    """
    splits, own, each = dict(base.splits), dict(base.own), dict(base.each)
    shared: dict[str, tuple[tuple[str, ...], NDArray[Any]]] = dict(base.shared)
    told: dict[str, dict[str, Any]] = {}
    for name, other in others.items():
        names = _renamed(base.shared, other.shared, f"@{name}")
        for key, (dimensions, values) in other.shared.items():
            if not _same(base.shared, key, values):
                shared[f"{key}@{name}"] = tuple(names.get(d, d) for d in dimensions), values
        for split, samples in other.splits.items():
            group = f"{split}@{name}"
            splits[group], each[group] = samples, other.shard_samples_of(split)
            own[group] = tuple(
                replace(part, dimensions=tuple(names.get(d, d) for d in part.dimensions))
                for part in other.arrays_of(split)
            )
        told[name] = {
            key: value
            for key, value in other.attributes.items()
            if key not in APART and (key == "shard_samples" or base.attributes.get(key) != value)
        }
    return replace(
        base, splits=splits, own=own, each=each, shared=shared, attributes={**base.attributes, "fidelities": told}
    )


def shared_at(arrays: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Of arrays at the root of a store those that the samples at a fidelity share, under their own names; ``name``: of
    the fidelity, empty for the spec's own."""
    plain = {key: value for key, value in arrays.items() if "@" not in key}
    if not name:
        return plain
    return plain | {key.partition("@")[0]: value for key, value in arrays.items() if key.partition("@")[2] == name}


def _same(shared: Shared, key: str, values: NDArray[Any]) -> bool:
    return key in shared and np.array_equal(shared[key][1], values)


def _renamed(base: Shared, other: Shared, ending: str) -> dict[str, str]:
    """New names for the dimensions of shared arrays that have another length, or other coordinates."""
    lengths = {d: n for dimensions, values in base.values() for d, n in zip(dimensions, values.shape, strict=True)}
    found = {}
    for key, (dimensions, values) in other.items():
        for dimension, length in zip(dimensions, values.shape, strict=True):
            if lengths.get(dimension) != length or (dimension == key and not _same(base, key, values)):
                found[dimension] = f"{dimension}{ending}"
    return found
