"""Links to stores for those who have no key: read only, for a time, and no longer than the key of whoever made them."""

from __future__ import annotations

import time
from hmac import compare_digest
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from pdemill.service.keys import KeyRing, Owner
from pdemill.service.secret import Secret

SECRET = "links.secret"  # noqa: S105 - the name of a file
LONGEST_SECONDS = 7 * 86_400
"""How long a link lasts at most; signed links to object stores last no longer either."""


class Signature(NamedTuple):
    """What a link has behind its question mark: who made it, until when it lasts (Unix time), and a code of both."""

    owner: str
    expires: int
    signature: str


class Links:
    """Makes links, and knows them again."""

    def __init__(self, keys: KeyRing, folder: Path) -> None:
        self._keys, self._secret = keys, Secret(folder / SECRET)

    def query(self, owner: Owner, dataset: str, expires: int) -> str:
        """What stands behind the question mark of a link to a data set."""
        return urlencode(Signature(owner.name, expires, self._code(owner, dataset, expires))._asdict())

    def maker(self, dataset: str, link: Signature) -> Owner | None:
        """Who made this link to a data set; None where it has expired, is none of ours, or its maker's key is gone."""
        if link.expires < time.time():
            return None
        given = link.signature.encode()
        owners = [self._keys.owner(None)] if self._keys.open else self._keys.entries(link.owner)
        found = None
        for owner in owners:
            if owner is not None and compare_digest(self._code(owner, dataset, link.expires).encode(), given):
                found = owner
        return found

    def _code(self, owner: Owner, dataset: str, expires: int) -> str:
        return self._secret.code(f"{owner.name}:{owner.sha256}:{dataset}:{expires}")
