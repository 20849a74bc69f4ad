"""A store that is being made: created or resumed, filled shard by shard, finished."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from secrets import token_hex
from time import process_time
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pdemill.errors import CorruptStore, StoreBusy, StoreError, StoreMismatch
from pdemill.kept import MASK, SIDE
from pdemill.store import manifest as manifests
from pdemill.store.certified import certified, fault_of, take_out, taken_out
from pdemill.store.decode import is_alike
from pdemill.store.disk import Disk
from pdemill.store.encode import encode, metadata, shard_file, with_attributes
from pdemill.store.layout import MEASURED, SCHEMA, ArrayLayout, Shard, StoreLayout
from pdemill.store.manifest import MADE_WITH, Manifest
from pdemill.store.moments import Moments, merge
from pdemill.store.origin import Origin
from pdemill.store.placing import Staged, make_folders, sync_folder, write_durably, write_once
from pdemill.store.root import ROOT, as_written, read_root
from pdemill.store.runs import RUN, last_run

TRIES = 5
WRITER = "writer"
"""The key of a manifest's ``run`` that is never twice the same, where there are no locks."""
ESTIMATED = "estimated"
"""The key of a summary that counts the samples whose discretisation error is estimated."""


@dataclass(frozen=True)
class ShardData:
    """The rows of one shard: arrays by name, and the failures among them."""

    arrays: Mapping[str, NDArray[Any]]
    failures: tuple[Mapping[str, Any], ...] = ()
    summary: Mapping[str, Any] | None = None
    run: Mapping[str, Any] | None = None


class Store:
    """The writing side of a store. Every method may be repeated after a crash."""

    def __init__(self, disk: Disk, layout: StoreLayout) -> None:
        self.disk, self.layout = disk, layout
        self.here = Origin.of(layout.attributes)
        """What writes now."""

    def as_begun(self, smaller: str = "") -> Self:
        """The same store, whose root keeps telling what began it, where it is there already and of the same spec, or of
        the one with the hash ``smaller``."""
        try:
            stored = read_root(self.disk, "the folder")["attributes"]
        except StoreError:
            return self
        attributes = self.layout.attributes
        if stored.get("spec_sha256") not in (attributes["spec_sha256"], smaller):
            return self
        other = copy(self)
        other.__dict__.pop("metadata", None)
        other.layout = replace(self.layout, attributes=as_written(attributes, stored))
        return other

    @property
    def made_with(self) -> dict[str, Any]:
        """For manifests: what writes now, where it is not what the root tells."""
        begun = Origin.of(self.layout.attributes)
        return {MADE_WITH: self.here.to_json()} if begun.difference(self.here) else {}

    @cached_property
    def metadata(self) -> dict[str, bytes]:
        """Every file that holds no sample, the root last."""
        return metadata(self.layout)

    def create(self, other_versions: bool = False) -> None:
        """Write the metadata, root last; a store that is there already must be of the same spec, and of the same
        versions and kind of machine unless ``other_versions`` or nothing is left to do.

        Metadata files that are not as they should be are written anew.
        """
        if begun := self.disk.exists(ROOT):
            self.check_same_job(other_versions or self._whole())
        make_folders(self.disk, manifests.FOLDER)
        for name, data in self.metadata.items():
            if not self.disk.exists(name):
                write_once(self.disk, name, data)
            elif name != ROOT and self.disk.read(name) != data:
                write_durably(self.disk, name, data)
        if not begun and not self.disk.locks:
            self.check_same_job(other_versions)  # somebody else may have begun another store meanwhile

    def check_same_job(self, other_versions: bool = False) -> None:
        """Raise StoreMismatch unless the store on disk is of this spec, these versions and this kind of machine; with
        ``other_versions``, unless it is laid out as these versions do it."""
        try:
            found = json.loads(self.disk.read(ROOT))["attributes"]
            spec, begun, schema = found["spec_sha256"], Origin.of(found), found["schema"]
        except (ValueError, KeyError, TypeError):
            raise StoreMismatch(
                f"the folder holds a {ROOT} that pdemill did not write; choose another folder"
            ) from None
        if spec != self.layout.attributes["spec_sha256"]:
            raise StoreMismatch("the folder holds the store of another spec; choose another folder, or delete it")
        difference = begun.difference(self.here)
        if difference and not other_versions:
            raise StoreMismatch(
                f"the store was made with {difference}; finish it with these, make another, or go on by "
                f"'pdemill generate --other-versions', which records it"
            )
        if difference and (schema != SCHEMA or self._laid_out_otherwise()):
            raise StoreMismatch(
                f"the store was made with {difference}, which lay it out in another way; finish it with these versions"
            )

    def _whole(self) -> bool:
        """Whether the store on disk is finished."""
        try:
            return bool(read_root(self.disk, "the folder")["attributes"]["complete"]) and not self.missing()
        except StoreError:
            return False

    def _laid_out_otherwise(self) -> bool:
        """Whether arrays of the store on disk have other names, types or shapes than those of the layout."""
        mine, stored = (
            json.loads(data).get("consolidated_metadata") for data in (self.metadata[ROOT], self.disk.read(ROOT))
        )
        return bool(mine != stored)

    def missing(self, shards: Iterable[Shard] | None = None) -> list[Shard]:
        """Of some shards, or of all, those that are not finished: no readable manifest, or a file gone or cut short."""
        seen = copy(self)
        seen.disk = self.disk.overview()
        wanted = list(self.layout.shards() if shards is None else shards)
        looks = [seen] if seen.disk is self.disk else [seen, self]
        done = self.disk.each(lambda shard: any(store.finished(shard) for store in looks), wanted)
        return [shard for shard, is_done in zip(wanted, done, strict=True) if not is_done]

    def finished(self, shard: Shard) -> bool:
        """Whether a shard has a readable manifest of all its files, and these in full length."""
        manifest = manifests.finished(self.disk, shard)
        return manifest is not None and set(self.files_of(shard)) <= set(manifest.all_files())

    def files_of(self, shard: Shard) -> list[str]:
        """The names of the files of a shard."""
        return [shard_file(part, shard) for part in self.layout.arrays_of(shard.split)]

    def certified(self, shard: Shard) -> Manifest | None:
        """The manifest of a shard all of whose files are, byte for byte, what it says; None where there is none."""
        try:
            return certified(self.disk, shard, self.files_of(shard))
        except CorruptStore:
            return None

    def commit(self, shard: Shard, data: ShardData) -> Manifest:
        """Encode and write a shard; it exists from the moment its manifest does. Returns the manifest in place, which
        is another's where somebody was faster.

        Nothing is locked. Files get their names one by one, the manifest the last, and no file that is there loses its
        own: it is adopted, if it is what would be written, or a measurement that can be read. Hence whoever is late,
        however late, changes nothing that a manifest certifies. What is there and damaged is taken away, under a lock.

        The manifest's ``run.cpu_seconds.write`` is the time of everything but putting files in place.
        """
        begin = process_time()
        content, samples = {}, self.layout.shard_samples_of(shard.split)
        for part in self.layout.arrays_of(shard.split):
            content[shard_file(part, shard)] = encode(part, data.arrays[part.name], samples)
        moments = self.moments(data.arrays, data.failures)
        with Staged(self.disk) as staged:
            for name, file in content.items():
                staged.add(name, file)
            run = dict(data.run or {})
            run["cpu_seconds"] = {**run.get("cpu_seconds", {}), "write": round(process_time() - begin, 6)}
            for _ in range(TRIES):
                if self.disk.exists(manifests.name_of(shard)):
                    if (there := self.certified(shard)) is not None:
                        return there
                elif (files := self._placed(shard, staged, content)) is not None:
                    measured = self._measured(shard)
                    manifest = Manifest(
                        split=shard.split,
                        shard=shard.index,
                        start=shard.start,
                        stop=shard.stop,
                        files={name: known for name, known in files.items() if name not in measured},
                        failures=data.failures,
                        moments=moments,
                        summary=data.summary or {},
                        schema=self.layout.attributes["schema"],
                        run={**run, **self._told(), "files": {name: files[name] for name in measured}},
                    )
                    staged.add(manifests.name_of(shard), manifest.to_bytes())
                    if staged.place(manifests.name_of(shard)):
                        return manifest
                    continue
                self._clear(shard, staged, content)
        raise StoreError(f"shard {shard.name} is damaged again and again by another writer; stop it and run it again")

    def _told(self) -> dict[str, Any]:
        """For a manifest: which run made it, and by what, where that is not what began the store; without locks, a
        word that makes it unlike all others."""
        run = last_run(self.disk)
        token = {} if self.disk.locks else {WRITER: token_hex(16)}
        return {**self.made_with, **({RUN: run} if run else {}), **token}

    def _placed(self, shard: Shard, staged: Staged, content: Mapping[str, bytes]) -> dict[str, dict[str, Any]] | None:
        """Put the files of a shard in place; returns the fingerprints of those that are there now, or None where one of
        them is not what it should be."""
        files = {}
        placed = self.disk.each(lambda name: content[name] if staged.place(name) else self._read(name), content)
        for (name, mine), there in zip(content.items(), placed, strict=True):
            if there is None or not self._fits(shard, name, there, mine):
                return None
            files[name] = manifests.fingerprint(there)
        return files

    def _fits(self, shard: Shard, name: str, there: bytes, mine: bytes) -> bool:
        """Whether a file that is there can stand for the one that would be written."""
        part = self._measured(shard).get(name)
        return there == mine or (part is not None and is_alike(self.metadata, part, shard, there, mine))

    def _read(self, name: str) -> bytes | None:
        """A file, or None where it cannot be read."""
        try:
            return self.disk.read(name)
        except OSError:
            return None

    def _measured(self, shard: Shard) -> dict[str, ArrayLayout]:
        parts = self.layout.arrays_of(shard.split)
        return {shard_file(part, shard): part for part in parts if part.name in MEASURED}

    def _clear(self, shard: Shard, staged: Staged, content: Mapping[str, bytes]) -> None:
        """Replace what is there of a shard and cannot stay, and take its manifest away first.

        Nobody places another file meanwhile: a name that is taken is given to none but by who is alone.
        """
        self._require_own_root()
        try:
            with self.disk.alone(manifests.FOLDER):
                if not taken_out(self.disk, shard, self.files_of(shard)):
                    return
                for name, mine in content.items():
                    there = self._read(name) if self.disk.exists(name) else mine
                    if there is None or not self._fits(shard, name, there, mine):
                        staged.replace(name)
        except StoreBusy:
            return  # somebody else replaces it

    def fault_of(self, shard: Shard) -> str:
        """What is wrong with a shard, its manifest or a byte of its files; nothing if it is as it was certified."""
        return fault_of(self.disk, shard, self.files_of(shard))

    def take_out(self, shard: Shard) -> str:
        """Remove the manifest of a shard that has a fault, and tell the fault."""
        return take_out(self.disk, shard, self.files_of(shard))

    def moments(
        self, arrays: Mapping[str, NDArray[Any]], failures: Sequence[Mapping[str, Any]]
    ) -> dict[str, dict[str, Any]]:
        """The running statistics of the certified rows of a shard, per channel; of solutions around obstacles, those of
        the cells that are kept."""
        kept = self._kept(arrays)
        good = np.setdiff1d(np.arange(len(arrays["sample_id"])), [f["row"] for f in failures])
        found = {}
        for name in ("input", "solution"):
            channels = self.layout.attributes[f"{name}_channels"]
            values = arrays[name].reshape(len(arrays[name]), len(channels), -1)
            for number, channel in enumerate(channels):
                rows = (values[row, number] for row in good)
                if kept is not None and name == "solution":
                    rows = (values[row, number][kept[row]] for row in good)
                found[f"{name}/{channel}"] = Moments.of(rows).to_json()
        return found

    def _kept(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_] | None:
        """Which cells of every row are no part of an obstacle; None where there are none."""
        if SIDE not in self.layout.attributes.get("sides", ()):
            return None
        mask = arrays["input"][:, self.layout.attributes["input_channels"].index(MASK)]
        return np.asarray(mask.reshape(len(mask), -1) > 0.0)

    def finish(self) -> list[Manifest]:
        """Write the statistics of the whole store into its root, once no shard is missing."""
        found = [manifest for _, manifest in manifests.read_all(self.disk, self.layout.shards(), self.disk.each)]
        done = [manifest for manifest in found if manifest is not None]
        if len(done) < len(found):
            raise StoreError(f"{len(found) - len(done)} shards are missing; run generate again")
        root = self.finished_root(done)
        if self.disk.read(ROOT) != root:
            self._require_own_root()
            sync_folder(self.disk, manifests.FOLDER)  # whoever placed the last manifest may not have done so yet
            write_durably(self.disk, ROOT, root)
        return done

    def _require_own_root(self) -> None:
        """Raise StoreBusy where there are no locks and the store is by now that of another spec: a larger one, whose
        shards are not to be undone."""
        if self.disk.locks:
            return
        found = read_root(self.disk, str(self.disk))["attributes"]["spec_sha256"]
        if found != self.layout.attributes["spec_sha256"]:
            raise StoreBusy("the store has grown meanwhile; run it again")

    def finished_root(self, done: list[Manifest]) -> bytes:
        """The root metadata of the finished store, with the statistics of its first split."""
        stats = merge(m.moments for m in done if m.split == next(iter(self.layout.splits)))
        failed = sum(len(m.failures) for m in done)
        attributes = {**self.layout.attributes, "complete": True, "failed_samples": failed, **_estimated(done)}
        attributes["stats"] = stats
        return with_attributes(self.metadata[ROOT], attributes)


def _estimated(done: list[Manifest]) -> dict[str, dict[str, int]]:
    """How many certified samples of each split have their discretisation error estimated, where manifests tell."""
    if not all(ESTIMATED in m.summary for m in done):
        return {}
    splits = dict.fromkeys(m.split for m in done)
    return {"estimated_samples": {s: sum(m.summary[ESTIMATED] for m in done if m.split == s) for s in splits}}
