"""CPU seconds by step."""

from __future__ import annotations

from collections import defaultdict
from time import process_time


class Stopwatch:
    """Adds up the process CPU time that is spent under each name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def step(self, name: str) -> Step:
        """Time one step."""
        return Step(self.seconds, name)


class Step:
    """Time that is added up under a name; a context manager of its own, since there are ten steps to a sample."""

    __slots__ = ("_begin", "_name", "_seconds")

    def __init__(self, seconds: dict[str, float], name: str) -> None:
        self._seconds, self._name = seconds, name

    def __enter__(self) -> None:
        self._begin = process_time()

    def __exit__(self, *_: object) -> None:
        self._seconds[self._name] += process_time() - self._begin
