"""Fresh certified samples for training without a store, in an order that can be gone on with."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from pdemill.arguments import whole
from pdemill.engine import engine
from pdemill.spec.load import validate

if TYPE_CHECKING:
    from pdemill.solvers.streaming.pool import Pool
    from pdemill.spec.job import Spec

type Sample = dict[str, NDArray[Any] | int]

SPLIT = "stream"


class Stream:
    """An endless sequence of certified samples of a spec that no split of it has: {"x": [Cin, *space], "y": [Cout,
    (t,) *space], "sample": its number}, in the store's precision.

    What sample k holds depends on the spec, the method and k alone. A sample that cannot be certified is left out, and
    counted in ``failed``. With ``samples``, an iteration ends after so many, an epoch; the next one goes on with those
    that follow. A DataLoader whose processes are not persistent starts them anew: tell it by ``set_epoch``.

    Among ``world_size`` ranks, and the processes of each one's DataLoader, blocks of samples are dealt out in turn:
    none comes twice, and none is missing.
    """

    def __init__(
        self,
        spec: Spec,
        workers: int = 1,
        start: int = 0,
        samples: int | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self._spec, self._workers = spec, workers
        self._rank, self._ranks = whole("rank", rank), whole("world_size", world_size, 1)
        if self._rank >= self._ranks:
            raise ValueError(f"rank should be below world_size, {world_size}, not {rank}")
        self._start = self._next = whole("start", start)
        self._samples = None if samples is None else whole("samples", samples, 1)
        self._pool: Pool | None = engine.stream(spec, SPLIT, None, workers)
        self._method = self._pool.method
        self.failed = 0

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pool": None, "_spec": self._spec.model_dump(mode="json")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | {"_spec": validate(state["_spec"])})

    def __iter__(self) -> Iterator[Sample]:
        pool = self._pool = self._pool or engine.stream(self._spec, SPLIT, self._method, self._workers)
        end = self._end()
        for block in pool.blocks(self._numbers(pool.shape.samples, end)):
            first = block.number * pool.shape.samples
            good = set(block.rows.tolist())
            stop = pool.shape.samples if end is None else min(end - first, pool.shape.samples)
            for row in range(max(self._next - first, 0), stop):
                self._next = first + row + 1
                if row in good:
                    yield {**{key: values[row].copy() for key, values in block.arrays.items()}, "sample": first + row}
                else:
                    self.failed += 1
        self._next = self._next if end is None else end

    def _end(self) -> int | None:
        """The first sample of the next epoch."""
        if self._samples is None:
            return None
        return self._start + ((self._next - self._start) // self._samples + 1) * self._samples

    def _numbers(self, samples: int, end: int | None) -> Iterator[int]:
        """The blocks of this consumer."""
        consumer, consumers = self._consumer()
        number = self._next // samples
        number += (consumer - number) % consumers
        while end is None or number * samples < end:
            yield number
            number += consumers

    def _consumer(self) -> tuple[int, int]:
        """Which consumer this is, of how many: the processes of a DataLoader on every rank."""
        data = sys.modules.get("torch.utils.data")
        info = None if data is None else data.get_worker_info()
        if info is None:
            return self._rank, self._ranks
        return self._rank * info.num_workers + info.id, self._ranks * info.num_workers

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be this epoch, from 0 on. Raises ValueError for a stream without ``samples``."""
        if self._samples is None:
            raise ValueError("a stream without samples has no epochs")
        self._next = self._start + whole("epoch", epoch) * self._samples

    def state_dict(self) -> dict[str, Any]:
        """What ``load_state_dict`` goes on from: the number of the next sample, and the method, which was measured."""
        return {"next": self._next, "method": self._method, "spec_sha256": self._spec.sha256()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another stream of the same spec was. Raises ValueError for one of another spec."""
        if state["spec_sha256"] != self._spec.sha256():
            raise ValueError("the state is of a stream of another spec")
        self._next, self._method = whole("next", state["next"]), state["method"]
        self._pool = None
