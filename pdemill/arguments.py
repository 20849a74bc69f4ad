"""What callers may pass for counts and lists; anything else is a ValueError that says what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import Any

from pdemill.process import cores


def whole(name: str, value: Any, least: int = 0) -> int:
    """A whole number from ``least`` on, of any kind of integer."""
    number = _integer(value)
    if number is None or number < least:
        raise ValueError(f"{name} should be a whole number from {least} on, not {value!r}")
    return number


def worker_count(value: Any) -> int:
    """How many worker processes are meant: 0 is this process, -1 all cores."""
    number = _integer(value)
    if number is None or number < -1:
        allowed = "1 or more processes, 0 for this process, or -1 for all cores"
        raise ValueError(f"workers should be a whole number, {allowed}, not {value!r}")
    return cores() if number == -1 else number


def listed[T](name: str, values: Iterable[T], of: str) -> tuple[T, ...]:
    """The items of a list, a tuple or another iterable that is no text."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise ValueError(f"{name} should be a list of {of}, not {values!r}")
    return tuple(values)


def _integer(value: Any) -> int | None:
    """A Python or numpy integer, None for all else: truth values are no numbers here."""
    try:
        return None if isinstance(value, bool) else index(value)
    except TypeError:
        return None
