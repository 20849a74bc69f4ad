"""Who may use the service: bearer keys, of which only hashes are stored, and what each may ask for."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pdemill.errors import PdemillError


def _in_utc(time: datetime) -> datetime:
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


class Owner(BaseModel):
    """One entry of the keys file: a name, the SHA-256 of a key, limits on what is unfinished or stored, and a role."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    max_jobs: Annotated[int, Field(ge=1)] | None = None
    max_unknowns: Annotated[int, Field(ge=1)] | None = None
    """samples x unknowns"""
    max_slots: Annotated[int, Field(ge=1)] | None = None
    """shards that workers solve for it at a time"""
    max_bytes: Annotated[int, Field(ge=1)] | None = None
    """bytes of its stores"""
    role: Literal["user", "admin", "metrics"] = "user"
    """an admin sees and ends the jobs of all, and pauses the server; a key for metrics opens nothing but these"""
    expires: Annotated[datetime, AfterValidator(_in_utc)] | None = None
    """when the key ends, by UTC where no zone is given"""

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"

    @property
    def expired(self) -> bool:
        return self.expires is not None and datetime.now(UTC) >= self.expires


ANYONE = Owner(name="anyone", sha256="0" * 64, role="admin")
"""Who calls a server without keys."""

_FILE = TypeAdapter(list[Owner])

TROUBLE = "not a file of keys; those known before are used, and the log says what is wrong"

log = logging.getLogger("pdemill.api")


def bearer(authorization: str | None) -> str:
    """The key in an ``Authorization`` header; nothing where there is none."""
    scheme, _, key = (authorization or "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


@dataclass
class _Loaded:
    stamp: tuple[int, int]
    owners: list[Owner]


class KeyRing:
    """The keys file, read again whenever it has changed. Without a file everyone is ``ANYONE``."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._loaded: _Loaded | None = None
        self.trouble = ""
        if path is not None:
            self._load(path)

    @property
    def open(self) -> bool:
        """Whether no key is needed."""
        return self._path is None

    def owner(self, authorization: str | None) -> Owner | None:
        """Who sent this ``Authorization`` header; None for nobody we know."""
        if self._path is None:
            return ANYONE
        key = bearer(authorization)
        if not key:
            return None
        given = sha256(key.encode()).hexdigest()
        found = None
        for owner in self._owners(self._path):
            if compare_digest(owner.sha256, given) and not owner.expired:
                found = owner
        return found

    def entries(self, name: str) -> list[Owner]:
        """The keys of an owner that have not expired; none where there is no file."""
        owners = self._owners(self._path) if self._path is not None else []
        return [owner for owner in owners if owner.name == name and not owner.expired]

    def named(self, name: str) -> Owner | None:
        """The first of an owner's keys."""
        return next(iter(self.entries(name)), None)

    def holds(self, owner: Owner) -> bool:
        """Whether a key that was let in still would be."""
        return self.open or any(entry.sha256 == owner.sha256 for entry in self.entries(owner.name))

    def _owners(self, path: Path) -> list[Owner]:
        """The owners; those known so far while the file cannot be read."""
        try:
            owners, self.trouble = self._load(path), ""
        except PdemillError as error:
            if not self.trouble:
                log.warning("%s", error)
            owners, self.trouble = (self._loaded.owners if self._loaded is not None else []), TROUBLE
        return owners

    def _load(self, path: Path) -> list[Owner]:
        """The owners in the file. Raises PdemillError if it is not a file of keys."""
        try:
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            if self._loaded is None or self._loaded.stamp != stamp:
                self._loaded = _Loaded(stamp, _parse(yaml.safe_load(path.read_text(encoding="utf-8"))))
        except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
            raise PdemillError(f"PDEMILL_API_KEYS: {path.name} is not a file of keys: {_reason(error)}") from None
        return self._loaded.owners


def _reason(error: Exception) -> str:
    """Describe an error in one line, without the contents of the file."""
    if isinstance(error, ValidationError):
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'file'}: {fault['msg']}" for fault in faults)
    return str(error.strerror) if isinstance(error, OSError) else "it is not YAML"


def _parse(data: Any) -> list[Owner]:
    return _FILE.validate_python(data or [])
