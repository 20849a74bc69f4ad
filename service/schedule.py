"""Decisions of the coordinator, without side effects: which units to hand out now, and which were lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from pdemill.leases import FINISH, PREPARE, Unit, UnitFailure
from pdemill.store.layout import Shard

GRACE_SECONDS = 7.0
"""How long a unit must be without lease before it is handed out again; leases are renewed more often than that."""
BACKOFF_SECONDS = (1.0, 15.0)
SPARE = 2
"""Units in the queue beyond those that the workers can have at once, so that none waits for the coordinator."""


@dataclass
class Issue:
    """A unit that was handed out: when, and when it was last known to be alive (leased, or waiting in the queue)."""

    alive: float
    leased: bool = False


@dataclass
class Track:
    """A data set under way. ``shards`` is None until its store is prepared."""

    dataset: str
    shards: Mapping[str, Shard] | None = None
    served: float = float("-inf")
    finished: set[str] = field(default_factory=set)
    issued: dict[str, Issue] = field(default_factory=dict)
    blocked: dict[str, tuple[int, float]] = field(default_factory=dict)

    def wanted(self) -> Iterator[str]:
        """Names of the units that may be done now, in order."""
        if self.shards is None:
            yield PREPARE
        elif len(self.finished) < len(self.shards):
            yield from (name for name in self.shards if name not in self.finished)
        else:
            yield FINISH

    def ready(self, now: float) -> Iterator[Unit]:
        """The units to hand out: wanted, not handed out, and not to be left alone for a while."""
        for name in self.wanted():
            if name not in self.issued and self.blocked.get(name, (0, 0.0))[1] <= now:
                yield Unit(self.dataset, name)

    def prepared(self, shards: Iterable[Shard]) -> None:
        """Note that the store is there, and what its shards are."""
        self.shards = {shard.name: shard for shard in shards}
        self.issued.pop(PREPARE, None)

    def issue(self, name: str, now: float) -> None:
        """Note that a unit was handed out."""
        self.issued[name] = Issue(now)
        self.served = now

    def done(self, names: Iterable[str]) -> None:
        """Note that units have ended well."""
        for name in names:
            self.finished.add(name)
            self.issued.pop(name, None)
            self.blocked.pop(name, None)

    def failed(self, name: str, failure: UnitFailure, now: float) -> None:
        """Note that a unit did not end well and is to be tried again, after twice the last pause."""
        self.issued.pop(name, None)
        times = self.blocked.get(name, (0, 0.0))[0]
        first, longest = BACKOFF_SECONDS
        self.blocked[name] = (times + 1, now + min(first * 2**times, longest))

    def lost(self, leased: set[Unit], waiting: set[Unit], now: float) -> list[str]:
        """Forget the units that have been neither leased nor waiting in the queue for a while, and name them."""
        for name, issue in self.issued.items():
            unit = Unit(self.dataset, name)
            issue.leased |= unit in leased
            if unit in leased or unit in waiting:
                issue.alive = now
        gone = [name for name, issue in self.issued.items() if now - issue.alive > GRACE_SECONDS]
        for name in gone:
            del self.issued[name]
        return gone


def next_units(tracks: Sequence[Track], slots: int, now: float) -> list[Unit]:
    """The units to hand out, as many as keep ``slots`` busy: one data set after the other, beginning with the one
    whose turn was longest ago."""
    room = slots + SPARE + min(slots, SPARE) - sum(len(track.issued) for track in tracks)
    turns = zip_longest(*(track.ready(now) for track in sorted(tracks, key=lambda track: track.served)))
    found: list[Unit] = []
    for turn in turns:
        for unit in turn:
            if unit is not None:
                if len(found) >= room:
                    return found
                found.append(unit)
    return found
