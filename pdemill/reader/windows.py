"""Windows of trajectories: some stored times in, some later ones out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import chain
from operator import index as as_index
from pathlib import Path
from typing import Any, Literal, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from pdemill.addresses import shown
from pdemill.arguments import whole
from pdemill.errors import IncompleteStore, StoreError
from pdemill.reader.chunks import ChunkReader, Part
from pdemill.reader.dataset import Dataset, Sample
from pdemill.reader.indexing import Numbers, number_of, numbers_of
from pdemill.reader.normaliser import Normaliser
from pdemill.reader.spans import Pairs, Runs, Spans
from pdemill.reader.threads import fill
from pdemill.store.layout import Shard

INITIAL = "initial"
"""The input channel that windows leave out: their inputs are states."""


class Windows:
    """The windows of a split's trajectories: ``len(windows)``, ``windows[i]``, ``windows[a:b]``, ``windows[[3, 1]]``.

    ``windows[i]`` has, in float32,

    - ``x`` [n_in * C, *space]: n_in states of C channels, earliest first, all channels of a state together;
    - ``y`` [n_out * C, *space]: the n_out states that follow;
    - ``t`` [n_in]: the times of the states in x; ``dt`` [n_out]: from the last of them to each state in y;
    - ``params`` [P]: the drawn numbers of the equation, and ``inputs`` [K, *space]: its other drawn channels, where
      there are any (``parameters`` and ``input_channels`` name them).

    ``x.reshape(n_in, C, *space)`` has the states apart. A slice or a list of numbers gives a batch, with the window on
    axis 0. Windows of a trajectory are neighbours; ``where(i)`` tells its sample and stored times.
    ``window``: (n_in, n_out) states, ``stride`` stored times apart. ``pairs``: "next" takes a window from every stored
    time on, "all" every pair of an earlier and a later one among every ``stride``-th stored time.
    ``beyond_valid``: also those that reach beyond the ``valid_until`` of their sample. Samples without a certified
    solution have no windows.
    A window costs the chunks that its times are in; each thread keeps those that it read last. Raises StoreError for a
    store without trajectories, or without any such window, and IncompleteStore unless every shard is finished; reading
    raises what Dataset raises.
    """

    def __init__(
        self, data: Dataset, window: tuple[int, int] = (1, 1), stride: int = 1, pairs: Literal["next", "all"] = "next",
        beyond_valid: bool = False, reach: NDArray[np.int64] | None = None,
    ) -> None:  # fmt: skip
        self.data, self.window, self.stride, self.pairs = data, _lengths(window), whole("stride", stride, 1), pairs
        self.beyond_valid = beyond_valid
        self._spans = _spans(self.window, self.stride, pairs)
        where = shown(data.store)
        if not data.in_time:
            raise StoreError(f"{where} holds no trajectories: open it without window, stride and pairs")
        self.times: NDArray[np.float64] = data.shared()["t"]
        """The stored times."""
        if self._spans.shortest > len(self.times):
            raise StoreError(
                f"{where}: window={self.window} with stride={self.stride} is {self._spans.shortest} stored times long, "
                f"and trajectories have {len(self.times)}"
            )
        self._reach = self._reaches() if reach is None else reach
        counts = [self._spans.count(frames) for frames in self._reach.tolist()]
        self._bounds = np.cumsum([0, *counts])
        if not len(self):
            raise StoreError(
                f"{where}: no window={self.window} with stride={self.stride} of {data.split} ends before valid_until: "
                "take a shorter one, or beyond_valid=True"
            )
        self._states = ChunkReader(data.reader("y"))
        self._fields = ChunkReader(data.reader("x"))
        self._others = [number for number, name in enumerate(data.channels) if name != INITIAL]
        self._params: dict[int, NDArray[Any]] = {}

    def __repr__(self) -> str:
        return (
            f"Windows({shown(self.data.store)!r}, {self.data.split!r}, window={self.window}, stride={self.stride}, "
            f"pairs={self.pairs!r}, {len(self)} windows of {np.count_nonzero(self._reach)} trajectories)"
        )

    @property
    def store(self) -> str | Path:
        """Where the store is."""
        return self.data.store

    @property
    def split(self) -> str:
        """The name of the split."""
        return self.data.split

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of the store."""
        return self.data.attributes

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels of x."""
        return self.data.solution_channels * self.window[0]

    @property
    def solution_channels(self) -> tuple[str, ...]:
        """Names of the channels of y."""
        return self.data.solution_channels * self.window[1]

    @property
    def input_channels(self) -> tuple[str, ...]:
        """Names of the channels of ``inputs``."""
        return tuple(self.data.channels[number] for number in self._others)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the numbers in ``params``."""
        return tuple(self.attributes["parameters"])

    def normaliser(self, key: Literal["x", "y", "inputs"]) -> Normaliser:
        """The map that brings x, y or inputs to mean 0 and standard deviation 1 per channel, by the store's statistics.

        x and y have one map, that of the states at all stored times. Raises IncompleteStore while it is not there.
        """
        states, space = self.data.normaliser("y"), len(self._shape)
        if key == "inputs":
            fields = self.data.normaliser("x")
            mean, std = (tuple(row[number] for number in self._others) for row in (fields.mean, fields.std))
            return Normaliser(mean, std, space)
        times = self.window[0 if key == "x" else 1]
        return Normaliser(states.mean * times, states.std * times, space)

    def where(self, index: int) -> tuple[int, tuple[int, ...]]:
        """The sample of a window, and the numbers of its stored times: inputs, then targets."""
        return self._where(number_of(index, len(self), "window"))

    def _where(self, number: int) -> tuple[int, tuple[int, ...]]:
        sample = int(np.searchsorted(self._bounds, number, side="right")) - 1
        return sample, self._spans.frames(number - int(self._bounds[sample]))

    def __len__(self) -> int:
        return int(self._bounds[-1])

    def __reduce__(self) -> tuple[type[Windows], tuple[object, ...]]:
        return Windows, (self.data, self.window, self.stride, self.pairs, self.beyond_valid, self._reach)

    def __getitem__(self, index: SupportsIndex | Numbers) -> Sample:
        if isinstance(index, SupportsIndex) and not getattr(index, "ndim", 0):
            number = number_of(as_index(index), len(self), "window")
            return {key: values[0] for key, values in self._many([number]).items()}
        return self._many(numbers_of(index, len(self), "window").tolist())

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        """The windows of a batch, read together: what a PyTorch DataLoader asks for."""
        batch = self._many(numbers_of(indices, len(self), "window").tolist())
        return [{key: values[row] for key, values in batch.items()} for row in range(len(indices))]

    @property
    def _shape(self) -> tuple[int, ...]:
        """Points along the axes of space."""
        return self._states.array.header.shape[2:]

    def _many(self, numbers: Sequence[int]) -> Sample:
        n_in, n_out = self.window
        found = [self._where(number) for number in numbers]
        samples = [sample for sample, _ in found]
        frames = np.array([frames for _, frames in found], np.intp).reshape(-1, n_in + n_out)
        channels = len(self.data.solution_channels)
        batch: Sample = {
            key: np.empty((len(found), length, channels, *self._shape), np.float32)
            for key, length in zip("xy", self.window, strict=True)
        }
        states = zip("xy", (frames[:, :n_in], frames[:, n_in:]), strict=True)
        wanted = chain.from_iterable(self._frames(samples, numbers, batch[key]) for key, numbers in states)
        pieces = self._states.plan(wanted)
        if self._others:
            batch["inputs"] = np.empty((len(found), len(self._others), *self._shape), np.float32)
            rows = zip(samples, batch["inputs"], strict=True)
            pieces += self._fields.plan(Part(sample, 0, self._others, out) for sample, out in rows)
        fill(pieces, self.data.threads)
        for key, length in zip("xy", self.window, strict=True):
            batch[key] = batch[key].reshape(len(found), length * channels, *self._shape)
        batch["t"] = self.times[frames[:, :n_in]].astype(np.float32)
        batch["dt"] = (self.times[frames[:, n_in:]] - self.times[frames[:, n_in - 1 : n_in]]).astype(np.float32)
        if self.parameters:
            drawn = [self._parameters(sample) for sample in samples]
            batch["params"] = np.array(drawn, np.float32).reshape(-1, len(self.parameters))
        return batch

    def _frames(self, samples: Sequence[int], frames: NDArray[np.intp], out: NDArray[np.float32]) -> Iterator[Part]:
        """The parts that fill ``out`` [window, frame, channel, *space]."""
        times = self._states.array.header.chunk[1]
        for row, (sample, numbers) in enumerate(zip(samples, frames.tolist(), strict=True)):
            for place, number in enumerate(numbers):
                yield Part(sample, number // times, np.s_[:, number % times], out[row, place])

    def _parameters(self, sample: int) -> NDArray[Any]:
        """The drawn numbers of a sample."""
        number, row = divmod(sample, int(self.attributes["shard_samples"]))
        if number not in self._params:
            self._params[number] = self.data.column(self.data.shards[number], "params")
        values: NDArray[Any] = self._params[number][row]
        return values

    def _reaches(self) -> NDArray[np.int64]:
        """How many stored times of each sample windows may take, 0 for those without a certified solution."""
        reach = np.zeros(self.data.shards[-1].stop, np.int64)
        with ThreadPoolExecutor(self.data.threads) as pool:
            for shard, found in zip(self.data.shards, pool.map(self._reach_in, self.data.shards), strict=True):
                reach[shard.start : shard.stop] = found
        return reach

    def _reach_in(self, shard: Shard) -> NDArray[np.int64]:
        if not self.data.finished(shard):
            raise IncompleteStore(
                f"shard {shard.index} of {shard.split} is not finished, and windows are of finished splits: run "
                "generate again to finish it"
            )
        reach = np.zeros(len(shard), np.int64)
        good = self.data.chosen(shard) - shard.start
        if self.beyond_valid:
            reach[good] = len(self.times)
        else:
            until = self.data.column(shard, "valid_until")[good]
            reach[good] = np.searchsorted(self.times, until, side="right")
        return reach


def _lengths(window: Any) -> tuple[int, int]:
    """(n_in, n_out)."""
    if not isinstance(window, tuple | list) or len(window) != 2:
        raise ValueError(f"window should be how many states go in and how many come out, as in (1, 1), not {window!r}")
    return whole("window[0]", window[0], 1), whole("window[1]", window[1], 1)


def _spans(window: tuple[int, int], stride: int, pairs: str) -> Spans:
    if pairs == "next":
        return Runs(sum(window), stride)
    if pairs != "all":
        raise ValueError(f"pairs should be 'next' or 'all', not {pairs!r}")
    if window != (1, 1):
        raise ValueError(f"pairs='all' is of one state in and one out: leave window={window} out, or pairs")
    return Pairs(stride)
