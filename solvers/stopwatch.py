"""CPU seconds by step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from time import process_time


class Stopwatch:
    """Adds up the process CPU time that is spent under each name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step."""
        begin = process_time()
        try:
            yield
        finally:
            self.seconds[name] += process_time() - begin
