"""Manifests: one small file per finished shard, written last. They are the truth about progress."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from hashlib import sha256
from typing import Any

from pdemill.errors import CorruptStore, StoreError
from pdemill.store.disk import Disk, Readable
from pdemill.store.layout import SCHEMA, Shard
from pdemill.store.manifest_form import misshapen
from pdemill.store.origin import Origin

FOLDER = "_manifest"
MADE_WITH = "made_with"
"""The key of ``run`` that tells what made a shard of a store that other versions began."""

type Each = Callable[[Callable[[Shard], Any], Iterable[Shard]], Iterator[Any]]


@dataclass(frozen=True)
class Manifest:
    """The contents of a finished shard.

    ``files``: sha256 and length of each file; ``failures``: sample, result and reason of the samples without a
    solution; ``moments``: running statistics per channel; ``summary``: solver statistics; ``run``: what differs
    between two runs of one spec (attempt, times, hashes of measured arrays).
    """

    split: str
    shard: int
    start: int
    stop: int
    files: Mapping[str, Mapping[str, Any]]
    failures: tuple[Mapping[str, Any], ...] = ()
    moments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """From the content of a file. Raises ValueError, which says what is wrong with it."""
        content = json.loads(data)
        if not isinstance(content, dict):
            raise ValueError("it is no JSON object")
        known = {part.name: part for part in fields(cls)}
        for name, part in known.items():
            if name not in content and part.default is MISSING and part.default_factory is MISSING:
                raise ValueError(f"it has no {name}")
        if strange := content.keys() - known.keys():
            raise ValueError(f"it has {min(strange)}, which is no part of one")
        if wrong := next(misshapen(content), ""):
            raise ValueError(f"its {wrong} is not of the right form")
        return cls(**{**content, "failures": tuple(content.get("failures", ()))})

    @property
    def made_with(self) -> Origin | None:
        """What made the shard, where it is not what began the store."""
        told = self.run.get(MADE_WITH)
        return None if told is None else Origin.of(told)

    @property
    def certified(self) -> int:
        """Samples with a certified solution."""
        return self.stop - self.start - len(self.failures)

    def all_files(self) -> dict[str, Mapping[str, Any]]:
        """Every file of the shard, those with measurements included."""
        return {**self.files, **self.run.get("files", {})}

    @property
    def length(self) -> int:
        """Length of all files of the shard together."""
        return sum(int(known["bytes"]) for known in self.all_files().values())

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True, indent=1).encode() + b"\n"

    def lasting(self) -> dict[str, Any]:
        """The part that is the same in every run of one spec."""
        return {key: value for key, value in asdict(self).items() if key != "run"}


def name_of(shard: Shard) -> str:
    return f"{FOLDER}/{shard.name}.json"


def fingerprint(data: bytes) -> dict[str, Any]:
    """Hash and length of a file, as manifests hold them."""
    return {"sha256": sha256(data).hexdigest(), "bytes": len(data)}


def read(disk: Readable, shard: Shard) -> Manifest | None:
    """The manifest of a shard, or None while it is not finished."""
    name = name_of(shard)
    try:
        manifest = Manifest.parse(disk.read(name))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise CorruptStore(f"{name} is not a manifest ({error}); run generate again to make the shard anew") from None
    except OSError as error:
        raise StoreError(f"{name} cannot be read: {error.strerror or error}") from None
    found = manifest.split, manifest.shard, manifest.start, manifest.stop
    if found[:3] == (shard.split, shard.index, shard.start) and manifest.stop > shard.stop:
        raise CorruptStore(
            f"{name} is for more samples than {shard.start}..{shard.stop - 1}: the store has grown, open it again"
        )
    if found != (shard.split, shard.index, shard.start, shard.stop):
        raise CorruptStore(f"{name} is for other samples than {shard.start}..{shard.stop - 1} of {shard.split}")
    return manifest


def finished(disk: Disk, shard: Shard) -> Manifest | None:
    """The manifest of a shard where it can be read and all files in it are there in full length; else None."""
    try:
        manifest = read(disk, shard)
    except CorruptStore:
        return None
    if manifest is None or any(disk.size(name) != known["bytes"] for name, known in manifest.all_files().items()):
        return None
    return manifest


def is_finished(disk: Disk, shard: Shard) -> bool:
    """Whether a shard has a readable manifest and all its files in full length."""
    return finished(disk, shard) is not None


def read_all(disk: Readable, shards: Iterable[Shard], each: Each = map) -> Iterator[tuple[Shard, Manifest | None]]:
    """Every shard with its manifest, where there is one; ``each``: the disk's own, where it has one."""
    return each(lambda shard: (shard, read(disk, shard)), shards)
