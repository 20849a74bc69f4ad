"""Checking a finished store again: its bytes, and its certificates against the equation."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pdemill import planning
from pdemill.errors import CorruptStore, PdemillError
from pdemill.spec.audit import objection
from pdemill.store import manifest as manifests
from pdemill.store.disk import Disk, LocalDisk
from pdemill.store.layout import Shard
from pdemill.store.manifest import Manifest
from pdemill.store.root import ROOT, read_attributes
from pdemill.store.store import Store, check_files
from solvers.certify import relative_residual, rounding_residual
from solvers.job import Job
from solvers.opening import AnyJob, open_work
from solvers.solution import Result


@dataclass(frozen=True)
class Verification:
    """What ``verify`` found. ``content`` is equal for two stores exactly when they hold the same data:
    it leaves out nothing but measured times."""

    samples: int
    certificates: int
    faults: tuple[str, ...]
    content: str
    audits: tuple[float, ...] = ()
    """The relative errors that walks found, one per label audited; NaN where they cannot tell."""

    @property
    def ok(self) -> bool:
        return not self.faults

    def __str__(self) -> str:
        state = "all is as it was certified" if self.ok else f"{len(self.faults)} fault(s)"
        certificates = f"{self.certificates} certificates recomputed from the spec"
        return f"{self.samples} samples, {certificates}{self._walked()}: {state}\ncontent {self.content}"

    def _walked(self) -> str:
        known = [error for error in self.audits if not math.isnan(error)]
        worst = f", worst error {max(known):.1e}" if known else ""
        return f", {len(known)} of {len(self.audits)} labels audited{worst}" if self.audits else ""


def verify(store: str | Path, samples: int | None = None, audit: int = 0) -> Verification:
    """Check hashes of all files, then draw and assemble samples anew and recompute their residuals.

    Of a pointwise store, the labels at CHECKED_POINTS points of each sample are walked anew and must be the same bits.
    A stored solution u, rounded to the store's type, passes when ||b - A u|| / ||b|| is at most
    rtol + eps || |A||u| || / ||b||, the most that rounding can add.
    ``samples``: how many per split, spread evenly; default all.
    ``audit``: so many labels per split are measured against the continuous equation by random walks, with the options
    of the spec's ``certify.audit`` or its defaults. Raises PdemillError where that is not possible.
    """
    root = Path(store)
    job, making = open_work(root)
    if audit and (complaint := objection(job.problem)):
        raise PdemillError(f"an audit {complaint}")
    disk = LocalDisk(root)
    attributes = read_attributes(root)
    layout = replace(making.layout, attributes={**making.layout.attributes, "versions": attributes["versions"]})
    written = Store(disk, layout)
    faults: list[str] = [f"{name} is not as it was written" for name in _changed_metadata(written)]
    total = done = 0
    errors: list[float] = []
    finished: list[Manifest] = []
    group = zarr.open_group(root, mode="r")
    for shard, manifest in manifests.read_all(disk, making.layout.shards()):
        if manifest is None:
            faults.append(f"shard {shard.name} is missing: run generate again")
            continue
        finished.append(manifest)
        total += manifest.certified
        faults += [f"sample {f['sample']} of {shard.split} failed: {f['reason']}" for f in manifest.failures]
        try:
            check_files(disk, shard, manifest)
        except CorruptStore as error:
            faults.append(str(error))
            continue
        chosen = _chosen(shard, manifest, samples, making.layout.splits[shard.split])
        done += len(chosen)
        faults += _check(job, group, shard, chosen)
        walked = _chosen(shard, manifest, audit, making.layout.splits[shard.split])
        if isinstance(job, Job) and walked.size:
            found, told = _audit(job, group, shard, walked)
            errors += found
            faults += told
    if attributes["complete"] and disk.read(ROOT) != written.finished_root(finished):
        faults.append(f"{ROOT} is not as it was written: its attributes do not follow from spec and manifests")
    return Verification(total, done, tuple(faults), content_hash(disk), tuple(errors))


def _changed_metadata(store: Store) -> list[str]:
    return [
        name
        for name, data in store.metadata.items()
        if name != ROOT and (not store.disk.exists(name) or store.disk.read(name) != data)
    ]


def _chosen(shard: Shard, manifest: Manifest, samples: int | None, of: int) -> NDArray[np.intp]:
    """The rows of a shard whose certificates are recomputed."""
    failed = [f["row"] for f in manifest.failures]
    rows = np.setdiff1d(np.arange(len(shard)), failed)
    if samples is None or samples >= of:
        return rows
    wanted = np.unique(np.linspace(0, of - 1, samples).round().astype(int)) if samples else np.empty(0, dtype=int)
    return np.intersect1d(rows, wanted - shard.start)


def _check(job: AnyJob, group: zarr.Group, shard: Shard, rows: NDArray[np.intp]) -> list[str]:
    if isinstance(job, Job):
        return _check_certificates(job, group, shard, rows)
    from solvers.walks.check import check_labels  # late: only pointwise stores load compiled walks

    return check_labels(job, group, shard, rows)


def _check_certificates(job: Job, group: zarr.Group, shard: Shard, rows: NDArray[np.intp]) -> list[str]:
    faults = []
    dtype, rtol = job.spec.store.dtype, job.method.rtol
    part: Any = group[shard.split]
    span = slice(shard.start, shard.stop)
    columns = {name: part[name][span] for name in ("input", "solution", "rel_residual", "sample_id")}
    for row in rows.tolist():
        sample = shard.start + row
        where = f"sample {sample} of {shard.split}"
        instance = job.instance(shard.split, sample)
        system = job.discretisation.assemble(instance)
        unknowns = job.discretisation.to_unknowns(columns["solution"][row, 0].astype(np.float64))
        found = relative_residual(system, unknowns)
        allowed = rtol + rounding_residual(system, unknowns, dtype)
        if columns["sample_id"][row] != sample:
            faults.append(f"{where}: stored under the number {columns['sample_id'][row]}")
        if not columns["rel_residual"][row] <= rtol:
            faults.append(f"{where}: its certificate {columns['rel_residual'][row]:.1e} is above rtol {rtol:g}")
        if not found <= allowed:
            faults.append(f"{where}: residual {found:.1e} of the stored solution is above {allowed:.1e}")
        if not np.array_equal(job.inputs(instance, system).astype(dtype), columns["input"][row]):
            faults.append(f"{where}: its input is not what the spec draws")
    return faults


def _audit(job: Job, group: zarr.Group, shard: Shard, rows: NDArray[np.intp]) -> tuple[list[float], list[str]]:
    """The errors of some stored labels, and what is wrong with them."""
    from solvers.audit import audit_labels  # late: only audits load compiled walks

    part: Any = group[shard.split]
    labels = np.stack([part["solution"][shard.start + row, 0] for row in rows.tolist()])
    numbers = shard.start + rows
    errors, faults = [], []
    for number, found in zip(numbers.tolist(), audit_labels(job, shard.split, numbers, labels), strict=True):
        errors.append(math.nan if found is None else found.error)
        if found is not None and found.flagged:
            faults.append(f"sample {number} of {shard.split}: {Result.DISAGREES.value} ({found.complaint})")
    return errors, faults


def content_hash(disk: Disk) -> str:
    """A hash of everything in a store but measured times."""
    total = sha256()
    for name in disk.names():
        if "/solve_seconds/c/" in f"/{name}" or name == planning.FILE:
            continue
        data = disk.read(name)
        if name.startswith(f"{manifests.FOLDER}/"):
            data = json.dumps(Manifest(**json.loads(data)).lasting(), sort_keys=True).encode()
        total.update(sha256(name.encode()).digest() + sha256(data).digest())
    return total.hexdigest()
