"""What is known of a stream on the way: counts, the time that its taker waited, and moments of its channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from pdemill.store.moments import Moments

CHANNELLED = ("x", "y")
"""The arrays that have a channel axis, [C, *space], and statistics per channel."""


@dataclass
class Statistics:
    """Of one consumer of a stream.

    ``produced``: fresh certified samples that came from the source, ``failed``: samples without a certificate, left
    out; ``given``: samples that the loop got, repeated ones counted anew. ``start_seconds``: the wait for the first
    block, in which processes start, also where a stream that was closed goes on; ``waited_seconds``: all other waits;
    ``seconds``: from the first block to the last sample taken.
    """

    produced: int = 0
    failed: int = 0
    given: int = 0
    start_seconds: float = 0.0
    waited_seconds: float = 0.0
    seconds: float = 0.0
    moments: dict[str, list[Moments]] = field(default_factory=dict)

    @property
    def waiting_share(self) -> float:
        """The share of its time for which the loop waited for samples, after the first block."""
        return self.waited_seconds / self.seconds if self.seconds else 0.0

    def waited(self, seconds: float, first: bool) -> None:
        """A block was waited for; the ``first`` one since processes were started, or another."""
        if first:
            self.start_seconds += seconds
        else:
            self.waited_seconds += seconds

    def add(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """A fresh sample came."""
        self.produced += 1
        for name in CHANNELLED:
            rows = [Moments.of([row]) for row in arrays[name]]
            had = self.moments.get(name)
            self.moments[name] = rows if had is None else [a + b for a, b in zip(had, rows, strict=True)]

    def to_json(self) -> dict[str, Any]:
        """What goes on with the stream: counts and moments, no times."""
        told = {name: [one.to_json() for one in channels] for name, channels in self.moments.items()}
        return {"produced": self.produced, "failed": self.failed, "given": self.given, "moments": told}

    @classmethod
    def of_json(cls, told: Mapping[str, Any]) -> Statistics:
        """The same from what ``to_json`` gave."""
        moments = {name: [Moments(**one) for one in channels] for name, channels in told["moments"].items()}
        return cls(int(told["produced"]), int(told["failed"]), int(told["given"]), moments=moments)
