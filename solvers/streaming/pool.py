"""Processes that solve the blocks of a stream into shared memory, ahead of who takes them."""

from __future__ import annotations

import atexit
import json
import mmap
import os
import select
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import cycle
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pdemill import errors
from pdemill.errors import PdemillError, WorkerError
from pdemill.process import child_environment, module_command, worker_status
from pdemill.solvers.streaming.blocks import Blocks
from pdemill.spec.job import Spec
from pdemill.streaming.blocks import Block, Shape

AHEAD = 2
"""Blocks that a process may be ahead, with the one at work."""


class Solver(Protocol):
    """Solves blocks: made of a spec, the name of a split, and a method."""

    shape: Shape

    def __init__(self, spec: Spec, split: str, method: Mapping[str, Any] | None = None) -> None: ...

    @property
    def method(self) -> Mapping[str, Any]: ...

    def solve(self, number: int, out: Mapping[str, NDArray[Any]]) -> list[int]: ...


class Pool:
    """The blocks of a stream in the order in which they are asked for. ``workers`` processes solve them; 0 solves in
    this one. Each block is solved into a place of its own in shared memory, and nobody works further ahead than there
    are places: for ``ahead`` samples at least, and AHEAD blocks of each process."""

    def __init__(
        self,
        spec: Spec,
        split: str,
        method: Mapping[str, Any] | None,
        workers: int,
        ahead: int = 0,
        kind: type[Solver] = Blocks,
    ) -> None:
        self._here = kind(spec, split, method)
        self.shape: Shape = self._here.shape
        self.method = dict(self._here.method)
        self._spec, self._split, self._workers, self._kind = spec, split, workers, kind
        self._places = max(workers * AHEAD, -(-ahead // self.shape.samples))

    def blocks(self, numbers: Iterable[int]) -> Here | Ahead:
        """Solve blocks; the feed raises WorkerError where a process ends, and what it raised."""
        if self._workers == 0:
            return Here(self._here, iter(numbers))
        told = {
            "spec": self._spec.model_dump(mode="json"), "split": self._split, "method": self.method,
            "kind": [self._kind.__module__, self._kind.__name__],
        }  # fmt: skip
        return Ahead(self.shape, told, self._workers, self._places, iter(numbers))


class Here:
    """Blocks that are solved in this process when they are asked for."""

    def __init__(self, solver: Solver, numbers: Iterator[int]) -> None:
        self._solver, self._numbers = solver, numbers
        shape = solver.shape
        self._arrays = {key: np.empty((shape.samples, *s), kind) for key, (s, kind) in shape.arrays.items()}

    def __iter__(self) -> Here:
        return self

    def __next__(self) -> Block:
        number = next(self._numbers)
        return _block(number, self._solver.shape, self._solver.solve(number, self._arrays), self._arrays)

    def ready(self) -> int:
        """No block is solved ahead."""
        return 0

    def close(self) -> None:
        """Give no more."""
        self._numbers = iter(())


class Ahead:
    """Blocks that processes solve ahead. They go round the processes, and are taken in the same order."""

    def __init__(
        self, shape: Shape, told: Mapping[str, Any], workers: int, places: int, numbers: Iterator[int]
    ) -> None:
        self._shape, self._numbers, self._pid = shape, numbers, os.getpid()
        self._told, self._workers = told, workers
        self._crew: list[_Worker] = []
        self._turns: Iterator[_Worker] = iter(())
        self._asked: deque[tuple[_Worker, int, int]] = deque()
        self._free, self._lent = deque(range(places)), -1
        self._arrays: list[dict[str, NDArray[Any]]] = []

    def __iter__(self) -> Ahead:
        return self

    def _begin(self) -> None:
        places = len(self._free)
        with tempfile.TemporaryFile() as file:
            file.truncate(self._shape.bytes * places)
            self._crew = [_Worker(self._told, file.fileno()) for _ in range(self._workers)]
            whole = memoryview(mmap.mmap(file.fileno(), 0))
        parts = (whole[place * self._shape.bytes : (place + 1) * self._shape.bytes] for place in range(places))
        self._arrays = [self._shape.views(part) for part in parts]
        self._turns = cycle(self._crew)

    def __next__(self) -> Block:
        if not self._arrays:
            self._begin()
        if self._lent >= 0:
            self._free.append(self._lent)
            self._lent = -1
        while self._free and (number := next(self._numbers, None)) is not None:
            worker, place = next(self._turns), self._free.popleft()
            worker.ask(number, place * self._shape.bytes)
            self._asked.append((worker, number, place))
        if not self._asked:
            self.close()
            raise StopIteration
        worker, number, self._lent = self._asked.popleft()
        try:
            failed = worker.answer()
        except PdemillError:
            self.close()
            raise
        return _block(number, self._shape, failed, self._arrays[self._lent])

    def ready(self) -> int:
        """How many of the next blocks are solved: those at the head of the queue."""
        found, used = 0, dict[int, int]()
        for worker, _, _ in self._asked:
            mine = used.get(id(worker), 0)
            if worker.answered() <= mine:
                break
            used[id(worker)] = mine + 1
            found += 1
        return found

    def close(self) -> None:
        """End the processes; a copy of this in another process leaves them alone."""
        if os.getpid() == self._pid:
            for worker in self._crew:
                worker.stop()
            self._crew, self._numbers = [], iter(())
            self._asked.clear()


def _block(number: int, shape: Shape, failed: list[int], arrays: Mapping[str, NDArray[Any]]) -> Block:
    return Block(number, np.setdiff1d(np.arange(shape.samples), failed), arrays)


class _Worker:
    """One process; it answers in the order in which it is asked."""

    def __init__(self, told: Mapping[str, Any], handle: int) -> None:
        self._process = subprocess.Popen(
            module_command("pdemill.solvers.streaming.process", str(os.getpid()), str(handle)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=child_environment(), pass_fds=(handle,),
        )  # fmt: skip
        self._lines: deque[bytes] = deque()
        self._begun, self._ended = b"", False
        self._write(told)
        atexit.register(self.stop)

    def _write(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        line = memoryview((json.dumps(message) + "\n").encode())
        try:
            while line:
                line = line[self._process.stdin.write(line) or 0 :]
        except BrokenPipeError:
            return  # it has died, which is noticed when its answer is taken

    def ask(self, number: int, place: int) -> None:
        """Let a block be solved into the shared memory from byte ``place`` on."""
        self._write({"block": number, "place": place})

    def answered(self) -> int:
        """How many answers have come that were not taken; the end of the process is one."""
        assert self._process.stdout is not None
        poll = select.poll()
        poll.register(self._process.stdout, select.POLLIN)
        while not self._ended and poll.poll(0):
            self._read()
        return len(self._lines) + self._ended

    def _read(self) -> None:
        assert self._process.stdout is not None
        data = os.read(self._process.stdout.fileno(), 65536)
        self._ended = not data
        *whole, self._begun = (self._begun + data).split(b"\n")
        self._lines.extend(whole)

    def answer(self) -> list[int]:
        """The rows without a certified sample of the next block; waits for it."""
        while not self._lines and not self._ended:
            self._read()
        if not self._lines:
            raise WorkerError(f"a process of the stream ended ({worker_status(self._process.wait())})")
        told = json.loads(self._lines.popleft())
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
