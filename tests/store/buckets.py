"""A bucket in memory whose requests are counted, and whose answers get lost, come late, or are of a while ago."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from pdemill.errors import StoreAway
from pdemill.objects import Changed
from pdemill.objects.bucket import Bucket, Found, Tag
from pdemill.store.object_disk import ObjectDisk
from pdemill.testing import Crash


class FailingBucket(Bucket):
    """The objects of ``store``, which others may use too. Before request number ``at`` something happens, or to it:

    "before", "after": the machine stops; "meanwhile": others do something; "lost": it is done, and no answer comes;
    "late": no answer comes, and it is done when ``arrive`` is called; "underway": the same, and the machine stops.
    """

    def __init__(self, store: Any, at: int = 0, how: str = "never", meanwhile: Callable[[], object] = int) -> None:
        super().__init__("s3://mill/x.zarr", store)
        self.at, self.how, self.meanwhile = at, how, meanwhile
        self.requests, self.stopped, self.listed = 0, False, list[tuple[str, Found]]()
        self.puts: list[int] = []
        self._late: list[Callable[[], object]] = []

    def get(self, *arguments: Any, **named: Any) -> tuple[bytes, Found, int]:
        return self._request(lambda: super(FailingBucket, self).get(*arguments, **named))

    def head(self, name: str) -> Found:
        return self._request(lambda: super(FailingBucket, self).head(name))

    def put(self, name: str, data: bytes, expected: Tag | None, kept: bool = True) -> Tag:
        self.puts.append(self.requests + 1)
        return self._request(lambda: super(FailingBucket, self).put(name, data, expected, kept))

    def names(self) -> list[tuple[str, Found]]:
        """What was there when ``grow_stale`` was called, if it was."""
        return self.listed or super().names()

    def grow_stale(self) -> None:
        self.listed = super().names()

    def arrive(self) -> None:
        """What was late is done now."""
        for request in self._late:
            with suppress(FileExistsError, Changed):
                request()
        self._late.clear()

    def content(self) -> dict[str, bytes]:
        """All objects, marks of removed ones too."""
        return {name: Bucket.get(self, name)[0] for name, _ in Bucket.names(self)}

    def _request[T](self, request: Callable[[], T]) -> T:
        self.requests += 1
        chosen = self.requests == self.at and not self.stopped
        if self.stopped or (chosen and self.how == "before"):
            self.stopped = True
            raise Crash
        if chosen and self.how == "meanwhile":
            self.meanwhile()
        if chosen and self.how in ("late", "underway"):
            self._late.append(request)
            self.stopped = self.how == "underway"
            raise Crash if self.stopped else StoreAway("no answer")
        try:
            found = request()
        finally:
            if chosen and self.how == "after":
                self.stopped = True
                raise Crash
        if chosen and self.how == "lost":
            raise StoreAway("no answer")
        return found


class StepDisk(ObjectDisk):
    """Does one thing after the other, so that requests have numbers."""

    def each[T, R](self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        return map(work, items)
