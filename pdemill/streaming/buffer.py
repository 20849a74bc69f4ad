"""Buffers between a stream and a training loop: in order, or a reservoir that repeats samples.

The policies are Melissa's (Meyer et al. 2023, arXiv 2306.16133, section 3). In a reservoir a sample that was seen stays
until a new one takes its place; one that was not seen is never lost. All choices are words of Philox4x64 with the
counter (draw or arrival), so that what a draw gives depends on seed, draws and arrivals alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pdemill.arguments import whole

type Arrays = Mapping[str, NDArray[Any]]

POLICIES = {"fifo": {"size"}, "reservoir": {"size", "watermark", "repeats", "seed"}}


@dataclass(frozen=True)
class Buffer:
    """``policy``: "fifo", every sample once, in order, up to ``size`` solved ahead; or "reservoir", ``size`` samples
    from which every draw takes one at random.

    A reservoir gives its first sample once it has ``watermark`` of them. ``repeats``: a new sample comes in for every
    so many draws, which is how often one is seen on average; None: whenever one is ready, as in Melissa, which never
    waits, and whose draws depend on the speed of both sides.
    """

    policy: str = "fifo"
    size: int = 0
    watermark: int = 1
    repeats: float | None = None
    seed: int = 0

    @classmethod
    def of(cls, told: Buffer | Mapping[str, Any] | None) -> Buffer:
        """From ``{"policy": "reservoir", "size": 1000, "repeats": 4}``. Raises ValueError."""
        if isinstance(told, Buffer):
            return told
        if told is None:
            return cls()
        if not isinstance(told, Mapping) or told.get("policy") not in POLICIES:
            raise ValueError(f"buffer should be a policy and its size, with policy fifo or reservoir, not {told!r}")
        policy = str(told["policy"])
        if strange := sorted(set(told) - POLICIES[policy] - {"policy"}):
            raise ValueError(f"buffer of the policy {policy} has no {strange[0]!r}")
        size = whole("buffer size", told.get("size"), 1)
        if policy == "fifo":
            return cls(policy, size)
        watermark = whole("buffer watermark", told.get("watermark", max(size // 4, 1)), 1)
        if watermark > size:
            raise ValueError(f"buffer watermark should be at most its size, {size}, not {watermark}")
        repeats = told.get("repeats")
        if repeats is not None and (
            isinstance(repeats, bool) or not isinstance(repeats, int | float) or not repeats >= 1
        ):
            raise ValueError(f"buffer repeats should be a number from 1 on, or None, not {repeats!r}")
        seed = whole("buffer seed", told.get("seed", 0))
        return cls(policy, size, watermark, None if repeats is None else float(repeats), seed)


class Fresh(Protocol):
    """Fresh samples."""

    def take(self) -> tuple[int, Arrays]:
        """The number of the next sample, and it; waits for it."""
        ...

    def ready(self) -> bool:
        """Whether it is there."""
        ...


@dataclass
class _Kept:
    number: int
    arrays: Arrays
    seen: int = 0


@dataclass
class Reservoir:
    """The reservoir of one consumer of a stream; ``name`` tells apart the choices of several."""

    buffer: Buffer
    name: str = ""
    draws: int = 0
    arrivals: int = 0
    kept: list[_Kept] = field(default_factory=list)

    def draw(self, fresh: Fresh) -> tuple[int, Arrays]:
        """The next sample, and its number; takes in new ones first."""
        while len(self.kept) < self.buffer.watermark:
            self._take_in(*fresh.take())
        while self._has_room() and self._wants(fresh):
            self._take_in(*fresh.take())
        chosen = self.kept[self._word("draw", self.draws) % len(self.kept)]
        chosen.seen += 1
        self.draws += 1
        return chosen.number, chosen.arrays

    def _wants(self, fresh: Fresh) -> bool:
        if self.buffer.repeats is None:
            return fresh.ready()
        return self.arrivals < self.buffer.watermark + int(self.draws / self.buffer.repeats)

    def _has_room(self) -> bool:
        return len(self.kept) < self.buffer.size or any(one.seen for one in self.kept)

    def _take_in(self, number: int, arrays: Arrays) -> None:
        new = _Kept(number, arrays)
        if len(self.kept) < self.buffer.size:
            self.kept.append(new)
        else:
            seen = [place for place, one in enumerate(self.kept) if one.seen]
            self.kept[seen[self._word("arrival", self.arrivals) % len(seen)]] = new
        self.arrivals += 1

    def _word(self, purpose: str, count: int) -> int:
        key = int.from_bytes(sha256(f"{purpose} {self.name}".encode()).digest()[:8], "little")
        philox = np.random.Philox(key=np.array([self.buffer.seed, key], np.uint64), counter=[0, 0, count, 0])
        return int(philox.random_raw())

    def to_json(self) -> dict[str, Any]:
        """What goes on with it: which samples it holds, in their places, not the samples."""
        held = [[one.number, one.seen] for one in self.kept]
        return {"name": self.name, "draws": self.draws, "arrivals": self.arrivals, "kept": held}

    def restore(self, told: Mapping[str, Any], samples: Mapping[int, Arrays]) -> None:
        """Be as ``to_json`` told, with the ``samples`` by their numbers."""
        self.draws, self.arrivals = int(told["draws"]), int(told["arrivals"])
        self.kept = [_Kept(number, samples[number], seen) for number, seen in told["kept"]]
