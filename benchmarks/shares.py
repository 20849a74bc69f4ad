"""Whether owners wait for more than what is theirs: who is handed units, as seen at the broker.

Between two units of an owner who has more to do all the while, another one may be handed as many units as what the
first used is worth, and one more: CPU seconds by the estimates, and by reports where these say more. What a fault costs
is charged to whose unit it met, and so delays nobody else.
"""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any, NamedTuple

from redis import Redis, RedisError

from pdemill.leases import FINISH, PREPARE, QUEUE, Report, Unit, unit_of
from pdemill.service.schedule import LEAST_SECONDS

TASK = re.compile(r'[{ ,]"id": "([^"/]+/[^"/]+/[0-9a-f]{32})"')
REPORT = re.compile(r"\{.*\}")
RETRY_SECONDS = 0.02


class Cut:
    """From here on what was handed out before is forgotten: the coordinator began anew, or something was not seen."""


type Happening = Unit | Report | Cut


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
    for one in happened:
        for each in waits:
            if isinstance(one, Cut):
                each.cut()
            elif one.dataset in works:
                each.note(one, works[one.dataset])
    for each in waits:
        each.cut()
    return Verdict(
        sum(each.number for each in waits),
        max((each.most for each in waits), default=0),
        tuple(text for each in waits for text in each.beyond),
    )


@dataclass
class _Wait:
    """Since a unit of the owner: what it was charged beyond estimates, units of others, and what these got back."""

    charged: float = 0.0
    units: Counter[str] = field(default_factory=Counter)
    refunds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    seconds: dict[str, float] = field(default_factory=dict)


class _Waits:
    """What one owner waits for, from when its store is prepared. Only what ends with a unit that was not handed out
    before was a wait: the others were under way until they were lost, be it by a coordinator before this one."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._known: set[Unit] = set()
        self._blocked: set[str] = set()
        self._before, self._now = _Wait(), _Wait()
        self._open = False
        self._mine: Work | None = None
        """Its data set, if all that was handed out of it was seen."""
        self.number, self.most = 0, 0
        self.beyond: list[str] = []

    def cut(self) -> None:
        """What it waited for until now counts, if it had more to do."""
        if self._open and self._mine is not None and len(self._known) < self._mine.shards:
            self._compare(self._mine)
        self._open, self._mine = False, None  # what was handed out before may still be lost

    def note(self, one: Unit | Report, work: Work) -> None:
        mine = work.owner == self._owner
        if isinstance(one, Report):
            self._report(one, work, mine)
        elif one.name not in (PREPARE, FINISH):
            self._hand_out(one, work, mine)
        elif mine:
            self._now.charged += LEAST_SECONDS
            self._open &= one.name != PREPARE

    def _begin(self, work: Work) -> None:
        """It has something to do from now on; what it was charged before is still to be waited for."""
        self._now.units.clear()
        self._known.clear()
        self._blocked.clear()
        self._open, self._mine = True, work

    def _report(self, report: Report, work: Work, mine: bool) -> None:
        if mine and report.name == PREPARE and not report.failure:
            self._begin(work)
            return
        more = (sum(report.cpu_seconds.values()) or work.unit_seconds) - work.unit_seconds
        if mine:
            self._now.charged += max(0.0, more)
            (self._blocked.add if report.failure else self._blocked.discard)(report.name)
            self._open &= not self._blocked
        else:
            self._now.refunds[work.owner] += max(0.0, -more)

    def _hand_out(self, unit: Unit, work: Work, mine: bool) -> None:
        if not mine:
            self._now.units[work.owner] += 1
            self._now.seconds[work.owner] = work.unit_seconds
            return
        if self._open and unit not in self._known:
            self._compare(work)
        self._known.add(unit)
        self._before, self._now, self._open = self._now, _Wait(), not self._blocked

    def _compare(self, work: Work) -> None:
        """Look at a wait. Reports may be heard of later than they are seen: those since the last unit but one count."""
        self.number += 1
        charged = work.unit_seconds + self._before.charged + self._now.charged
        for other, units in self._now.units.items():
            self.most = max(self.most, units)
            refunds = self._before.refunds[other] + self._now.refunds[other]
            share = 1 + int((charged + refunds) / self._now.seconds[other] + 1e-6)
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
            with Redis.from_url(url) as redis, redis.monitor() as monitor:
                happened.append(Cut())
                begun.set()
                for said in monitor.listen():
                    happened += _heard(said["command"], prefix, tasks)
                    if stop.is_set():
                        return
        except (RedisError, OSError):
            time.sleep(RETRY_SECONDS)


def _heard(command: Any, prefix: str, tasks: set[str]) -> Iterator[Happening]:
    """What a command hands out, of tasks that were not seen before, or reports."""
    verb, _, rest = str(command).partition(" ")
    key, _, values = rest.partition(" ")
    if verb.upper() in ("LPUSH", "RPUSH") and key == f"{prefix}{QUEUE}":
        for task in TASK.findall(values):
            if task not in tasks:
                tasks.add(task)
                yield unit_of(task)
    elif verb.upper() == "RPUSH" and key == f"{prefix}reports":
        yield from (Report.of(text) for text in REPORT.findall(values))
