"""The source of an export: the certified samples of a finished store, shard by shard, and all that is known of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.addresses import shown
from pdemill.errors import IncompleteStore, StoreError
from pdemill.reader.dataset import Dataset, Sample
from pdemill.reader.locations import files_at, located
from pdemill.store import manifest as manifests
from pdemill.store.layout import MEASURED
from pdemill.store.root import attributes_of, is_pointwise, read_root, shards_of, splits_of

type Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Part:
    """Some certified samples: their places in the export, their fields, their certificates and parameters."""

    rows: slice
    fields: Sample
    columns: Columns


@dataclass(frozen=True)
class Split:
    """One split: its name, its reader, and its samples without a certified solution, which stay out, like those that
    are not asked for."""

    name: str
    data: Dataset
    left_out: tuple[Mapping[str, Any], ...]

    def __len__(self) -> int:
        return len(self.data) - (0 if self.data.where is not None else len(self.left_out))

    @property
    def deselected(self) -> int:
        """Certified samples that were not asked for."""
        return self.data.shards[-1].stop - len(self.left_out) - len(self)

    @property
    def size(self) -> int:
        """Bytes of the export, about, from those of the first shard."""
        part = next(self.parts())
        rows = int(part.rows.stop - part.rows.start)
        held = sum(int(values.nbytes) for values in (*part.fields.values(), *part.columns.values()))
        return held * len(self) // rows

    def parts(self) -> Iterator[Part]:
        """The certified samples, one shard at a time. Raises CorruptStore."""
        start = 0
        for shard in self.data.shards:
            numbers = self.data.chosen(shard)
            if not numbers.size:
                continue
            columns = self.data.columns(shard)
            rows = {name: values[numbers - shard.start] for name, values in columns.items() if name not in MEASURED}
            yield Part(slice(start, start + len(numbers)), self.data.batch(numbers), rows)
            start += len(numbers)


class Source:
    """A finished store: a folder, or its address; ``where``: of samples for which a condition holds; ``fidelity``: of
    those at one, by default the spec's own. Raises StoreError, IncompleteStore, WhereError."""

    def __init__(
        self, store: str | Path, api_key: str | None = None, where: str | None = None, fidelity: str = ""
    ) -> None:
        place, self.where, self.fidelity = located(store), where, fidelity
        files = files_at(place, api_key)
        root = dict(read_root(files, shown(store))["attributes"])
        if fidelity and fidelity not in root.get("fidelities", {}):
            told = ", ".join(root.get("fidelities", {})) or "none but the spec's own"
            raise StoreError(f"{shown(store)} has no fidelity {fidelity!r}; it has {told}")
        self.attributes: dict[str, Any] = attributes_of(root, f"@{fidelity}")
        splits = [name for name in splits_of(root) if name.partition("@")[2] == fidelity]
        left_out: dict[str, list[Mapping[str, Any]]] = {name: [] for name in splits}
        shards = (shard for shard in shards_of(root) if shard.split in left_out)
        for shard, manifest in manifests.read_all(files, shards):
            if manifest is None or not self.attributes["complete"]:
                raise IncompleteStore(f"{shown(store)} is not finished: run generate again, or wait for its job")
            left_out[shard.split] += manifest.failures
        self.splits = tuple(
            Split(name.partition("@")[0], Dataset(place, name, api_key, where), tuple(left_out[name]))
            for name in splits
        )
        self.shared = self.splits[0].data.shared()

    @property
    def family(self) -> str:
        return str(self.attributes["spec"]["problem"]["family"])

    @property
    def axes(self) -> dict[str, NDArray[Any]]:
        """Coordinates of the cell centres along each axis of a box grid; empty for meshes and points."""
        if is_pointwise(self.attributes) or "points" in self.shared:
            return {}
        return {axis: self.shared[axis] for axis in "xyz" if axis in self.shared}

    @property
    def in_time(self) -> bool:
        """Whether solutions are trajectories [C, t, *space]."""
        return self.splits[0].data.in_time

    @property
    def times(self) -> NDArray[np.float64]:
        """The stored times of trajectories."""
        times: NDArray[np.float64] = self.shared["t"]
        return times

    @property
    def constants(self) -> dict[str, int]:
        """The input channels that are no part of the solution, by name, with their numbers: the initial state is one
        unless it is the first state of trajectories."""
        channels = {name: number for number, name in enumerate(self.splits[0].data.channels)}
        warmup = self.attributes["spec"]["problem"].get("time", {}).get("warmup", 0.0)
        if self.in_time and self.times[0] == warmup == 0.0:
            channels.pop("initial", None)
        return channels

    @property
    def record(self) -> str:
        """All attributes of the store as JSON: the spec with its hash, versions, plan, channels, statistics; and
        ``methods``, what the numbers in the column ``method`` stand for, ``flags``, the masks of the column ``flags``,
        and ``where``, if samples were chosen by it, and ``fidelity``, if it is another one than the spec's."""
        first = self.splits[0].data
        told = {"methods": first.methods, "flags": dict(first.flags.masks)}
        chosen = {} if self.where is None else {"where": self.where}
        chosen |= {"fidelity": self.fidelity} if self.fidelity else {}
        return json.dumps({**self.attributes, **told, **chosen}, sort_keys=True)
