"""Processes that solve the blocks of a stream into shared memory, ahead of who takes them."""

from __future__ import annotations

import atexit
import json
import mmap
import os
import subprocess
import tempfile
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill import errors
from pdemill.errors import PdemillError, WorkerError
from pdemill.process import child_environment, module_command, worker_status
from pdemill.solvers.streaming.blocks import Blocks, Shape
from pdemill.spec.job import Spec

AHEAD = 2
"""Blocks that a process may be ahead, with the one at work."""


@dataclass(frozen=True)
class Block:
    """A solved block: its number, the certified rows, and the arrays, which hold until the next block is asked for."""

    number: int
    rows: NDArray[np.intp]
    arrays: Mapping[str, NDArray[Any]]


class Pool:
    """The blocks of a stream in the order in which they are asked for. ``workers`` processes solve them; 0 solves in
    this one. Each block is solved into a place of its own in shared memory, and nobody works further ahead than there
    are places."""

    def __init__(self, spec: Spec, split: str, method: Mapping[str, Any] | None, workers: int) -> None:
        self._here = Blocks(spec, split, method)
        self.shape: Shape = self._here.shape
        self.method = self._here.method
        self._spec, self._split, self._workers = spec, split, workers

    def blocks(self, numbers: Iterable[int]) -> Generator[Block]:
        """Solve blocks; raises WorkerError where a process ends, and what it raised."""
        if self._workers == 0:
            arrays = {key: np.empty((self.shape.samples, *s), kind) for key, (s, kind) in self.shape.arrays.items()}
            for number in numbers:
                yield self._block(number, self._here.solve(number, arrays), arrays)
            return
        with tempfile.TemporaryFile() as file:
            file.truncate(self.shape.bytes * self._workers * AHEAD)
            crew = [_Worker(self._spec, self._split, self.method, file.fileno()) for _ in range(self._workers)]
            places = [self.shape.views(memoryview(part)) for part in self._parts(file.fileno())]
            try:
                yield from self._in_turn(iter(numbers), crew, places)
            finally:
                for worker in crew:
                    worker.stop()

    def _parts(self, handle: int) -> Iterator[memoryview]:
        whole = memoryview(mmap.mmap(handle, 0))
        for place in range(self._workers * AHEAD):
            yield whole[place * self.shape.bytes : (place + 1) * self.shape.bytes]

    def _in_turn(
        self, numbers: Iterator[int], crew: list[_Worker], places: list[dict[str, NDArray[Any]]]
    ) -> Iterator[Block]:
        """Blocks go round the processes, and are taken in the same order."""
        asked: deque[tuple[_Worker, int, int]] = deque()
        free, turns = deque(range(len(places))), cycle(crew)
        while True:
            while free and (number := next(numbers, None)) is not None:
                worker, place = next(turns), free.popleft()
                worker.ask(number, place * self.shape.bytes)
                asked.append((worker, number, place))
            if not asked:
                return
            worker, number, place = asked.popleft()
            yield self._block(number, worker.answer(), places[place])
            free.append(place)

    def _block(self, number: int, failed: list[int], arrays: Mapping[str, NDArray[Any]]) -> Block:
        return Block(number, np.setdiff1d(np.arange(self.shape.samples), failed), arrays)


class _Worker:
    """One process; it answers in the order in which it is asked."""

    def __init__(self, spec: Spec, split: str, method: Mapping[str, Any], handle: int) -> None:
        self._process = subprocess.Popen(
            module_command("pdemill.solvers.streaming.process", str(os.getpid()), str(handle)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
            env=child_environment(), pass_fds=(handle,),
        )  # fmt: skip
        self._write({"spec": spec.model_dump(mode="json"), "split": split, "method": dict(method)})
        atexit.register(self.stop)

    def _write(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return  # it has died, which is noticed when its answer is taken

    def ask(self, number: int, place: int) -> None:
        """Let a block be solved into the shared memory from byte ``place`` on."""
        self._write({"block": number, "place": place})

    def answer(self) -> list[int]:
        """The rows without a certified sample of the next block."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(f"a process of the stream ended ({worker_status(self._process.wait())})")
        told = json.loads(line)
        if "error" in told:
            kind = getattr(errors, told["kind"], WorkerError)
            error: PdemillError = (WorkerError if kind is errors.SpecError else kind)(told["error"])
            raise error
        failed: list[int] = told["failed"]
        return failed

    def stop(self) -> None:
        """End the process; may be called again."""
        atexit.unregister(self.stop)
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
