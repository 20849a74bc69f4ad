"""The same samples at several fidelities, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from operator import index as as_index
from pathlib import Path
from typing import SupportsIndex

import numpy as np
from numpy.typing import NDArray

from pdemill.addresses import shown
from pdemill.arguments import listed
from pdemill.errors import StoreError
from pdemill.reader.dataset import Dataset, Sample
from pdemill.reader.indexing import Numbers, number_of, numbers_of


class Paired:
    """A split at several fidelities: ``len(pairs)``, ``pairs[i]``, ``pairs[a:b]``, ``pairs[[3, 1, 7]]``.

    ``pairs[i]`` is a tuple of what the data set of each fidelity gives for one sample, ``{"x", "y"}``, in the order of
    ``datasets``; slices and lists give tuples of batches. Only samples that are certified at all fidelities count;
    ``numbers`` are those that they have in the split. Raises IncompleteStore where a shard is not finished.
    """

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        self.datasets = tuple(datasets)

    def __repr__(self) -> str:
        first = self.datasets[0]
        return f"Paired({shown(first.store)!r}, {' and '.join(repr(data.split) for data in self.datasets)})"

    @cached_property
    def numbers(self) -> NDArray[np.intp]:
        """The numbers of the samples in their split."""
        found = [np.concatenate([data.certified(shard) for shard in data.shards]) for data in self.datasets]
        common = found[0]
        for other in found[1:]:
            common = np.intersect1d(common, other)
        return common

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: SupportsIndex | Numbers) -> tuple[Sample, ...]:
        if isinstance(index, SupportsIndex) and not getattr(index, "ndim", 0):
            number = int(self.numbers[number_of(as_index(index), len(self), "sample")])
            return tuple(data[number] for data in self.datasets)
        numbers = self.numbers[numbers_of(index, len(self), "sample")]
        return tuple(data.batch(numbers) for data in self.datasets)

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Sample, ...]]:
        """The samples of a batch, read together: what a PyTorch DataLoader asks for."""
        batches = self[list(indices)]
        rows = range(len(indices))
        return [tuple({key: values[row] for key, values in batch.items()} for batch in batches) for row in rows]


def paired(
    store: str | Path, split: str = "train", fidelities: Sequence[str] | None = None, api_key: str | None = None
) -> Paired:
    """The samples of a split of a store at several fidelities, side by side; ``store`` as for ``open``.

    ``fidelities``: their names in the spec, in the order wanted, "" for the spec's own; by default that and all others.
    Raises StoreError for one that the store does not have.
    """
    own = Dataset(store, split, api_key)
    known = list(own.attributes.get("fidelities", {}))
    wanted = ["", *known] if fidelities is None else list(listed("fidelities", fidelities, "names"))
    if strange := [name for name in wanted if name not in ("", *known)]:
        there = f"it has {', '.join(known)}" if known else "it has one alone"
        raise StoreError(f"{shown(own.store)} has no fidelity {strange[0]!r}; {there}")
    if len(wanted) < 2:
        raise StoreError(f"{shown(own.store)} gives no pairs: that takes two fidelities, and these are {len(wanted)}")
    return Paired([Dataset(own.store, f"{split}@{name}", api_key) if name else own for name in wanted])
