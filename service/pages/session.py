"""Who reads a page: a key is given once and remembered in a cookie, of which nothing is kept on the server.

The cookie says who and until when, under a code that only this data directory's secret and the hash of the key can
make, so that it ends when the key does.
"""

from __future__ import annotations

import time
from hmac import compare_digest
from pathlib import Path

from pdemill.service.keys import KeyRing, Owner
from pdemill.service.secret import Secret

COOKIE = "pdemill"
LASTS_SECONDS = 30 * 86400
SECRET = "pages.secret"  # noqa: S105 - the name of a file


class Sessions:
    """Makes cookies for the owners of keys, and knows them again."""

    def __init__(self, keys: KeyRing, folder: Path) -> None:
        self._keys, self._secret = keys, Secret(folder / SECRET)

    def begin(self, owner: Owner) -> str:
        """The cookie of an owner, for as long as the key lasts."""
        until = int(time.time()) + LASTS_SECONDS
        return f"{owner.name}:{until}:{self._code(owner, until)}"

    def owner(self, cookie: str | None) -> Owner | None:
        """Who sent this cookie; where no key is needed, anyone."""
        if self._keys.open:
            return self._keys.owner(None)
        name, _, rest = (cookie or "").partition(":")
        until, _, code = rest.partition(":")
        if not (until.isascii() and until.isdecimal() and len(until) < 12) or int(until) < time.time():
            return None
        known = [
            owner
            for owner in self._keys.entries(name)
            if compare_digest(self._code(owner, int(until)).encode(), code.encode())
        ]
        return known[0] if known else None

    def _code(self, owner: Owner, until: int) -> str:
        return self._secret.code(f"{owner.name}:{until}:{owner.sha256}")
