"""Whether owners wait for more than what is theirs: who is handed units, as seen at the broker.

Between two units of an owner who has more to do all the while, another one may be handed as many units as what the
first used is worth, and one more: CPU seconds by the estimates, and by reports where these say more. What a fault costs
is charged to whose unit it met, and so delays nobody else.

The coordinator learns of a report after it is seen here, and charges it then. It asks for reports again when it has
noted those that it was given, and takes what it noted into account from its next tick on. So what has been asked for
twice since it was seen, with a tick after it, is charged; what may not be charged yet counts for the wait to come.
"""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any, NamedTuple

from redis import Redis, RedisError

from pdemill.leases import FINISH, PREPARE, QUEUE, Report, Unit, unit_of
from pdemill.service.schedule import LEAST_SECONDS

TASK = re.compile(r'[{ ,]"id": "([^"/]+/[^"/]+/[0-9a-f]{32})"')
REPORT = re.compile(r"\{.*\}")
RETRY_SECONDS = 0.02


class Turn(NamedTuple):
    """Units that a tick of the coordinator handed out, in its order."""

    units: tuple[Unit, ...]


class Asked(NamedTuple):
    """The coordinator asks for reports."""


@dataclass(frozen=True)
class Cut:
    """From here on it is not known what was handed out before and is under way: the coordinator began anew, or the
    broker. What was seen ``meanwhile`` is nobody's wait."""

    meanwhile: tuple[Happening, ...] = ()


type Happening = Turn | Report | Asked | Cut


class Work(NamedTuple):
    """Whose a data set is, how many shards it has, and what one of them is estimated to cost."""

    owner: str
    shards: int
    unit_seconds: float


class Verdict(NamedTuple):
    """Over so many ``waits`` between two units of an owner: the ``most`` units that another one was handed, and which
    were ``beyond`` its share."""

    waits: int
    most: int
    beyond: tuple[str, ...]


def work_of(owner: str, seconds: float, shards: int) -> Work:
    """A data set of an estimated ``seconds`` of CPU time."""
    return Work(owner, shards, max(LEAST_SECONDS, seconds / shards))


def judge(happened: Iterable[Happening], works: Mapping[str, Work]) -> Verdict:
    """Look at the waits of every owner. An owner has one data set at a time."""
    waits = [_Waits(owner) for owner in dict.fromkeys(work.owner for work in works.values())]
    asked = last = 0
    for one, judged in _flat(happened):
        if isinstance(one, Asked):
            asked += 1
        elif isinstance(one, Cut):
            for each in waits:
                each.cut()
        elif isinstance(one, Report):
            for each in waits:
                each.report(one, works, asked, judged)
        else:
            for unit in one.units:
                for each in waits:
                    each.hand_out(unit, works, last - 2, judged)
            last = asked
    for each in waits:
        each.cut()
    return Verdict(
        sum(each.number for each in waits),
        max((each.most for each in waits), default=0),
        tuple(text for each in waits for text in each.beyond),
    )


def _flat(happened: Iterable[Happening], judged: bool = True) -> Iterator[tuple[Happening, bool]]:
    """What happened, and whether it may be somebody's wait."""
    for one in happened:
        yield one, judged
        if isinstance(one, Cut):
            yield from _flat(one.meanwhile, judged=False)


class _Correction(NamedTuple):
    """Seconds that a unit of the owner took beyond its estimate, or one of another took less, and how often the
    coordinator had asked for reports when that was seen."""

    owner: str
    seconds: float
    asked: int


class _Waits:
    """What one owner waits for, from when the coordinator knows that its store is prepared. Only what ends with a unit
    that was not handed out before was a wait: the others were under way until they were lost, be it by a coordinator
    before this one."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._known: set[Unit] = set()
        self._blocked: set[str] = set()
        """Of its data set: what was handed out, and what failed and is to be tried again."""
        self._new = True
        """Whether the next store that is prepared is another one."""
        self._charged, self._corrections = 0.0, list[_Correction]()
        self._units, self._seconds = Counter[str](), dict[str, float]()
        """Since its last unit: what it was charged for other things than shards, what reports may have corrected, and
        the units of others."""
        self._open, self._prepared = False, 0
        self._mine: Work | None = None
        """Its data set, if it is known what of it is under way."""
        self.number, self.most = 0, 0
        self.beyond: list[str] = []

    def cut(self) -> None:
        """What it waited for until now counts, if it had more to do."""
        if self._open and self._mine is not None and len(self._known) < self._mine.shards:
            self._compare(self._mine)
        self._open, self._mine = False, None  # what was handed out before may still be lost

    def report(self, report: Report, works: Mapping[str, Work], asked: int, judged: bool) -> None:
        """How a unit ended, as seen when the coordinator had asked for reports so often."""
        if report.dataset not in works:
            return
        work = works[report.dataset]
        mine = work.owner == self._owner
        more = (sum(report.cpu_seconds.values()) or work.unit_seconds) - work.unit_seconds
        if more > 0 if mine else more < 0:
            self._corrections.append(_Correction(work.owner, abs(more), asked))
        if mine:
            (self._blocked.add if report.failure else self._blocked.discard)(report.name)
            if report.name == PREPARE and not report.failure:
                self._begin(work, asked)
            self._open &= judged and not self._blocked

    def _begin(self, work: Work, asked: int) -> None:
        """It has something to do from now on; what it was charged before is still to be waited for."""
        if self._new:
            self._known.clear()
            self._blocked.clear()
            self._new, self._mine = False, work
        self._units.clear()
        self._open, self._prepared = True, asked

    def hand_out(self, unit: Unit, works: Mapping[str, Work], heard: int, judged: bool) -> None:
        """The coordinator has heard of what was seen when it had asked for reports at most ``heard`` times."""
        if unit.dataset not in works:
            return
        work = works[unit.dataset]
        mine = work.owner == self._owner
        if mine and unit.name in (PREPARE, FINISH):
            self._charged += LEAST_SECONDS
            self._open &= unit.name != PREPARE
            self._new |= unit.name == FINISH
        elif mine:
            self._next(unit, work, heard)
            self._open &= judged
        elif unit.name not in (PREPARE, FINISH) and self._prepared <= heard:
            self._units[work.owner] += 1
            self._seconds[work.owner] = work.unit_seconds

    def _next(self, unit: Unit, work: Work, heard: int) -> None:
        if self._open and unit not in self._known:
            self._compare(work)
        self._known.add(unit)
        self._charged = 0.0
        self._corrections = [one for one in self._corrections if one.asked > heard]
        self._units.clear()
        self._open = not self._blocked

    def _compare(self, work: Work) -> None:
        """Look at a wait."""
        self.number += 1
        corrected: defaultdict[str, float] = defaultdict(float)
        for owner, seconds, _ in self._corrections:
            corrected[owner] += seconds
        charged = work.unit_seconds + self._charged + corrected[self._owner]
        for other, units in self._units.items():
            self.most = max(self.most, units)
            share = 1 + int((charged + corrected[other]) / self._seconds[other] + 1e-6)
            if units > share:
                waited = f"while {self._owner} waited, and its share is {share}"
                self.beyond.append(f"{other} was handed {units} units {waited}")


@contextmanager
def watching(url: str, prefix: str) -> Iterator[list[Happening]]:
    """What is handed out and reported at a broker meanwhile, in its order; where it was away, a ``Cut``."""
    happened: list[Happening] = []
    begun, stop = Event(), Event()
    thread = Thread(target=_listen, args=(url, prefix, happened, begun, stop), daemon=True)
    thread.start()
    begun.wait()
    try:
        yield happened
    finally:
        stop.set()


def _listen(url: str, prefix: str, happened: list[Happening], begun: Event, stop: Event) -> None:
    tasks: set[str] = set()
    while not stop.is_set():
        try:
            with Redis.from_url(url, decode_responses=True) as redis, redis.monitor() as monitor:
                happened.append(Cut((Turn(tuple(_handed_out(redis, prefix, tasks))),)))
                begun.set()
                for one in _happenings((said["command"] for said in monitor.listen()), prefix, tasks):
                    if one is not None:
                        happened.append(one)
                    if stop.is_set():
                        return
        except (RedisError, OSError):
            time.sleep(RETRY_SECONDS)


def _handed_out(redis: Any, prefix: str, tasks: set[str]) -> Iterator[Unit]:
    """What was handed out before: it is in the queue, or was begun."""
    for key in redis.scan_iter(f"{prefix}attempts:*"):
        yield from (Unit(key.removeprefix(f"{prefix}attempts:"), name) for name in redis.hkeys(key))
    waiting = TASK.findall(str(redis.lrange(f"{prefix}{QUEUE}", 0, -1)))
    tasks.update(waiting)
    yield from map(unit_of, waiting)


def _happenings(commands: Iterable[Any], prefix: str, tasks: set[str]) -> Iterator[Happening | None]:
    """What every command hands out, of tasks that were not seen before, reports or asks for; one tick hands out by one
    transaction."""
    units: list[Unit] = []
    for command in commands:
        verb, _, rest = str(command).partition(" ")
        key, _, values = rest.partition(" ")
        if verb.upper() in ("LPUSH", "RPUSH") and key == f"{prefix}{QUEUE}":
            new = [task for task in TASK.findall(values) if task not in tasks]
            tasks.update(new)
            units += map(unit_of, new)
            continue
        if units:
            yield Turn(tuple(units))
            units = []
        if verb.upper() == "RPUSH" and key == f"{prefix}reports":
            yield from (Report.of(text) for text in REPORT.findall(values))
        yield Asked() if verb.upper() == "BLMPOP" and f"{prefix}reports" in values else None
