"""A store behind HTTP: a pdemill server's, or any server that gives parts of files (RFC 9110, section 14)."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Mapping

import httpx

from pdemill.connection import Connection
from pdemill.errors import ServerError
from pdemill.reader.files import Changed

RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class HttpFiles:
    """Files below an address. Connections are kept open, in each process its own.

    A part is asked for with the tag of the file that the index was read from, so that bytes of two versions of a file
    are never put together. A server that is away is asked again, as ``Connection`` does. Raises ServerError.
    """

    threads = 8
    nearby = 2**16
    most = 2**22

    def __init__(self, address: str, api_key: str | None = None) -> None:
        self._address, self._api_key = address.rstrip("/"), api_key
        self._connections: dict[int, Connection] = {}

    def read(self, name: str) -> bytes:
        return self._get(name).content

    def exists(self, name: str) -> bool:
        try:
            self._get(name, {"Range": "bytes=0-0"})
        except FileNotFoundError:
            return False
        return True

    def tail(self, name: str, length: int) -> tuple[bytes, int, Hashable]:
        answer = self._get(name, {"Range": f"bytes=-{length}"})
        if answer.status_code != 206:
            return answer.content[-length:], len(answer.content), _tag(answer)
        return answer.content, self._span(answer)[1], _tag(answer)

    def part(self, name: str, start: int, length: int, tag: Hashable) -> bytes:
        strong = isinstance(tag, str) and not tag.startswith("W/")
        condition = {"If-Range": str(tag)} if strong else {}
        answer = self._get(name, {"Range": f"bytes={start}-{start + length - 1}", **condition})
        if _tag(answer) != tag:
            raise Changed(name)
        if answer.status_code != 206:
            return answer.content[start : start + length]
        if self._span(answer)[0] != start:
            raise ServerError(f"{answer.url} answered with another part of the file than was asked for")
        return answer.content

    def _get(self, name: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        connection = self._connections.get(os.getpid())
        if connection is None:
            connection = self._connections.setdefault(os.getpid(), Connection(self._address, self._api_key))
        try:
            return connection.ask("GET", f"/{name}", headers={"Accept-Encoding": "identity", **(headers or {})})
        except ServerError as error:
            if error.status == 404:
                raise FileNotFoundError(name) from None
            raise

    def __del__(self) -> None:
        if connection := self._connections.get(os.getpid()):
            connection.close()

    @staticmethod
    def _span(answer: httpx.Response) -> tuple[int, int]:
        """First byte of a part, and length of the whole file."""
        found = RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if not found or int(found[2]) - int(found[1]) + 1 != len(answer.content):
            raise ServerError(f"{answer.url} did not say which part of the file it sent")
        return int(found[1]), int(found[3])


def _tag(answer: httpx.Response) -> str | None:
    """The tag that changes with the file; None where the server sends none."""
    return answer.headers.get("ETag")  # type: ignore[no-any-return]
