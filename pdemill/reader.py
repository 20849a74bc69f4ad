"""Reading a store: one split as a map-style data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pdemill.errors import CorruptStore, IncompleteStore, StoreError
from pdemill.inspect import is_pointwise
from pdemill.store.disk import LocalDisk
from pdemill.store.layout import Shard
from pdemill.store.manifest import name_of
from pdemill.store.store import read_attributes

POINTWISE = {name: name for name in ("points", "stderr", "boundary_points", "gradient")} | {
    "boundary": "boundary_input"
}
type Sample = dict[str, NDArray[np.float32]]


class Dataset:
    """One split of a store: ``len(data)``, ``data[i]``, ``data[a:b]``.

    ``data[i]`` is ``{"x": [Cin, ...], "y": [Cout, ...]}`` in float32; a slice has the sample on axis 0. A pointwise
    store adds ``points`` [P, d], ``stderr`` [P], and where there are any ``boundary_points`` [B, d], ``boundary``
    [K, B] and ``gradient`` [P, d]; its x and y are [Cin, P] and [1, P].
    Raises IncompleteStore for a sample whose shard is not finished or that has no certified solution,
    rather than handing out what is not there, and CorruptStore for bytes that fail their checksum.
    """

    def __init__(self, store: str | Path, split: str = "train") -> None:
        self.store, self.split = Path(store), split
        self.attributes = read_attributes(store)
        splits = self.attributes["spec"]["splits"]
        if split not in splits:
            raise StoreError(f"{store} has no split {split!r}; it has {', '.join(splits)}")
        self._length = int(splits[split])
        self._shard = int(self.attributes["shard_samples"])
        self._group: zarr.Group | None = None
        self._finished: set[int] = set()

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels of x."""
        return tuple(self.attributes["input_channels"])

    def __len__(self) -> int:
        return self._length

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_group": None}

    def __getitem__(self, index: int | slice) -> Sample:
        if isinstance(index, slice):
            start, stop, step = index.indices(self._length)
            if step != 1:
                raise IndexError("a slice of a data set takes a step of 1 only")
            stop = max(start, stop)
            return self._read(start, stop)
        number = index + self._length if index < 0 else index
        if not 0 <= number < self._length:
            raise IndexError(f"sample {index} is outside 0..{self._length - 1}")
        return {name: values[0] for name, values in self._read(number, number + 1).items()}

    def _read(self, start: int, stop: int) -> Sample:
        if self._group is None:
            group = zarr.open_group(self.store, mode="r")[self.split]
            assert isinstance(group, zarr.Group)
            self._group = group
        if stop > start:
            self._require_finished(start, stop)
        names = {"x": "input", "y": "solution"}
        if is_pointwise(self.attributes):
            names |= {name: array for name, array in POINTWISE.items() if array in self._group}
        with zarr.config.set({"array.read_missing_chunks": False}):
            try:
                arrays = {name: self._array(self._group, source)[start:stop] for name, source in names.items()}
            except (zarr.errors.ChunkNotFoundError, RuntimeError, ValueError) as error:
                raise CorruptStore(f"samples {start}..{stop - 1} of {self.split} cannot be read: {error}") from error
        bad = np.flatnonzero(np.isnan(arrays["y"]).any(axis=tuple(range(1, arrays["y"].ndim))))
        if bad.size:
            raise IncompleteStore(
                f"sample {start + bad[0]} of {self.split} has no certified solution; see pdemill inspect {self.store}"
            )
        if is_pointwise(self.attributes):
            arrays["y"] = arrays["y"][:, None]
        return {name: np.asarray(values, dtype=np.float32) for name, values in arrays.items()}

    @staticmethod
    def _array(group: zarr.Group, name: str) -> Any:
        return group[name]

    def _require_finished(self, start: int, stop: int) -> None:
        for index in range(start // self._shard, (stop - 1) // self._shard + 1):
            if index in self._finished:
                continue
            if not LocalDisk(self.store).exists(name_of(Shard(self.split, index, 0, 0))):
                raise IncompleteStore(f"shard {index} of {self.split} is not finished; run generate again to finish it")
            self._finished.add(index)


def open(store: str | Path, split: str = "train") -> Dataset:
    """One split of a store; works as it is as a map-style data set of a PyTorch DataLoader."""
    return Dataset(store, split)
