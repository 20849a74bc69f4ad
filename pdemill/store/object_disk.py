"""A folder that is the objects of a bucket below an address: the second kind of ``Disk``.

There is no rename and there are no locks. Files get their names by puts on a condition: one that is new must find none
there, one that takes another's place must find the one that was read. So a put that comes late, however late, changes
nothing that somebody else has written since.

An object whose name is taken is no answer by itself: the answer to a put may be lost, and whoever repeats it meets its
own. So what is there is read. Manifests hold a random token, and are equal for one writer only.

Nothing is deleted, or a put that is late could bring it back: what is removed is replaced by a mark, on the same
condition, whose content is never twice the same. To whoever reads here, such an object is not there.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from secrets import token_hex
from time import sleep

from pdemill.errors import StoreAway, StoreBusy
from pdemill.objects import Changed
from pdemill.objects.bucket import PAUSE, Bucket, Found, Tag
from pdemill.store.disk import Disk

TRIES = 6
"""How often a put is tried whose answer does not come."""
THREADS = 24
"""Requests at once."""
REMOVED = b"pdemill: removed "
"""How the content of an object begins that is not there any more; a random word follows."""
MARK_BYTES = len(REMOVED) + 32


class ObjectDisk(Disk):
    """The objects of a bucket.

    What is written under a temporary name stays in memory until it is given its own. ``link`` makes an object only
    where there is none. ``replace`` and ``remove`` change it only where it is the one that was last read or put here,
    and raise StoreBusy where it is not; of what was not read, it must be the one that was there when first asked for.
    """

    locks = False

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._seen: dict[str, Tag | None] = {}
        self._staged: dict[str, bytes] = {}

    def __str__(self) -> str:
        return self.bucket.address

    def read(self, name: str) -> bytes:
        there = self._look(name)
        if there is None or _is_mark(there):
            raise FileNotFoundError(errno.ENOENT, "there is no such object", name)
        return there

    def exists(self, name: str) -> bool:
        return self.size(name) >= 0

    def size(self, name: str) -> int:
        """Length of an object in bytes; -1 where there is none."""
        try:
            found = self.bucket.head(name)
        except FileNotFoundError:
            self._seen[name] = None
            return -1
        if found.size == MARK_BYTES:
            there = self._look(name)
            return -1 if there is None or _is_mark(there) else len(there)
        if self._seen.get(name) is None:
            self._seen[name] = found.tag
        return found.size

    def names(self) -> Iterator[str]:
        """All objects, in the order in which a folder is walked."""
        for name, found in sorted(self.bucket.names(), key=lambda entry: _walked(entry[0])):
            if found.size != MARK_BYTES or self.exists(name):
                yield name

    def top(self) -> set[str]:
        return self.bucket.top()

    def has_folder(self, name: str) -> bool:
        return True

    def make_folder(self, name: str) -> None:
        """Folders are there."""

    def write(self, name: str, data: bytes | Iterable[bytes]) -> None:
        self._staged[name] = data if isinstance(data, bytes) else b"".join(data)

    def sync(self, name: str) -> None:
        """It is in memory."""

    def link(self, source: str, target: str) -> None:
        """Put an object where there is none. Raises FileExistsError where there is another one."""
        if not self._put(target, self._staged[source], None):
            raise FileExistsError(errno.EEXIST, "there is such an object", target)

    def replace(self, source: str, target: str) -> None:
        """Put an object in the place of the one that was last read here, or where there was none."""
        if target not in self._seen:
            self.size(target)
        if not self._put(target, self._staged[source], self._seen[target]):
            raise _busy(target)
        del self._staged[source]

    def abandoned(self, name: str) -> bool:
        return False

    def alone(self, folder: str) -> AbstractContextManager[object]:
        return nullcontext()

    def sync_folder(self, name: str) -> None:
        """An object is durable once it was put."""

    def remove(self, name: str) -> None:
        if self._staged.pop(name, None) is not None:
            return
        if name not in self._seen:
            self.size(name)
        if (tag := self._seen[name]) is None:
            raise FileNotFoundError(errno.ENOENT, "there is no such object", name)
        if not self._put(name, REMOVED + token_hex(16).encode(), tag):
            raise _busy(name)

    def each[T, R](self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        waiting = deque[Future[R]]()
        with ThreadPoolExecutor(THREADS) as pool:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) == THREADS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def overview(self) -> Disk:
        return _Overview(self, dict(self.bucket.names()))

    def _look(self, name: str) -> bytes | None:
        """An object as it is, be it a mark; None where there is none."""
        try:
            data, found, _ = self.bucket.get(name)
        except FileNotFoundError:
            self._seen[name] = None
            return None
        self._seen[name] = found.tag
        return data

    def _put(self, name: str, data: bytes, expected: Tag | None) -> bool:
        """Put an object in the place of the one with the tag ``expected``, or where there is none or a mark, which is
        expected by None. Whether it is there then."""
        away: StoreAway | None = None
        for number in range(TRIES):
            try:
                self._seen[name] = self.bucket.put(name, data, expected, kept="/c/" in name)
            except (FileExistsError, Changed):
                pass
            except StoreAway as error:
                away = error
            else:
                return True
            there = self._look(name)
            if there == data:
                return True
            if there is not None and expected is None and _is_mark(there):
                return self._put(name, data, self._seen[name])
            if self._seen[name] != expected:
                return False
            sleep(PAUSE * 2**number)
        raise away or _busy(name)


class _Overview(ObjectDisk):
    """Objects as a list tells of them; what is not in it, or may be a mark, counts as not there."""

    def __init__(self, disk: ObjectDisk, listed: Mapping[str, Found]) -> None:
        super().__init__(disk.bucket)
        self._listed = {name: found for name, found in listed.items() if found.size != MARK_BYTES}

    def read(self, name: str) -> bytes:
        if name not in self._listed:
            raise FileNotFoundError(errno.ENOENT, "there is no such object", name)
        return super().read(name)

    def size(self, name: str) -> int:
        return self._listed[name].size if name in self._listed else -1


def _walked(name: str) -> list[tuple[bool, str]]:
    """Files of a folder come before the folders in it."""
    *folders, file = name.split("/")
    return [*((True, folder) for folder in folders), (False, file)]


def _is_mark(data: bytes) -> bool:
    return len(data) == MARK_BYTES and data.startswith(REMOVED)


def _busy(name: str) -> StoreBusy:
    return StoreBusy(f"{name} has been written by another pdemill meanwhile; run it again")
