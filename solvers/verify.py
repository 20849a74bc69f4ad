"""Checking a finished store again: its bytes, and its certificates against the equation."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pdemill import planning
from pdemill.addresses import home
from pdemill.errors import PdemillError, StoreError
from pdemill.solvers.job import Job
from pdemill.solvers.threads import one_thread
from pdemill.solvers.verification.again import resolved_faults
from pdemill.solvers.verification.files import array_faults, metadata_faults, root_faults, stray_files
from pdemill.solvers.verification.manifests import file_faults, moment_faults, row_faults, summary_faults
from pdemill.solvers.verification.origin import Origins, opened
from pdemill.spec.audit import objection
from pdemill.store import manifest as manifests
from pdemill.store import runs
from pdemill.store.certified import check_files
from pdemill.store.decode import ShardRows, decode
from pdemill.store.disk import Disk
from pdemill.store.layout import Shard
from pdemill.store.manifest import Manifest
from pdemill.store.root import ROOT, read_attributes, without_description
from pdemill.store.store import Store
from pdemill.verification import Verification


@one_thread()
def verify(
    store: str | Path, samples: int | None = None, audit: int = 0, resolve: bool = False, refine: int = 0
) -> Verification:
    """Check all files of a store, then draw and assemble samples anew and recompute what follows from them.

    Recomputed are what was drawn, residuals, discretisation errors, statistics; of a pointwise store, the labels at
    CHECKED_POINTS points of each sample. A stored solution u, rounded to the store's type, passes when
    ||b - A u|| / ||b|| is at most rtol + eps || |A||u| || / ||b||, the most that rounding can add, and by a correction
    it is off by at most twice its ``stored_error``.
    Bits are compared where the store was made by this software on this kind of machine, else values to rounding.

    ``samples``: how many per split, spread evenly; default all.
    ``audit``: so many labels per split are measured against the continuous equation by random walks, with the options
    of the spec's ``certify.audit`` or its defaults. Raises PdemillError where that is not possible.
    ``refine``: the discretisation error of so many samples per split is estimated for which the job did not; one above
    ``certify.error_rtol`` is a fault. Raises PdemillError where that is not possible.
    ``resolve``: the shards of these samples are solved again, every array must come out as it is stored.
    """
    root = home(store, "the store to verify")
    attributes = read_attributes(root)
    job, making, unchecked = opened(root, attributes)
    if audit and (complaint := objection(job.problem)):
        raise PdemillError(f"an audit {complaint}")
    if refine and (complaint := job.problem.discretisation.unestimated(job.problem)):
        raise PdemillError(f"an estimate {complaint}")
    asked = _Asked(job, making, samples, audit, resolve, refine, Origins(attributes, making.here))
    for shard in making.layout.shards():
        asked.check(shard)
    whole = len(asked.finished) == len(list(making.layout.shards()))
    ids = job.spec.array_ids
    faults = [*metadata_faults(making), *stray_files(making, ids), *array_faults(root, ids), *asked.faults]
    faults += root_faults(making, attributes, asked.finished, whole)
    return Verification(
        asked.certified, asked.recomputed, tuple(faults), content_hash(making.disk), tuple(asked.errors),
        asked.unchecked() + unchecked, asked.origins.notes(), asked.resolved, tuple(asked.estimates),
    )  # fmt: skip


@dataclass
class _Asked:
    """What is asked of a store, and what was found so far."""

    job: Job
    store: Store
    samples: int | None
    audit: int
    resolve: bool
    refine: int
    origins: Origins
    faults: list[str] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    estimates: list[float] = field(default_factory=list)
    others: dict[str, NDArray[np.intp]] = field(default_factory=dict)
    finished: list[Manifest] = field(default_factory=list)
    certified: int = 0
    recomputed: int = 0
    resolved: int = 0

    def check(self, shard: Shard) -> None:
        """Check one shard; nothing that its files hold makes this raise."""
        try:
            manifest = manifests.read(self.store.disk, shard)
            if manifest is None:
                self.faults.append(f"shard {shard.name} is missing: run generate again")
                return
            self.finished.append(manifest)
            self.certified += manifest.certified
            self.faults += [f"sample {f['sample']} of {shard.split} failed: {f['reason']}" for f in manifest.failures]
            self.faults += file_faults(self.store, shard, manifest)
            check_files(self.store.disk, shard, manifest)
            names = self.store.files_of(shard)
            files = dict(zip(names, self.store.disk.each(self.store.disk.read, names), strict=True))
            found = decode(self.store.layout, self.store.metadata, shard, files)
        except StoreError as error:
            self.faults.append(str(error))
        except OSError as error:
            self.faults.append(f"{error.filename} cannot be read: {error.strerror}")
        else:
            self.job.part(shard.split)[0].here = self.origins.noted(shard, manifest)
            self._check_rows(shard, manifest, found)

    def _check_rows(self, shard: Shard, manifest: Manifest, found: ShardRows) -> None:
        self.faults += row_faults(shard, manifest, found.arrays)
        self.faults += summary_faults(self.job, shard, manifest, found.arrays, self.samples is None)
        if self.samples is None:
            self.faults += moment_faults(self.store, shard, manifest, found.arrays)
        chosen = self._chosen(shard, manifest, self.samples)
        self.recomputed += len(chosen)
        self.faults += self.job.check(found.group, shard, chosen)
        walked = self._chosen(shard, manifest, self.audit)
        if walked.size:
            errors, told = self.job.audit(found.group, shard, walked)
            self.errors += errors
            self.faults += told
        if self.refine:
            self._estimate(shard, manifest, found)
        if self.resolve and (chosen.size or self.samples is None):
            self.resolved += 1
            self.faults += resolved_faults(self.job, shard, manifest, found.arrays)

    def _estimate(self, shard: Shard, manifest: Manifest, found: ShardRows) -> None:
        """Estimate the discretisation errors of some rows of a shard for which the job did not."""
        rows = np.intersect1d(_certified(shard, manifest), self._others(shard.split) - shard.start)
        limit = self.job.part(shard.split)[0].spec.certify.error_rtol
        estimates = self.job.estimate(found.group, shard, rows) if rows.size else []
        for number, error in zip((shard.start + rows).tolist(), estimates, strict=True):
            if limit is not None and error > limit:
                self.faults.append(
                    f"sample {number} of {shard.split}: its discretisation error, estimated now, is {error:.1e}, above "
                    f"certify.error_rtol {limit:g}"
                )
        self.estimates += estimates

    def _others(self, split: str) -> NDArray[np.intp]:
        """The samples of a split to estimate: spread evenly over those for which the job did not."""
        if split not in self.others:
            shards = [shard for shard in self.store.layout.shards() if shard.split == split]
            drawn = [shard.start + self.job.estimated_already(shard) for shard in shards]
            left = np.setdiff1d(np.arange(self.store.layout.splits[split]), np.concatenate(drawn))
            self.others[split] = left[_spread(len(left), self.refine)]
        return self.others[split]

    def _chosen(self, shard: Shard, manifest: Manifest, samples: int | None) -> NDArray[np.intp]:
        """The rows of a shard whose certificates are recomputed."""
        rows = _certified(shard, manifest)
        of = self.store.layout.splits[shard.split]
        return rows if samples is None else np.intersect1d(rows, _spread(of, samples) - shard.start)

    def unchecked(self) -> tuple[str, ...]:
        """What was not checked, in words."""
        found = []
        if self.samples is not None:
            found += ["other samples than these", "statistics of channels"]
        if not self.resolve:
            found += [f"{what} (--resolve does)" for what in self.job.resolved_only]
        elif self.origins.elsewhere:
            found += [f"{what} (made elsewhere)" for what in self.job.resolved_only]
        return (*found, "measured times")


def _certified(shard: Shard, manifest: Manifest) -> NDArray[np.intp]:
    """The rows of a shard that have a solution."""
    return np.setdiff1d(np.arange(len(shard)), [f["row"] for f in manifest.failures])


def _spread(of: int, wanted: int) -> NDArray[np.intp]:
    """So many numbers below ``of``, spread evenly."""
    if wanted >= of:
        return np.arange(of)
    return np.unique(np.linspace(0, of - 1, wanted).round().astype(np.intp)) if wanted else np.empty(0, dtype=np.intp)


def content_hash(disk: Disk) -> str:
    """A hash of everything in a store but measured times, and what later versions tell of it besides."""

    def hashes(name: str) -> bytes:
        try:
            data = _lasting(name, disk.read(name))
        except OSError:
            return b""
        return sha256(name.encode()).digest() + sha256(data).digest()

    total = sha256()
    for found in disk.each(hashes, filter(_lasts, disk.names())):
        total.update(found)
    return total.hexdigest()


def _lasts(name: str) -> bool:
    """Whether a file, or a part of it, is the same in every run."""
    return not ("/solve_seconds/c/" in f"/{name}" or planning.is_plan(name) or name == runs.FILE)


def _lasting(name: str, data: bytes) -> bytes:
    """The part of a file that is the same in every run; all of a manifest that is none."""
    if name == ROOT:
        return without_description(data)
    if not name.startswith(f"{manifests.FOLDER}/"):
        return data
    try:
        return json.dumps(Manifest.parse(data).lasting(), sort_keys=True).encode()
    except ValueError:
        return data
