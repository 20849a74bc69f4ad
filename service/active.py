"""One data set under way: its track, what is counted of its finished shards, and how that is shown."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from pdemill.addresses import Place
from pdemill.leases import Report
from pdemill.service.schedule import Track
from pdemill.service.shards import Shards
from pdemill.service.stores import counted, identity, manifest_names
from pdemill.store.places import disk_at
from pdemill.store.root import read_attributes, shard_samples_of, splits_of

RATE_SECONDS = 60.0
RATE_POINTS = 30


@dataclass(frozen=True)
class Live:
    """How a data set under way is doing."""

    done: int = 0
    failed: int = 0
    shards_done: int = 0
    shards_total: int | None = None
    running: tuple[str, ...] = ()
    iterations: int = 0
    samples_per_second: float | None = None
    message: str = ""

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> Live:
        found = json.loads(text)
        return cls(**{**found, "running": tuple(found["running"])})


@dataclass
class ActiveDataset:
    """A track with the counts of its finished shards. Its store is read when it is taken up, and after faults; what is
    finished later is known from reports of workers."""

    track: Track
    samples: int
    begun: bool = False
    done: int = 0
    failed: int = 0
    iterations: int = 0
    bytes: int = 0
    message: str = ""
    complete: bool = False
    progress: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    _unread: deque[int] = field(default_factory=deque)
    _root: Hashable = None
    _history: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def id(self) -> str:
        return self.track.dataset

    def open(self, root: Place) -> None:
        """Look which shards have manifests; what is in these is read later, bit by bit. Raises StoreError, OSError."""
        self.done = self.failed = self.iterations = self.bytes = 0
        self.complete = False
        self._unread.clear()
        self._root = identity(root)
        if self._root is None:
            self.track.prepared(None)
            return
        attributes = read_attributes(root)
        shards = Shards(splits_of(attributes), shard_samples_of(attributes))
        for name in manifest_names(root):
            number = shards.number(name)
            if number is not None and shards.finish(number):
                self.done += len(shards[number])
                self._unread.append(number)
        self.complete = bool(attributes["complete"])
        self.track.prepared(shards)
        self.message = ""

    def is_another(self, root: Place) -> bool:
        """Whether the store is not the one that was opened: it was deleted, made again, or finished."""
        return identity(root) != self._root

    def read_some(self, root: Place) -> Iterator[None]:
        """Read the manifests of shards that were finished before, one at each step."""
        disk, shards = disk_at(root), self.track.shards
        if shards is None or not self._unread:
            return
        unread = [shards[number] for number in self._unread]
        for manifest in disk.each(partial(counted, disk), unread):
            number = self._unread.popleft()
            if manifest is None:  # it is damaged
                shards.give_back(number)
                self.done -= len(shards[number])
            else:
                self.failed += len(manifest.failures)
                self.iterations += int(manifest.summary.get("iterations", 0))
                self.bytes += manifest.length
            yield

    @property
    def all_read(self) -> bool:
        return not self._unread

    def take_manifest(self, root: Place, name: str) -> bool:
        """Whether a unit that nobody has is a finished shard; if so it is counted."""
        shards = self.track.shards
        number = None if shards is None else shards.number(name)
        if shards is None or number is None:
            return False
        manifest = counted(disk_at(root), shards[number])
        if manifest is None:
            return False
        self.take_report(
            Report(
                self.id,
                name,
                samples=len(shards[number]),
                failed=len(manifest.failures),
                iterations=int(manifest.summary.get("iterations", 0)),
                bytes=manifest.length,
            )
        )
        return True

    def take_report(self, report: Report) -> bool:
        """Count a unit that ended well. Whether that is a shard that was not known to be finished."""
        if not self.track.done(report.name):
            return False
        self.message = ""
        self.done += report.samples
        self.failed += report.failed
        self.iterations += report.iterations
        self.bytes += report.bytes
        return True

    def live(self, now: float) -> Live:
        """How it is doing."""
        counts = [count for name, count in self.progress.items() if name in self.track.issued]
        done = self.done + sum(count["done"] for count in counts)
        shards = self.track.shards
        return Live(
            done=done,
            failed=self.failed + sum(count["failed"] for count in counts),
            shards_done=0 if shards is None else shards.finished,
            shards_total=None if shards is None else len(shards),
            running=tuple(sorted(name for name, issue in self.track.issued.items() if issue.leased)),
            iterations=self.iterations + sum(count["iterations"] for count in counts),
            samples_per_second=self._rate(now, done),
            message=self.message,
        )

    def _rate(self, now: float, done: int) -> float | None:
        """Samples per second over the last minute."""
        if not self._history or now - self._history[-1][0] >= RATE_SECONDS / RATE_POINTS:
            self._history.append((now, done))
        while len(self._history) > 2 and now - self._history[0][0] > RATE_SECONDS:
            self._history.popleft()
        then, before = self._history[0]
        return (done - before) / (now - then) if done > before and now > then else None


def is_finished(root: Place) -> tuple[bool, int]:
    """Whether a store's root says that it is finished, and how many of its samples have no solution."""
    attributes: Mapping[str, Any] = read_attributes(root)
    return bool(attributes["complete"]), int(attributes.get("failed_samples", 0))
