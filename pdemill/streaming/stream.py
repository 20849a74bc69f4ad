"""A stream: what a training loop iterates over."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Self, cast

from numpy.typing import NDArray

from pdemill.arguments import whole
from pdemill.reader.normaliser import Normaliser, normaliser
from pdemill.spec.job import Spec
from pdemill.spec.load import validate
from pdemill.streaming import flow
from pdemill.streaming.blocks import Source
from pdemill.streaming.buffer import Buffer, Fresh, Reservoir
from pdemill.streaming.flow import Flow
from pdemill.streaming.statistics import Statistics

type Sample = dict[str, NDArray[Any] | int]
type Opener = Callable[[Spec, Mapping[str, Any] | None, int], Source]
"""Opens the source of a stream: its spec, its method where it is known, and how many samples to be ahead at least."""


class Stream:
    """An endless sequence of certified samples of a spec that no split of it has: {"x": [Cin, *space], "y": [Cout,
    (t,) *space], "sample": its number}, in the store's precision, and what else ``open`` gives of values at points.

    What sample k holds depends on the spec, the method and k alone. A sample that cannot be certified is left out, and
    counted in ``failed``. With ``samples``, an iteration ends after so many, an epoch; the next one goes on with those
    that follow. A DataLoader whose processes are not persistent starts them anew: tell it by ``set_epoch``.

    Among ``world_size`` ranks, and the processes of each one's DataLoader, blocks of samples are dealt out in turn:
    none comes twice, and none is missing. Each consumer of a reservoir has one of its own, of its fresh samples; an
    epoch of ``samples`` draws is shared among them.
    """

    def __init__(
        self,
        spec: Spec,
        opener: Opener,
        start: int = 0,
        samples: int | None = None,
        rank: int = 0,
        world_size: int = 1,
        buffer: Buffer | Mapping[str, Any] | None = None,
    ) -> None:
        self._spec, self._opener, self._buffer = spec, opener, Buffer.of(buffer)
        self._rank, self._ranks = whole("rank", rank), whole("world_size", world_size, 1)
        if self._rank >= self._ranks:
            raise ValueError(f"rank should be below world_size, {world_size}, not {rank}")
        self._start = self._next = whole("start", start)
        self._samples = None if samples is None else whole("samples", samples, 1)
        self._source: Source | None = opener(spec, None, self._buffer.size)
        self._method = dict(self._source.method)
        self._clear()

    def _clear(self) -> None:
        """Nothing of the past is known."""
        self._told = Statistics()
        self._flow: Flow | None = None
        self._reservoir: Reservoir | None = None
        self._held: Mapping[str, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        left = {"_source": None, "_flow": None, "_reservoir": None, "_held": self._told_of_reservoir()}
        return {**self.__dict__, **left, "_spec": self._spec.model_dump(mode="json")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | {"_spec": validate(state["_spec"])})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes that work ahead; the next iteration starts them anew, where this one was left."""
        if self._flow is not None:
            self._flow.close()
            self._flow = None

    def __iter__(self) -> Iterator[Sample]:
        found = self._in_order() if self._buffer.policy == "fifo" else self._drawn()
        for number, arrays in found:
            self._told.given += 1
            yield {**arrays, "sample": number}

    def _in_order(self) -> Iterator[tuple[int, Mapping[str, NDArray[Any]]]]:
        """Every sample of the epoch once."""
        end, current = self._end(), self._flowing()
        while (found := current.take(end)) is not None:
            self._next = current.next
            yield found
        assert end is not None
        self._next = end

    def _drawn(self) -> Iterator[tuple[int, Mapping[str, NDArray[Any]]]]:
        """This consumer's share of the draws of an epoch."""
        current = self._flowing()
        consumer, consumers = self._consumer()
        reservoir = self._reservoir or self._restored(f"{consumer}/{consumers}")
        share = None if self._samples is None else len(range(consumer, self._samples, consumers))
        end = None if share is None else (reservoir.draws // max(share, 1) + 1) * share
        while end is None or reservoir.draws < end:
            number, arrays = reservoir.draw(cast(Fresh, current))
            self._next = current.next
            yield number, {key: values.copy() for key, values in arrays.items()}

    def _restored(self, name: str) -> Reservoir:
        self._reservoir = Reservoir(self._buffer, name)
        if self._held is not None:
            if self._held["name"] != name:
                raise ValueError("the state is of another consumer: a reservoir goes on with the same rank and worker")
            wanted = dict(self._held["kept"])
            self._reservoir.restore(self._held, dict(flow.samples(self._opened(), wanted)))
            self._held = None
        return self._reservoir

    def _opened(self) -> Source:
        self._source = self._source or self._opener(self._spec, self._method, self._buffer.size)
        return self._source

    def _flowing(self) -> Flow:
        """The fresh samples from the next one on; those that are under way, where they are this consumer's."""
        consumer, consumers = self._consumer()
        key = (os.getpid(), consumer, consumers)
        if self._flow is None or self._flow.key != key or not self._flow.goes_on_from(self._next):
            self.close()
            self._flow = Flow(self._opened(), self._next, consumer, consumers, self._told)
            weakref.finalize(self, self._flow.close)
        return self._flow

    def _end(self) -> int | None:
        """The first sample of the next epoch."""
        if self._samples is None:
            return None
        return self._start + ((self._next - self._start) // self._samples + 1) * self._samples

    def _consumer(self) -> tuple[int, int]:
        """Which consumer this is, of how many: the processes of a DataLoader on every rank."""
        data = sys.modules.get("torch.utils.data")
        info = None if data is None else data.get_worker_info()
        if info is None:
            return self._rank, self._ranks
        return self._rank * info.num_workers + info.id, self._ranks * info.num_workers

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be this epoch, from 0 on. Raises ValueError for a stream without ``samples``, and for
        a reservoir, which has no beginning in the middle."""
        if self._samples is None:
            raise ValueError("a stream without samples has no epochs")
        if self._buffer.policy == "reservoir":
            raise ValueError("a reservoir goes on where it was: keep the loader's processes (persistent_workers=True)")
        self._next = self._start + whole("epoch", epoch) * self._samples

    @property
    def failed(self) -> int:
        """How many samples were left out, as they could not be certified."""
        return self._told.failed

    def statistics(self) -> dict[str, Any]:
        """Of this process, on the way: samples ``produced`` (fresh, certified), ``failed``, ``given`` (with repeats),
        ``waiting`` (solved, not taken yet); ``start_seconds``, ``waited_seconds`` and ``waiting_share``, the share of
        the loop's time after the first block for which it waited; and per array "x", "y" the ``mean`` and ``std`` of
        each channel over the fresh samples that came."""
        told, waiting = self._told, 0 if self._flow is None else self._flow.waiting()
        moments = {name: [one.summary() for one in channels] for name, channels in told.moments.items()}
        found = {name: {key: [one[key] for one in all] for key in ("mean", "std")} for name, all in moments.items()}
        times = {"start_seconds": told.start_seconds, "waited_seconds": told.waited_seconds}
        counts = {"produced": told.produced, "failed": told.failed, "given": told.given, "waiting": waiting}
        return {**counts, **times, "waiting_share": told.waiting_share, **found}

    def normaliser(self, key: str) -> Normaliser:
        """The map that brings "x" or "y" to mean 0 and standard deviation 1 per channel, by the fresh samples that came
        so far. Raises ValueError before the first one."""
        if key not in self._told.moments:
            raise ValueError(f"no sample has come yet that has channels {key!r}: take some first")
        channels = self._told.moments[key]
        space = len(self._opened().shape.arrays[key][0]) - 1
        return normaliser([one.summary() for one in channels], space)

    def state_dict(self) -> dict[str, Any]:
        """What ``load_state_dict`` goes on from: the number of the next sample, the method, which was measured, what a
        reservoir holds, by numbers, and statistics."""
        return {
            "next": self._next, "method": self._method, "spec_sha256": self._spec.sha256(),
            "buffer": asdict(self._buffer), "reservoir": self._told_of_reservoir(), "statistics": self._told.to_json(),
        }  # fmt: skip

    def _told_of_reservoir(self) -> Mapping[str, Any] | None:
        return self._held if self._reservoir is None else self._reservoir.to_json()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another stream of the same spec and buffer was; samples of a reservoir are solved again. Raises
        ValueError for one of another spec or buffer."""
        if lacking := [key for key in ("next", "method", "spec_sha256") if key not in state]:
            raise ValueError(f"this is no state of a stream: it has no {lacking[0]}")
        if state["spec_sha256"] != self._spec.sha256():
            raise ValueError("the state is of a stream of another spec")
        held = state.get("reservoir")
        if held is not None and self._buffer.policy != "reservoir":
            raise ValueError("the state is of a stream with a reservoir")
        if held is not None and state.get("buffer", asdict(self._buffer)) != asdict(self._buffer):
            raise ValueError(f"the state is of a stream with another buffer: {state['buffer']}")
        self.close()
        self._clear()
        self._next, self._method = whole("next", state["next"]), dict(state["method"])
        self._held = held
        if "statistics" in state:
            self._told = Statistics.of_json(state["statistics"])
        self._source = None
