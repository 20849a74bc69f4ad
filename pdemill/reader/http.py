"""A store behind HTTP: a pdemill server's, or any server that gives parts of files (RFC 9110, section 14)."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Hashable, Mapping
from threading import Lock
from typing import NamedTuple

import httpx

from pdemill.addresses import shown
from pdemill.connection import Connection
from pdemill.errors import ServerError, StoreError
from pdemill.reader.files import Changed

RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
MOST_KEPT = 2**29
"""Bytes of whole files that are kept, of a server that does not give parts."""


class _Whole(NamedTuple):
    content: bytes
    tag: Hashable


class HttpFiles:
    """Files below an address; a query behind it, such as a signature, goes with every request. Connections are kept
    open, in each process its own.

    A part is asked for with the tag of the file that the index was read from, so that bytes of two versions of a file
    are never put together. A server that is away is asked again, as ``Connection`` does. Of one that sends whole files
    only, each is read once and kept, which is told, up to MOST_KEPT bytes. Raises ServerError, StoreError.
    """

    threads = 8
    nearby = 2**16
    most = 2**22

    def __init__(self, address: str, api_key: str | None = None) -> None:
        base, mark, query = address.partition("#")[0].partition("?")
        self._address, self._query, self._api_key = base.rstrip("/"), mark + query, api_key
        self._connections: dict[int, Connection] = {}
        self._parts: bool | None = None
        self._whole: dict[str, _Whole] = {}
        self._locks: dict[tuple[int, str], Lock] = {}
        self._kept = 0

    def read(self, name: str) -> bytes:
        return self._get(name).content

    def exists(self, name: str) -> bool:
        try:
            self._get(name, {"Range": "bytes=0-0"})
        except FileNotFoundError:
            return False
        return True

    def tail(self, name: str, length: int) -> tuple[bytes, int, Hashable]:
        if self._parts:
            return self._tail(name, length)
        with self._locks.setdefault((os.getpid(), name), Lock()):  # threads that want the same file
            return self._tail(name, length)

    def _tail(self, name: str, length: int) -> tuple[bytes, int, Hashable]:
        whole = self._whole.get(name)
        if whole is None:
            answer = self._get(name, {"Range": f"bytes=-{length}"})
            if answer.status_code == 206:
                self._parts = True
                return answer.content, self._span(answer)[1], _tag(answer)
            whole = self._keep(name, answer)
        return whole.content[-length:], len(whole.content), whole.tag

    def part(self, name: str, start: int, length: int, tag: Hashable) -> bytes:
        if (whole := self._whole.get(name)) is not None:
            return whole.content[start : start + length]
        strong = isinstance(tag, str) and not tag.startswith("W/")
        condition = {"If-Range": str(tag)} if strong else {}
        answer = self._get(name, {"Range": f"bytes={start}-{start + length - 1}", **condition})
        if _tag(answer) != tag:
            raise Changed(name)
        if answer.status_code != 206:
            return self._keep(name, answer).content[start : start + length]
        if self._span(answer)[0] != start:
            raise ServerError(f"{self._named(answer)} answered with another part of the file than was asked for")
        return answer.content

    def _keep(self, name: str, answer: httpx.Response) -> _Whole:
        """Keep a file of which a part was asked for, and which came whole."""
        if self._parts is None:
            self._parts = False
            warnings.warn(
                f"{shown(self._address)} sends whole files only: each is read once and kept in memory; from a server "
                "that answers requests for ranges, no more is read than is needed",
                stacklevel=2,
            )
        self._kept += len(answer.content)
        if self._kept > MOST_KEPT:
            raise StoreError(
                f"{shown(self._address)} sends whole files only, and those read so far are more than {MOST_KEPT:,} "
                "bytes: copy the store to a folder, or have it served by a server that answers requests for ranges"
            )
        return self._whole.setdefault(name, _Whole(answer.content, _tag(answer)))

    def _get(self, name: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        connection = self._connections.get(os.getpid())
        if connection is None:
            connection = self._connections.setdefault(os.getpid(), Connection(self._address, self._api_key))
        wanted = {"Accept-Encoding": "identity", **(headers or {})}
        try:
            return connection.ask("GET", f"/{name}{self._query}", headers=wanted)
        except ServerError as error:
            if error.status == 404:
                raise FileNotFoundError(name) from None
            raise

    def __del__(self) -> None:
        if connection := self._connections.get(os.getpid()):
            connection.close()

    @staticmethod
    def _named(answer: httpx.Response) -> str:
        return shown(str(answer.url))

    def _span(self, answer: httpx.Response) -> tuple[int, int]:
        """First byte of a part, and length of the whole file."""
        found = RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if not found or int(found[2]) - int(found[1]) + 1 != len(answer.content):
            raise ServerError(f"{self._named(answer)} did not say which part of the file it sent")
        return int(found[1]), int(found[3])


def _tag(answer: httpx.Response) -> str | None:
    """The tag that changes with the file; None where the server sends none."""
    return answer.headers.get("ETag")  # type: ignore[no-any-return]
