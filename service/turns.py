"""Whose turn it is: which units to hand out now. Decisions without side effects, over what was handed out so far.

Owners share the workers equally, by CPU seconds: the next unit is for the owner who was served least (start-time fair
queueing, Goyal et al. 1996), and of that owner for the data set with the least left to do. A data set that takes no
more than a turn goes first, whoever waits, while its owner has not had more of that than ``CREDIT_SECONDS`` ahead of
the others.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pdemill.leases import Unit
from pdemill.service.schedule import Issue, Track

SPARE = 2
"""Units in the queue beyond those that the workers can have at once, so that none waits for the coordinator."""
SLOTS_PER_SPARE = 20
"""Of many workers one in so many finds the next unit in the queue before the coordinator has looked again."""
QUICK_SECONDS = 10.0
"""A data set of one shard that takes no longer is never made to wait for a turn; nor is one that takes no longer than a
shard of the others."""
CREDIT_SECONDS = 60.0


class Turn(NamedTuple):
    """A unit to hand out. One that is ``quick`` goes to the head of the queue."""

    unit: Unit
    issue: Issue

    @property
    def quick(self) -> bool:
        return self.issue.quick


def room(slots: int) -> int:
    """How many units may be handed out at a time: those that workers have, and a few that wait for them."""
    spare = max(SPARE, slots // SLOTS_PER_SPARE)
    return slots + spare + min(slots, spare)


@dataclass
class _Line:
    """The data sets of one owner that have something to hand out, the quick ones apart."""

    owner: str
    left: float
    tracks: list[Track] = field(default_factory=list)
    quick: list[Track] = field(default_factory=list)

    def units(self, tracks: list[Track], now: float) -> Iterator[tuple[Track, str]]:
        for track in sorted(tracks, key=lambda track: track.seconds_left):
            for name in track.ready(now):
                yield track, name


class Turns:
    """What every owner was served, in estimated CPU seconds. ``limit``: most units of an owner at a time, if any."""

    def __init__(self, limit: Callable[[str], int | None] = lambda owner: None) -> None:
        self._limit = limit
        self._virtual = 0.0
        self._served: dict[str, float] = {}
        self._ahead: dict[str, float] = {}

    def choose(self, tracks: Sequence[Track], slots: int, now: float) -> list[Turn]:
        """The units to hand out now: quick ones as long as there are not more of them under way than workers, others as
        many as keep ``slots`` busy."""
        issues = [issue for track in tracks for issue in track.issued.values()]
        quick = sum(issue.quick for issue in issues)
        rooms = max(slots, 1) - quick, room(slots) - (len(issues) - quick)
        if max(rooms) <= 0:
            return []
        held = Counter(issue.owner for issue in issues)
        lines = self._lines(tracks, held, now)
        chosen: set[Unit] = set()
        turns = self._out_of_turn(lines, rooms[0], chosen, now)
        return turns + self._in_turn(lines, rooms[1], chosen, now)

    def _lines(self, tracks: Sequence[Track], held: Counter[str], now: float) -> list[_Line]:
        """The owners with something to hand out."""
        open_tracks = [track for track in tracks if next(track.ready(now), None) is not None]
        turn = max([QUICK_SECONDS, *(track.unit_seconds for track in open_tracks if not track.one_turn)])
        lines: dict[str, _Line] = {}
        for track in open_tracks:
            for owner in track.owners:
                if owner not in lines:
                    limit = self._limit(owner)
                    lines[owner] = _Line(owner, float("inf") if limit is None else limit - held[owner])
                line = lines[owner]
                (line.quick if track.one_turn and track.seconds <= turn else line.tracks).append(track)
        self._catch_up(lines)
        return list(lines.values())

    def _catch_up(self, waiting: dict[str, _Line]) -> None:
        """Nobody saves turns up while there is nothing to do for them, nor has to pay for ever for those had before."""
        for owner in waiting:
            self._served[owner] = max(self._served.get(owner, 0.0), self._virtual)
        for owner, served in list(self._served.items()):
            if served <= self._virtual:
                self._ahead.pop(owner, None)
                if owner not in waiting:
                    del self._served[owner]

    def _out_of_turn(self, lines: list[_Line], most: int, chosen: set[Unit], now: float) -> list[Turn]:
        """Units of quick data sets, those first whose owners had the least of that."""
        found: list[Turn] = []
        heap = [(self._ahead.get(line.owner, 0.0), number) for number, line in enumerate(lines) if line.quick]
        units = {number: lines[number].units(lines[number].quick, now) for _, number in heap}
        heapq.heapify(heap)
        while heap and len(found) < most:
            ahead, number = heapq.heappop(heap)
            line = lines[number]
            if ahead > CREDIT_SECONDS:
                break
            if line.left < 1 or (pair := _next(units[number], chosen)) is None:
                continue
            found.append(self._turn(*pair, line, quick=True))
            chosen.add(found[-1].unit)
            self._ahead[line.owner] = ahead + pair[0].unit_seconds
            heapq.heappush(heap, (self._ahead[line.owner], number))
        return found

    def _in_turn(self, lines: list[_Line], most: int, chosen: set[Unit], now: float) -> list[Turn]:
        """Units for one owner after the other, the one served least first."""
        found: list[Turn] = []
        heap = [(self._served[line.owner], number) for number, line in enumerate(lines)]
        units = [line.units(line.quick + line.tracks, now) for line in lines]
        heapq.heapify(heap)
        while heap and len(found) < most:
            served, number = heapq.heappop(heap)
            line = lines[number]
            if line.left < 1 or (pair := _next(units[number], chosen)) is None:
                continue
            self._virtual = max(self._virtual, served)
            found.append(self._turn(*pair, line, quick=False))
            chosen.add(found[-1].unit)
            heapq.heappush(heap, (self._served[line.owner], number))
        return found

    def _turn(self, track: Track, name: str, line: _Line, quick: bool) -> Turn:
        seconds = track.unit_seconds
        self._served[line.owner] += seconds
        line.left -= 1
        return Turn(Unit(track.dataset, name), Issue(line.owner, seconds, quick))

    def settle(self, issue: Issue, seconds: float) -> None:
        """A unit has taken so many CPU seconds: its owner is charged for these, not for what was estimated."""
        if issue.owner in self._served:
            self._served[issue.owner] += seconds - issue.seconds


def _next(units: Iterator[tuple[Track, str]], chosen: set[Unit]) -> tuple[Track, str] | None:
    """The next unit that is not chosen yet."""
    return next(((track, name) for track, name in units if Unit(track.dataset, name) not in chosen), None)
