"""Manifests: one small file per finished shard, written last. They are the truth about progress."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any

from pdemill.errors import CorruptStore
from pdemill.store.disk import Disk, Readable
from pdemill.store.layout import SCHEMA, Shard

FOLDER = "_manifest"


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

    @property
    def certified(self) -> int:
        """Samples with a certified solution."""
        return self.stop - self.start - len(self.failures)

    def all_files(self) -> dict[str, Mapping[str, Any]]:
        """Every file of the shard, those with measurements included."""
        return {**self.files, **self.run.get("files", {})}

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
    if not disk.exists(name):
        return None
    try:
        manifest = Manifest(**json.loads(disk.read(name)))
    except (ValueError, TypeError) as error:
        raise CorruptStore(f"{name} is not a manifest ({error}); run generate again to make the shard anew") from None
    if (manifest.split, manifest.start, manifest.stop) != (shard.split, shard.start, shard.stop):
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


def read_all(disk: Readable, shards: Iterator[Shard]) -> Iterator[tuple[Shard, Manifest | None]]:
    """Every shard with its manifest, where there is one."""
    for shard in shards:
        yield shard, read(disk, shard)
