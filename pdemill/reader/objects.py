"""A store in a bucket of an object store: S3 and what speaks it, Google's, Azure's."""

from __future__ import annotations

from collections.abc import Hashable

from pdemill.objects.bucket import Bucket, Tag
from pdemill.store.object_disk import ObjectDisk


class ObjectFiles(ObjectDisk):
    """Objects below an address. A part is asked for with the tag of the object that the index was read from, so that
    bytes of two versions of an object are never put together. Raises MissingExtra, StoreError."""

    threads = 8
    nearby = 2**16
    most = 2**22

    def __init__(self, address: str) -> None:
        super().__init__(Bucket(address))

    def tail(self, name: str, length: int) -> tuple[bytes, int, Hashable]:
        data, found, _ = self.bucket.get(name, last=length)
        return data, found.size, found.tag

    def part(self, name: str, start: int, length: int, tag: Hashable) -> bytes:
        assert isinstance(tag, Tag)
        return self.bucket.get(name, span=(start, length), tag=tag)[0]
