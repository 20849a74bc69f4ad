"""A secret of a server, in a file of its own; without that, nothing is valid any more that it was used for."""

from __future__ import annotations

import os
from hashlib import sha256
from hmac import new
from pathlib import Path
from secrets import token_bytes, token_hex


class Secret:
    """32 random bytes in a file that only its owner may read, made when they are first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: bytes | None = None

    def code(self, text: str) -> str:
        """What only those who have the secret can make of a text: HMAC-SHA256, as 64 hexadecimal digits."""
        return new(self._bytes(), text.encode(), sha256).hexdigest()

    def _bytes(self) -> bytes:
        """The secret; of several processes that make it, one wins."""
        if self._known is None:
            if not self._path.exists():
                draft = self._path.with_name(f".{self._path.name}-{token_hex(8)}")
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
