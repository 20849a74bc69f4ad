"""Passwords in addresses: none is ever shown."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, unquote, urlsplit

HIDDEN = "***"
SHORTEST = 4
"""A shorter text stands in too many places to be taken out of all."""


def passwords(url: str) -> tuple[str, ...]:
    """The passwords in an address, as they are and as they are written in it."""
    parts = urlsplit(url)
    given = [parts.password or "", *(value for name, value in parse_qsl(parts.query) if "password" in name)]
    found = {form for text in given for form in (text, unquote(text), quote(text, safe=""), quote(text))}
    return tuple(sorted((text for text in found if len(text) >= SHORTEST), key=len, reverse=True))


def without_password(url: str) -> str:
    """An address as it may be shown."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
