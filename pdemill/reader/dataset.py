"""One split of a store as a map-style data set."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from operator import index as as_index
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from pdemill.addresses import shown
from pdemill.errors import IncompleteStore, StoreError
from pdemill.reader.array import ArrayReader, Header
from pdemill.reader.columns import is_column, read_chunk
from pdemill.reader.indexing import Numbers, number_of, numbers_of
from pdemill.reader.locations import files_at, located
from pdemill.reader.normaliser import Normaliser, normaliser
from pdemill.reader.threads import fill
from pdemill.reader.where import Where
from pdemill.store import manifest as manifests
from pdemill.store.fidelities import shared_at
from pdemill.store.flags import Flags, flags_of
from pdemill.store.kept_operator import INDICES, INDPTR, OPERATOR, RHS
from pdemill.store.layout import Shard, cut
from pdemill.store.root import attributes_of, is_pointwise, read_root, splits_of

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FIELDS = {"x": "input", "y": "solution"}
AT_POINTS = {name: name for name in ("points", "stderr", "boundary_points", "gradient")} | {
    "boundary": "boundary_input"
}
KEPT = {OPERATOR: OPERATOR, RHS: RHS}
OWN = {"points": "points"}
"""What samples with a mesh of their own have."""
type Sample = dict[str, NDArray[np.float32]]


class Dataset:
    """One split of a store: ``len(data)``, ``data[i]``, ``data[a:b]``, ``data[[3, 1, 7]]``.

    ``data[i]`` is ``{"x": [Cin, ...], "y": [Cout, ...]}`` in float32; a slice or a list of numbers gives a batch, with
    the sample on axis 0, in the order asked for. A pointwise store adds ``points`` [P, d], ``stderr`` [P], and where
    there are any ``boundary_points`` [B, d], ``boundary`` [K, B] and ``gradient`` [P, d]; its x and y are [Cin, P] and
    [1, P]. A store that keeps operators adds ``operator`` [entries] and ``rhs`` [rows], one
    whose samples have meshes of their own ``points`` [P, d], the nodes; cells are in ``shared()``.
    ``store`` is a folder, the address of a store on a server, or s3://BUCKET/PREFIX; the attribute is where that was
    when it was opened: an absolute path, or the address. Threads may share a data set; processes inherit it by fork or
    get it pickled, its key included.
    Raises IncompleteStore for a sample whose shard is not finished or that has no certified solution,
    rather than handing out what is not there, CorruptStore for bytes that fail their checksum, and
    TooLarge for numbers beyond float32.
    ``where``: a condition on its columns; the data set then has the certified samples alone for which it holds, in
    their order, and ``numbers`` are those that they have in the split.
    """

    def __init__(
        self, store: str | Path, split: str = "train", api_key: str | None = None, where: str | None = None
    ) -> None:
        self.store, self.split, self._api_key, self.where = located(store), split, api_key, where
        self._files = files_at(self.store, api_key)
        root = read_root(self._files, shown(store))
        splits = splits_of(root["attributes"])
        if split not in splits:
            raise StoreError(f"{shown(store)} has no split {split!r}; it has {', '.join(splits)}")
        self.attributes: dict[str, Any] = attributes_of(root["attributes"], split)
        self._length = splits[split]
        samples = int(self.attributes["shard_samples"])
        self.shards: tuple[Shard, ...] = tuple(cut({split: self._length}, samples))
        self._shard = samples
        self._nodes: dict[str, Any] = root["consolidated_metadata"]["metadata"]
        nodes = self._nodes
        if absent := [name for name in FIELDS.values() if f"{split}/{name}" not in nodes]:
            raise StoreError(f"{store} cannot be read: its zarr.json tells of no {split}/{absent[0]}")
        names = FIELDS | (AT_POINTS if is_pointwise(self.attributes) else KEPT | OWN)
        self._arrays = {
            key: ArrayReader(self._files, path, Header.parse(path, nodes[path]))
            for key, name in names.items()
            if (path := f"{split}/{name}") in nodes
        }
        self._failed: dict[int, frozenset[int]] = {}
        self._where = None if where is None else Where(where, self._conditional(), self.flags)

    def __repr__(self) -> str:
        told = "" if self.estimated is None else f", discretisation error estimated on {self.estimated}"
        chosen = f" where {self.where}" if self.where is not None else ""
        return f"Dataset({shown(self.store)!r}, {self.split!r}, {len(self)} samples{chosen}{told})"

    def _conditional(self) -> list[str]:
        """The columns with one number per sample."""
        nodes = {name: node for name, node in self._columns().items() if len(node["shape"]) == 1}
        return sorted(nodes)

    @cached_property
    def numbers(self) -> NDArray[np.intp]:
        """The numbers of the samples in their split. Raises IncompleteStore where ``where`` has to look at shards that
        are not finished."""
        if self._where is None:
            return np.arange(self._length)
        return np.concatenate([self.chosen(shard) for shard in self.shards])

    @property
    def flags(self) -> Flags:
        """What the bits of the column ``flags`` stand for; nothing in stores that have none."""
        return flags_of(self._nodes, self.split)

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels of x."""
        return tuple(self.attributes["input_channels"])

    @property
    def solution_channels(self) -> tuple[str, ...]:
        """Names of the channels of y."""
        return tuple(self.attributes["solution_channels"])

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the numbers in the columns ``outputs`` and ``outputs_refined``; none where a spec asks for none."""
        return tuple(self.attributes.get("outputs", ()))

    @property
    def estimated(self) -> int | None:
        """How many certified samples have their discretisation error estimated; None where the store does not tell: it
        is not finished, holds values at points, or is of schema 1."""
        told = self.attributes.get("estimated_samples")
        return int(told[self.split]) if isinstance(told, dict) and self.split in told else None

    @property
    def in_time(self) -> bool:
        """Whether y holds trajectories, [C, t, *space], at the stored times ``shared()["t"]``."""
        names = self._nodes[f"{self.split}/{FIELDS['y']}"].get("dimension_names")
        return "t" in self._nodes and isinstance(names, list) and names[2:3] == ["t"]

    @property
    def threads(self) -> int:
        """How many threads should read a batch together."""
        return self._files.threads

    def reader(self, key: Literal["x", "y"]) -> ArrayReader:
        """The reader of the array that x or y is."""
        return self._arrays[key]

    @property
    def methods(self) -> dict[int, str]:
        """The method that each number in the column ``method`` stands for."""
        try:
            told = self._nodes[f"{self.split}/method"]["attributes"]
            return dict(zip(told["flag_values"], told["flag_meanings"].split(), strict=True))
        except (LookupError, TypeError, ValueError, AttributeError):
            raise StoreError(f"{self.store} does not tell what its column method means") from None

    def normaliser(self, key: Literal["x", "y"]) -> Normaliser:
        """The map that brings x or y to mean 0 and standard deviation 1 per channel, by the store's statistics.

        They are those of the certified samples of the first split. Raises IncompleteStore while they are not there.
        """
        if not self.attributes["complete"]:
            raise IncompleteStore(f"{shown(self.store)} has no statistics yet; they come with its last shard")
        return self._normaliser(key, self.attributes["stats"])

    def _normaliser(self, key: Literal["x", "y"], stats: dict[str, Any]) -> Normaliser:
        channels = self.channels if key == "x" else self.solution_channels
        space = 1 if is_pointwise(self.attributes) else len(self._arrays[key].header.shape) - 1
        try:
            return normaliser([stats[f"{FIELDS[key]}/{channel}"] for channel in channels], space)
        except (LookupError, TypeError, ValueError):
            raise StoreError(f"{self.store} holds no statistics of its channels {', '.join(channels)}") from None

    def __len__(self) -> int:
        return self._length if self._where is None else len(self.numbers)

    def __reduce__(self) -> tuple[Any, ...]:
        known = {} if self._where is None else {"numbers": self.numbers}  # found once, whatever the processes
        return Dataset, (self.store, self.split, self._api_key, self.where), known

    def __getitem__(self, index: SupportsIndex | Numbers) -> Sample:
        if isinstance(index, SupportsIndex) and not getattr(index, "ndim", 0):
            return self._one(as_index(index))
        return self.batch(self._numbers(index))

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        """The samples of a batch, read together: what a PyTorch DataLoader asks for."""
        batch = self.batch(self._numbers(indices))
        return [{key: values[row] for key, values in batch.items()} for row in range(len(indices))]

    def finished(self, shard: Shard) -> bool:
        """Whether the samples of a shard can be read."""
        if shard.index not in self._failed:
            manifest = manifests.read(self._files, shard)
            if manifest is None:
                return False
            self._failed[shard.index] = frozenset(int(failure["sample"]) for failure in manifest.failures)
        return True

    def certified(self, shard: Shard) -> NDArray[np.intp]:
        """The samples of a finished shard that have a solution."""
        self._require(shard.index, ())
        return np.setdiff1d(np.arange(shard.start, shard.stop), list(self._failed[shard.index]))

    def chosen(self, shard: Shard) -> NDArray[np.intp]:
        """The samples of a finished shard that have a solution and for which ``where`` holds."""
        numbers = self.certified(shard)
        if self._where is None:
            return numbers
        held = self._where.holds(self.columns(shard, self._where.columns))
        kept: NDArray[np.intp] = numbers[held[numbers - shard.start]]
        return kept

    def columns(self, shard: Shard, names: Collection[str] | None = None) -> dict[str, NDArray[Any]]:
        """The certificates and parameters of all samples of a finished shard, failed ones included, by name."""
        self._require(shard.index, ())
        return {
            name: read_chunk(self._files, f"{self.split}/{name}", node, shard.index)
            for name, node in self._columns().items()
            if names is None or name in names
        }

    def _columns(self) -> dict[str, Any]:
        """The metadata of the columns of the split, by name."""
        own = {path: node for path, node in self._nodes.items() if path.startswith(f"{self.split}/")}
        return {path.partition("/")[2]: node for path, node in own.items() if is_column(node)}

    def column(self, shard: Shard, name: str) -> NDArray[Any]:
        """One of them. Raises StoreError where there is none of that name."""
        self._require(shard.index, ())
        path = f"{self.split}/{name}"
        if path not in self._nodes or not is_column(self._nodes[path]):
            raise StoreError(f"{shown(self.store)} has no column {name}")
        return read_chunk(self._files, path, self._nodes[path], shard.index)

    def prefix(self, index: SupportsIndex) -> tuple[str, ...]:
        """The equation of a sample in prefix notation, where the store keeps it (``store.prefix``)."""
        number = int(self._numbers([as_index(index)])[0])
        shard = self.shards[number // self._shard]
        row = self.column(shard, "prefix")[number - shard.start]
        return tuple(self.prefix_words[place] for place in row.tolist())

    @property
    def prefix_words(self) -> tuple[str, ...]:
        """The words that equations in prefix notation are made of; none where the store keeps no such equations."""
        node = self._nodes.get(f"{self.split}/prefix")
        return () if node is None else tuple(node["attributes"]["words"])

    def operator(self, index: SupportsIndex) -> tuple[csr_array, NDArray[Any]]:
        """A and b of a sample, A u = b for the unknowns u of its discrete equation, as they are stored
        (``store.operator``). u are the values ``shared()["operator_unknowns"]`` of its solution, flattened."""
        if OPERATOR not in self._arrays:
            raise StoreError(f"{shown(self.store)} keeps no operators: its spec has no store.operator")
        from scipy.sparse import csr_array  # late: who trains need not wait for it

        number = int(self._numbers([as_index(index)])[0])
        self._require(number // self._shard, (number,))
        values, rhs = (self._arrays[key].exact_row(number) for key in KEPT)
        pattern = self.shared()
        return csr_array((values, pattern[INDICES], pattern[INDPTR]), shape=(len(rhs), len(rhs))), rhs

    def shared(self) -> dict[str, NDArray[Any]]:
        """The arrays that all samples share: the coordinates x, y, z of a grid, or points and cells of a mesh."""
        names = {name: name for name in self._nodes if "/" not in name and is_column(self._nodes[name])}
        own = shared_at(names, self.split.partition("@")[2])
        return {name: read_chunk(self._files, stored, self._nodes[stored]) for name, stored in own.items()}

    def _numbers(self, index: Any) -> NDArray[np.intp]:
        places = numbers_of(index, len(self), "sample")
        return places if self._where is None else self.numbers[places]

    def _one(self, index: int) -> Sample:
        place = number_of(index, len(self), "sample")
        number = place if self._where is None else int(self.numbers[place])
        self._require(number // self._shard, (number,))
        return self._shaped({key: array.row(number) for key, array in self._arrays.items()})

    @property
    def stored(self) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """Shape and type of the arrays of a sample as they are stored; of values at points in float32."""
        found = {key: (array.header.shape, array.header.dtype) for key, array in self._arrays.items()}
        if not is_pointwise(self.attributes):
            return found
        shapes = {key: shape for key, (shape, _) in found.items()}
        shapes["y"] = (1, *shapes["y"])
        return {key: (shape, np.dtype(np.float32)) for key, shape in shapes.items()}

    def batch(self, numbers: NDArray[np.intp], exact: bool = False) -> Sample:
        """Samples by their numbers in the split, whether ``where`` holds for them or not; ``exact``: in the types of
        ``stored``."""
        for shard in np.unique(numbers // self._shard).tolist():
            self._require(shard, numbers)
        exact = exact and not is_pointwise(self.attributes)
        plans = {key: array.plan(numbers, exact) for key, array in self._arrays.items()}
        fill([piece for _, pieces in plans.values() for piece in pieces], self.threads)
        return self._shaped({key: values for key, (values, _) in plans.items()})

    def _shaped(self, values: Sample) -> Sample:
        """Solutions at points are stored without a channel axis."""
        if is_pointwise(self.attributes):
            values["y"] = np.expand_dims(values["y"], -2)
        return values

    def _require(self, shard: int, numbers: Sequence[int] | NDArray[np.intp]) -> None:
        """Raise IncompleteStore unless a shard is finished and these of its samples have solutions."""
        if shard not in self._failed and not self.finished(self.shards[shard]):
            raise IncompleteStore(f"shard {shard} of {self.split} is not finished; run generate again to finish it")
        failed = self._failed[shard]
        if failed and (bad := failed.intersection(map(int, numbers))):
            raise IncompleteStore(
                f"sample {min(bad)} of {self.split} has no certified solution; see pdemill inspect {shown(self.store)}"
            )
