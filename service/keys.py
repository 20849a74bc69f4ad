"""Who may use the service: bearer keys, of which only hashes are stored, and what each may ask for."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pdemill.errors import PdemillError


class Owner(BaseModel):
    """One entry of the keys file: a name, the SHA-256 of a key, and limits on what is unfinished or stored."""

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


ANYONE = Owner(name="anyone", sha256="0" * 64)
"""Who calls a server without keys."""

_FILE = TypeAdapter(list[Owner])

TROUBLE = "not a file of keys; those known before are used, and the log says what is wrong"

log = logging.getLogger("pdemill.api")


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
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            return None
        given = sha256(key.strip().encode()).hexdigest()
        found = None
        for owner in self._owners(self._path):
            if compare_digest(owner.sha256, given):
                found = owner
        return found

    def named(self, name: str) -> Owner | None:
        """The owner of this name; None while there is no such entry, or no file."""
        owners = self._owners(self._path) if self._path is not None else []
        return next((owner for owner in owners if owner.name == name), None)

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
