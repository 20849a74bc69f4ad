"""Joining stores of one spec: finished shards are copied, nothing is solved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pdemill.addresses import Place, home
from pdemill.errors import CorruptStore, StoreError, StoreMismatch
from pdemill.planning import file_of
from pdemill.progress import Merged
from pdemill.solvers.local.generate import locked, require_empty_or_ours
from pdemill.solvers.opening import keep_arrays, open_work, stored_spec
from pdemill.store.layout import Shard
from pdemill.store.manifest import FOLDER, MADE_WITH, Manifest, fingerprint, finished, name_of
from pdemill.store.origin import Origin
from pdemill.store.places import below, disk_at
from pdemill.store.placing import make_folders, sweep, write_durably, write_once
from pdemill.store.store import Store


@dataclass(frozen=True)
class _Source:
    """A store that is read."""

    root: Place
    store: Store

    def manifest(self, shard: Shard) -> Manifest | None:
        return finished(self.store.disk, shard)

    def content(self, name: str, manifest: Manifest) -> bytes:
        """A file of a shard, byte for byte as its manifest says."""
        data = self.store.disk.read(name)
        if fingerprint(data) != manifest.all_files()[name]:
            raise CorruptStore(
                f"{below(self.root, name)} is not what its manifest says; run 'pdemill repair {self.root}'"
            )
        return data


def merge(stores: Sequence[str | Path], out: str | Path, other_versions: bool = False) -> Merged:
    """Copy the finished shards of several stores of one spec into the store ``out``, which is finished if none is
    missing then.

    What several of them hold must be equal, but for measured times. ``other_versions``: they may have been made by
    other versions or kinds of machine than the first one; manifests tell which. May be repeated after a crash. Raises
    StoreMismatch, CorruptStore, StoreError.
    """
    if not stores:
        raise StoreError("there is no store to merge")
    root = home(out, "the store to write")
    sources = [_opened(home(store, "a store to merge")) for store in stores]
    first = sources[0]
    for other in sources[1:]:
        _require_alike(first, other, other_versions)
    with locked(root):
        target = Store(disk_at(root), first.store.layout)
        require_empty_or_ours(root, target)
        sweep(target.disk, alone=True)
        make_folders(target.disk, FOLDER)
        for file in map(file_of, ["", *first.store.layout.attributes.get("fidelities", {})]):
            if first.store.disk.exists(file) and not target.disk.exists(file):
                write_once(target.disk, file, first.store.disk.read(file))
        keep_arrays(open_work(first.root)[0], root)
        target.create(other_versions)
        copied = 0
        for shard in target.layout.shards():
            held = [(source, made) for source in sources if (made := source.manifest(shard)) is not None]
            _require_equal(shard, held)
            if held and not target.finished(shard):
                _copy(shard, *held[0], target)
                copied += 1
        missing = target.missing()
        if not missing:
            target.finish()
    total = sum(target.layout.splits.values())
    return Merged(str(root), copied, total, sum(map(len, missing)))


def _opened(root: Place) -> _Source:
    stored_spec(root)
    return _Source(root, open_work(root)[1])


def _require_alike(first: _Source, other: _Source, other_versions: bool) -> None:
    """Raise StoreMismatch unless shards of one store fit into the other."""
    mine, theirs = first.store.layout.attributes, other.store.layout.attributes
    for name, called in (
        ("spec_sha256", "spec"), ("plan", "plan"), ("shard_samples", "number of samples per shard"),
        ("fidelities", "plan at other fidelities"),
    ):  # fmt: skip
        if mine.get(name) != theirs.get(name):
            raise StoreMismatch(f"{other.root} has another {called} than {first.root}")
    if (difference := Origin.of(theirs).difference(Origin.of(mine), "the first one")) and not other_versions:
        raise StoreMismatch(f"{other.root} was made with {difference}; --other-versions merges it, and records that")


def _require_equal(shard: Shard, held: Sequence[tuple[_Source, Manifest]]) -> None:
    """Raise StoreMismatch where stores hold one shard with different contents."""
    for source, manifest in held[1:]:
        first, expected = held[0]
        if manifest.lasting() != expected.lasting():
            raise StoreMismatch(
                f"shard {shard.name} of {source.root} is not that of {first.root}; 'pdemill verify --resolve' tells "
                f"which is right"
            )


def _copy(shard: Shard, source: _Source, manifest: Manifest, target: Store) -> None:
    """Copy the files of a shard, its manifest last."""

    def copy(name: str) -> None:
        make_folders(target.disk, name.rpartition("/")[0])
        write_durably(target.disk, name, source.content(name, manifest))

    for _ in target.disk.each(copy, manifest.all_files()):
        pass
    origin = Origin.of(source.store.layout.attributes)
    if MADE_WITH not in manifest.run and origin.difference(target.here):
        manifest = replace(manifest, run={**manifest.run, MADE_WITH: origin.to_json()})
    write_durably(target.disk, name_of(shard), manifest.to_bytes())
