"""A data set under way as the coordinator sees it, without side effects: what may be done now, and what was lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pdemill.leases import FINISH, PREPARE, Unit
from pdemill.service.shards import Shards

GRACE_SECONDS = 10.0
"""How long a unit must be seen without lease before it is handed out again; leases are renewed more often than that."""
BACKOFF_SECONDS = (1.0, 15.0)
MOST_BLOCKED = 16
"""Units of a data set that wait for another try; while there are so many, none is tried for the first time."""
LEAST_SECONDS = 0.01
"""What any unit costs."""


@dataclass
class Issue:
    """A unit that was handed out: for whom it is, what it was estimated to cost, whether it went out of turn, whether
    it is leased now, whether it ever was, and since when it has been seen to be neither leased nor waiting in the
    queue."""

    owner: str = ""
    seconds: float = 0.0
    quick: bool = False
    leased: bool = False
    begun: bool = False
    missing: float | None = None


@dataclass
class Track:
    """A data set under way, of an estimated ``seconds`` of CPU time. ``shards`` is None until its store is prepared."""

    dataset: str
    owners: tuple[str, ...] = ("anyone",)
    seconds: float = 1.0
    shards: Shards | None = None
    issued: dict[str, Issue] = field(default_factory=dict)
    blocked: dict[str, tuple[int, float]] = field(default_factory=dict)

    @property
    def one_turn(self) -> bool:
        """Whether it has one shard only, as far as is known."""
        return self.shards is None or len(self.shards) <= 1

    @property
    def unit_seconds(self) -> float:
        """What its next unit is estimated to cost."""
        if self.shards is None or not self.shards.left:
            return LEAST_SECONDS
        return max(LEAST_SECONDS, self.seconds / len(self.shards))

    @property
    def seconds_left(self) -> float:
        return self.seconds if self.shards is None else self.unit_seconds * self.shards.left

    def ready(self, now: float) -> Iterator[str]:
        """The units to hand out: wanted, not handed out, and not to be left alone for a while."""
        for name in self._wanted():
            if name not in self.issued and self.blocked.get(name, (0, 0.0))[1] <= now:
                yield name

    def _wanted(self) -> Iterator[str]:
        if self.shards is None:
            yield PREPARE
        elif not self.shards.left:
            yield FINISH
        elif len(self.blocked) < MOST_BLOCKED:
            for number in self.shards.waiting():
                yield self.shards[number].name
        else:
            yield from list(self.blocked)

    def prepared(self, shards: Shards | None) -> None:
        """Note what shards the store has, and which of them are finished; None: it is to be prepared first. Those that
        are handed out stay so."""
        self.shards = shards
        self.issued.pop(PREPARE, None)
        if shards is not None:
            self.blocked.pop(PREPARE, None)
        for name in list(self.issued):
            number = self._number(name)
            if shards is not None and number is not None and not shards.is_finished(number):
                shards.take(number)
            elif name != FINISH:
                del self.issued[name]

    def issue(self, name: str, issue: Issue) -> None:
        """Note that a unit was handed out."""
        self.issued[name] = issue
        number = self._number(name)
        if self.shards is not None and number is not None:
            self.shards.take(number)

    def done(self, name: str) -> bool:
        """Note that a unit has ended well. Whether that is a shard that was not known to be finished."""
        self.issued.pop(name, None)
        if name != PREPARE:  # whether a store can be read now is still to be seen
            self.blocked.pop(name, None)
        number = self._number(name)
        return self.shards is not None and number is not None and self.shards.finish(number)

    def failed(self, name: str, now: float) -> None:
        """Note that a unit did not end well and is to be tried again, after twice the last pause."""
        self.take_back(name)
        times = self.blocked.get(name, (0, 0.0))[0]
        first, longest = BACKOFF_SECONDS
        self.blocked[name] = (times + 1, now + min(first * 2**times, longest))

    def take_back(self, name: str) -> None:
        """Note that nobody works on a unit any more."""
        self.issued.pop(name, None)
        number = self._number(name)
        if self.shards is not None and number is not None and not self.shards.is_finished(number):
            self.shards.give_back(number)

    def lost(self, leased: set[Unit], waiting: set[Unit], now: float) -> list[str]:
        """The units that have been neither leased nor waiting in the queue for a while, as often as this was asked;
        whoever asks late, after a pause of its own, has seen nothing of that while."""
        found = []
        for name, issue in self.issued.items():
            unit = Unit(self.dataset, name)
            issue.leased = unit in leased
            issue.begun |= issue.leased
            if issue.leased or unit in waiting:
                issue.missing = None
            elif issue.missing is None:
                issue.missing = now
            elif now - issue.missing > GRACE_SECONDS:
                found.append(name)
        return found

    def _number(self, name: str) -> int | None:
        return None if self.shards is None else self.shards.number(name)
