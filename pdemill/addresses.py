"""Places as users name them: paths of this machine, and addresses such as ``s3://BUCKET/PREFIX``."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pdemill.errors import PdemillError, StoreError

ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
"""How an address begins, also one that was made a Path; a single letter is a drive."""
OBJECT_STORES = ("s3", "gs", "az")
"""Schemes of buckets: Amazon's and all that speak S3, Google's, Azure's."""

type Place = Path | str
"""Where a store is that can be written: an absolute path of this machine, or the address of a bucket's objects."""


def scheme_of(place: str | os.PathLike[str]) -> str | None:
    """The scheme of an address in small letters; None for a path of this machine."""
    found = ADDRESS.match(os.fspath(place))
    return found[1].lower() if found else None


def in_bucket(place: str | os.PathLike[str]) -> bool:
    """Whether a place is the address of objects in a bucket."""
    return scheme_of(place) in OBJECT_STORES


def home(place: str | os.PathLike[str], what: str, error: type[PdemillError] = StoreError) -> Place:
    """A place where stores can be written: the address of a bucket's objects as it is, and what ``on_disk`` makes of
    everything else."""
    text = os.fspath(place)
    if not in_bucket(text):
        return on_disk(place, what, error)
    if "://" not in text:
        raise error(f"{shown(text)} has lost a slash: give the address as text, not as a Path")
    return text.rstrip("/")


def on_disk(place: str | os.PathLike[str], what: str, error: type[PdemillError] = StoreError) -> Path:
    """The absolute path for a path of this machine, with ``~`` expanded, so that it stays the same wherever the process
    goes. Raises ``error`` for an address and for what is no path; ``what`` names the thing that is there."""
    text = os.fspath(place)
    if scheme_of(text) is not None:
        raise error(f"{shown(text)} is an address; {what} should be given as a path of this machine")
    if not text or "\0" in text:
        raise error(f"{text!r} is no path; say where {what} is")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise error(f"{text}: there is no such user; write ./{text} if that is its name") from None


def shown(place: str | os.PathLike[str]) -> str:
    """A place as messages tell it: addresses without what gives access, such as passwords and signatures."""
    text = os.fspath(place)
    if scheme_of(text) is None:
        return text
    return re.sub(r"(?<=://)[^/?#]*@", "", re.sub(r"[?#].*", "?...", text, flags=re.DOTALL))
