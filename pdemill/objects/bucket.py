"""The objects below an address: read, listed, and put on a condition. Errors are those of files."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from time import sleep
from typing import Any, NamedTuple

from pdemill.addresses import shown
from pdemill.errors import StoreAway, StoreError
from pdemill.objects import Changed
from pdemill.objects.helper import ask
from pdemill.objects.opening import opened, parts_of

TRIES = 4
"""How often something is asked for whose answer does not come; the server's own errors are repeated by obstore."""
PAUSE = 0.2
"""Seconds before it is asked for again; twice as many each time."""
NO_STORE = {"Cache-Control": "no-store"}


_asking = 0
"""The first process that has asked for objects, of this one and those that it was forked from."""


class Tag(NamedTuple):
    """Changes with the content of an object: what S3 and Azure call ETag, and Google generation."""

    e_tag: str | None
    version: str | None

    def to_mode(self) -> dict[str, str]:
        """As obstore takes it."""
        return {name: value for name, value in self._asdict().items() if value is not None}


class Found(NamedTuple):
    """What is known of an object: its length in bytes, and its tag."""

    size: int
    tag: Tag


class Bucket:
    """The objects below an address; names are relative to it.

    All methods raise FileNotFoundError for an object that is not there, StoreAway where the server does not answer, and
    StoreError where it refuses. Many threads may call them. ``store``: what obstore works with, if it is open already.
    """

    def __init__(self, address: str, store: Any = None) -> None:
        self.address = address.rstrip("/")
        self._store = opened(address) if store is None else store
        import obstore  # late: an extra, which is here once a store is open

        self._obstore: Any = obstore

    def get(
        self, name: str, span: tuple[int, int] | None = None, last: int | None = None, tag: Tag | None = None
    ) -> tuple[bytes, Found, int]:
        """Bytes of an object, what is known of it, and where the bytes begin: all, those of a ``span`` (first, length)
        or the ``last`` so many. Raises Changed where it has another ``tag``."""
        if self._is_forked():
            return ask(self.address, "get", (name, span, last, tag))  # type: ignore[no-any-return]
        options: dict[str, Any] = {} if tag is None or tag.e_tag is None else {"if_match": tag.e_tag}
        if span is not None:
            options["range"] = span[0], span[0] + span[1]
        elif last is not None:
            options["range"] = {"suffix": last}

        def get() -> tuple[bytes, Found, int]:
            answer = self._obstore.get(self._store, name, options=options or None)
            return answer.bytes().to_bytes(), _found(answer.meta), answer.range[0]

        return self._asked(name, get)

    def head(self, name: str) -> Found:
        """What is known of an object."""
        if self._is_forked():
            return ask(self.address, "head", (name,))  # type: ignore[no-any-return]
        return self._asked(name, lambda: _found(self._obstore.head(self._store, name)))

    def put(self, name: str, data: bytes, expected: Tag | None, kept: bool = True) -> Tag:
        """Put an object where there is none (``expected`` is None: raises FileExistsError), or in the place of one with
        this tag (raises Changed); once: where StoreAway is raised, it may be there or not.
        ``kept``: caches on the way may keep it."""
        if self._is_forked():
            return ask(self.address, "put", (name, data, expected, kept))  # type: ignore[no-any-return]
        mode = "create" if expected is None else expected.to_mode()
        attributes = None if kept else NO_STORE

        def put() -> Tag:
            made = self._obstore.put(self._store, name, data, mode=mode, use_multipart=False, attributes=attributes)
            return Tag(made["e_tag"], made["version"])

        try:
            return self._asked(name, put, tries=1)
        except FileNotFoundError:
            raise Changed(name) from None  # S3's answer where there is none any more in whose place it would be

    def names(self) -> list[tuple[str, Found]]:
        """All objects."""
        if self._is_forked():
            return ask(self.address, "names", ())  # type: ignore[no-any-return]
        listed = self._asked("", lambda: [entry for page in self._obstore.list(self._store) for entry in page])
        return [(entry["path"], _found(entry)) for entry in listed]

    def top(self) -> set[str]:
        """The first parts of the names of all objects."""
        if self._is_forked():
            return ask(self.address, "top", ())  # type: ignore[no-any-return]
        listed = self._asked("", lambda: self._obstore.list_with_delimiter(self._store))
        names = [*listed["common_prefixes"], *(entry["path"] for entry in listed["objects"])]
        return {name for name in names if name}  # some servers list the place itself

    def delete(self, name: str) -> None:
        """Remove an object, whatever it is; nothing where there is none."""
        if self._is_forked():
            ask(self.address, "delete", (name,))
            return
        try:
            self._asked(name, lambda: self._obstore.delete(self._store, name))
        except FileNotFoundError:
            return

    def _is_forked(self) -> bool:
        """Whether this process was forked from one that has asked for objects."""
        global _asking
        _asking = _asking or os.getpid()
        return _asking != os.getpid()

    def _asked[T](self, name: str, ask: Callable[[], T], tries: int = TRIES) -> T:
        errors = self._obstore.exceptions
        for number in range(tries):
            try:
                return ask()
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise self._no_bucket() from None
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self._at(name)) from None
            except errors.AlreadyExistsError:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), self._at(name)) from None
            except errors.PreconditionError:
                raise Changed(name) from None
            except (errors.PermissionDeniedError, errors.UnauthenticatedError) as error:
                raise StoreError(f"{self._at(name)}: the server refuses access ({_said(error)})") from None
            except errors.BaseError as error:
                if "NoSuchBucket" in str(error):
                    raise self._no_bucket() from None
                if number + 1 == tries:
                    raise StoreAway(f"{self._at(name)}: no answer ({_said(error)}); run it again") from None
            sleep(PAUSE * 2**number)
        raise AssertionError

    def _at(self, name: str) -> str:
        return f"{shown(self.address)}/{name}".rstrip("/")

    def _no_bucket(self) -> StoreError:
        return StoreError(f"{shown(self.address)} cannot be reached: there is no bucket {parts_of(self.address)[1]}")


def _found(meta: Any) -> Found:
    return Found(meta["size"], Tag(meta["e_tag"], meta["version"]))


def _said(error: Exception) -> str:
    """What a server, or obstore, says, in a line."""
    text = str(error)
    told = [found[1] for tag in ("Code", "Message") if (found := re.search(f"<{tag}>([^<]+)</{tag}>", text))]
    if told:
        return ": ".join(told)
    return text.splitlines()[0].rpartition(" - ")[2]
