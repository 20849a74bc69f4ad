"""Making a stream, of whatever source it takes its blocks."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pdemill.engine import engine
from pdemill.spec.job import Spec
from pdemill.streaming.blocks import Source
from pdemill.streaming.buffer import Buffer
from pdemill.streaming.stream import Opener, Stream

SPLIT = "stream"
"""The split that a stream's samples are of."""


@dataclass(frozen=True)
class Local:
    """Opens streams that are solved on this machine, by so many processes."""

    workers: int

    def __call__(self, spec: Spec, method: Mapping[str, Any] | None, ahead: int) -> Source:
        return engine.stream(spec, SPLIT, method, self.workers, ahead)

    def require(self, buffer: Buffer) -> None:
        """Raise ValueError for a buffer that would get nothing new."""
        if buffer.policy == "reservoir" and buffer.repeats is None and not self.workers:
            raise ValueError("a reservoir without repeats needs processes that work ahead: workers from 1 on")


def streamed(
    spec: Spec,
    opener: Opener,
    start: int,
    samples: int | None,
    rank: int,
    world_size: int,
    buffer: Mapping[str, Any] | None,
) -> Stream:
    """A stream, which is an iterable data set of PyTorch where the program has loaded it. Raises ValueError."""
    kept = Buffer.of(buffer)
    if isinstance(opener, Local):
        opener.require(kept)
    if "torch" in sys.modules:
        from pdemill.streaming.for_torch import TorchStream

        return TorchStream(spec, opener, start, samples, rank, world_size, kept)
    return Stream(spec, opener, start, samples, rank, world_size, kept)
