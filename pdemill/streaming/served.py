"""Streams whose blocks a pdemill server solves, ahead of who takes them, and which come over HTTP."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event, Thread, current_thread
from typing import Any

import numpy as np

from pdemill.engine import engine
from pdemill.spec.job import Spec
from pdemill.spec.method import methods
from pdemill.streaming.blocks import Block, Shape
from pdemill.streaming.growing import Growing
from pdemill.streaming.opening import SPLIT

PLACES = 2
"""Blocks of a feed that are copied here ahead, at least."""

LEAVING = 5.0
"""Most seconds for which the end of a feed waits for the answer to its last request."""


@dataclass(frozen=True)
class Served:
    """Opens streams that the server at ``url`` solves, ``ahead`` blocks ahead at least."""

    url: str
    api_key: str | None = field(repr=False)
    ahead: int

    def __call__(self, spec: Spec, method: Mapping[str, Any] | None, ahead: int) -> ServedBlocks:
        return ServedBlocks(self, spec, method, ahead)


class ServedBlocks:
    """The blocks of a stream from a server. Raises SpecError, ServerError, JobError, and ValueError where the server
    solves them by another method than ``method``."""

    def __init__(self, server: Served, spec: Spec, method: Mapping[str, Any] | None, ahead: int) -> None:
        own = engine.stream_spec(spec, SPLIT)
        samples = own.splits[SPLIT]
        self._server, self._spec = server, own
        self._places, self._step = max(PLACES, -(-ahead // samples)), max(server.ahead, -(-ahead // samples))
        self._growing: dict[int, Growing] = {}
        data = self._here().opened(Event())
        self.shape = Shape(samples, data.stored)
        plan = data.attributes["plan"]
        known = methods[plan["method"]].model_fields
        self.method = {key: value for key, value in plan.items() if key in known}
        if method is not None and not _same(method, self.method):
            raise ValueError(
                f"the state is of samples solved by {method['method']}, and the server solves them by "
                f"{plan['method']}, or with other options: give solver in the spec"
            )

    def _here(self) -> Growing:
        """The store there as this process follows it; a copy of this in another process has one of its own."""
        if os.getpid() not in self._growing:
            server = self._server
            self._growing[os.getpid()] = Growing(server.url, server.api_key, self._spec, SPLIT, self._step)
        return self._growing[os.getpid()]

    def blocks(self, numbers: Iterable[int]) -> Fetched:
        """Copy blocks, a few ahead; the feed raises what went wrong at the server."""
        return Fetched(self._here(), iter(numbers), self._places)


def _same(told: Mapping[str, Any], here: Mapping[str, Any]) -> bool:
    """Whether two methods are one; what the first leaves open may be anything."""
    return all(value in (here.get(key), "auto") for key, value in told.items())


class Fetched:
    """Blocks that a thread copies from a server, so many ahead."""

    def __init__(self, growing: Growing, numbers: Iterator[int], places: int) -> None:
        self._growing, self._numbers, self._places, self._pid = growing, numbers, places, os.getpid()
        self._asked: deque[Future[Block]] = deque()
        self._tasks: SimpleQueue[tuple[int, Future[Block]] | None] = SimpleQueue()
        self._stop, self._thread = Event(), Thread(target=self._work, daemon=True)

    def __iter__(self) -> Fetched:
        return self

    def __next__(self) -> Block:
        if self._thread.ident is None:
            self._thread.start()
        while len(self._asked) < self._places and (number := next(self._numbers, None)) is not None:
            self._asked.append(Future())
            self._tasks.put((number, self._asked[-1]))
        if not self._asked:
            self.close()
            raise StopIteration
        try:
            return self._asked.popleft().result()
        except Exception:
            self.close()
            raise

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None and not self._stop.is_set():
            number, future = task
            try:
                future.set_result(self._block(number))
            except Exception as error:
                future.set_exception(error)

    def _block(self, number: int) -> Block:
        data = self._growing.reach(number, self._stop)
        shard = data.shards[number]
        numbers = data.certified(shard)
        rows = numbers - shard.start
        found = data.batch(numbers, exact=True) if numbers.size else {}
        arrays = {key: np.zeros((len(shard), *shape), kind) for key, (shape, kind) in data.stored.items()}
        for key, values in found.items():
            arrays[key][rows] = values
        return Block(number, rows, arrays)

    def ready(self) -> int:
        """How many of the next blocks are here."""
        found = 0
        for future in self._asked:
            if not future.done():
                break
            found += 1
        return found

    def close(self) -> None:
        """Copy no more; a copy of this in another process leaves the thread alone."""
        if os.getpid() == self._pid:
            self._stop.set()
            self._tasks.put(None)
            self._numbers = iter(())
            self._asked.clear()
            if self._thread.is_alive() and self._thread is not current_thread():
                self._thread.join(LEAVING)
