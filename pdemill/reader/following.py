"""Reading a split while it is being solved: its shards as they are finished."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.addresses import shown
from pdemill.errors import IncompleteStore
from pdemill.reader.dataset import Dataset
from pdemill.reader.locations import files_at, located
from pdemill.store.root import ROOT

PAUSE = 0.5
"""Seconds between two looks at the manifests."""

type Batch = dict[str, NDArray[Any]]


class Following:
    """The certified samples of a split, shard by shard, in the order in which shards are finished.

    Iterating gives batches as ``data[a:b]`` does, and ``sample``, their numbers; it ends when every shard has come, and
    begins anew each time. A store that is not there yet is waited for. ``patience``: raise IncompleteStore after so
    many seconds without a new shard; None waits forever. ``where``: a condition on the columns of samples.
    """

    def __init__(
        self, store: str | Path, split: str = "train", api_key: str | None = None, patience: float | None = None,
        where: str | None = None,
    ) -> None:  # fmt: skip
        self.store, self.split, self.where, self._api_key = located(store), split, where, api_key
        self._patience = patience

    def __iter__(self) -> Iterator[Batch]:
        data = self._opened()
        left, since = list(data.shards), monotonic()
        while left:
            done = [shard for shard in left if data.finished(shard)]
            for shard in done:
                left.remove(shard)
                numbers = data.chosen(shard)
                if numbers.size:
                    yield data.batch(numbers) | {"sample": numbers}
            since = monotonic() if done else since
            if left and not done:
                self._wait(since, f"{len(left)} of {len(data.shards)} shards of {self.split} are not finished")

    def samples(self) -> Iterator[Batch]:
        """The same, one sample at a time."""
        for batch in self:
            for row in range(len(batch["sample"])):
                yield {key: np.asarray(values[row]) for key, values in batch.items()}

    def _opened(self) -> Dataset:
        since, files = monotonic(), files_at(self.store, self._api_key)
        while not files.exists(ROOT):
            self._wait(since, "the store has not been begun")
        return Dataset(self.store, self.split, self._api_key, self.where)

    def _wait(self, since: float, missing: str) -> None:
        if self._patience is not None and monotonic() - since > self._patience:
            raise IncompleteStore(f"{shown(self.store)}: {missing}, and nothing came for {self._patience:g} s")
        sleep(PAUSE)
