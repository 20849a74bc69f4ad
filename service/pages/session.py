"""Who reads a page: a key is given once and remembered in a cookie, of which nothing is kept on the server.

The cookie says who and until when, under a code that only this data directory's secret and the hash of the key can
make, so that it ends when the key does.
"""

from __future__ import annotations

import os
import time
from hashlib import sha256
from hmac import compare_digest, new
from pathlib import Path
from secrets import token_bytes, token_hex

from pdemill.service.keys import KeyRing, Owner

COOKIE = "pdemill"
LASTS_SECONDS = 30 * 86400
SECRET = "pages.secret"  # noqa: S105 - the name of a file


class Sessions:
    """Makes cookies for the owners of keys, and knows them again."""

    def __init__(self, keys: KeyRing, folder: Path) -> None:
        self._keys, self._path = keys, folder / SECRET
        self._known: bytes | None = None

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
        return new(self._secret(), f"{owner.name}:{until}:{owner.sha256}".encode(), sha256).hexdigest()

    def _secret(self) -> bytes:
        """The data directory's secret, made when it is first needed; of several processes that make it, one wins."""
        if self._known is None:
            if not self._path.exists():
                draft = self._path.with_name(f".{SECRET}-{token_hex(8)}")
                with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(token_bytes(32))
                try:
                    os.link(draft, self._path)
                except FileExistsError:
                    pass
                finally:
                    draft.unlink()
            self._known = self._path.read_bytes()
        return self._known
