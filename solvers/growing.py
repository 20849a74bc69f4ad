"""Growing a store: the spec of a store with larger splits, or with more of them.

Shards of samples that are all there stay as they are. The last shard of a split that grows has other samples now and is
made again; so are shards whose certificates would come out otherwise beside more samples (``Job.keeps``). What comes
out is, but for measured times, the store that the larger spec gives at once under the same plan.

A store grows in its place: what cannot stay loses its manifest, then the root is replaced, and the rest is what is done
for any unfinished store. On a server a larger store takes the shards of a smaller one over, by hard links.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from os.path import relpath
from pathlib import Path
from typing import Any

from pdemill.errors import StoreBusy, StoreMismatch
from pdemill.planning import is_plan
from pdemill.solvers.job import Job
from pdemill.spec.job import Spec
from pdemill.spec.load import stored_in
from pdemill.store.disk import NO_LINKS, LocalDisk
from pdemill.store.layout import MEASURED, SCHEMA, Shard
from pdemill.store.manifest import FOLDER, name_of
from pdemill.store.placing import make_folders, remove, sync_folder, write_durably, write_once
from pdemill.store.root import ROOT, attributes_of, read_attributes
from pdemill.store.store import Store

FILE = f"{FOLDER}/grows.json"
"""Names, in a store that is to be made, the smaller one whose shards it takes over; it is gone once it has them."""


@dataclass(frozen=True)
class Grown:
    """How a store has grown: whole shards that stay, and samples that are solved again."""

    shards_kept: int
    samples_again: int


def smaller_splits(spec: Spec, attributes: Mapping[str, Any]) -> dict[str, int] | None:
    """The splits of a store, at all fidelities, where the spec has the same ones larger, or more of them; None where
    the store is of this spec, or of one that differs in something else. Raises StoreMismatch where splits differ in
    another way."""
    if attributes["spec_sha256"] == spec.sha256():
        return None
    stored = stored_in(attributes)
    if not spec.model_copy(update={"each_split": stored.each_split}).means(stored):
        return None
    for name, had in stored.each_split.items():
        if spec.splits.get(name, 0) < had.samples:
            wanted = f"{spec.splits[name]} of them" if name in spec.splits else "none"
            raise StoreMismatch(
                f"the store has {had.samples} samples of {name}, and the spec asks for {wanted}: splits can only grow"
            )
        split = spec.each_split[name]
        if split.model_copy(update={"samples": had.samples}) != had:
            raise StoreMismatch(f"the split {name} of the store has another problem or design of its own")
        if split.samples > had.samples and had.design is not None and not had.design.extensible:
            raise StoreMismatch(
                f"the samples of {name} are placed by {had.design.method}, which cannot be extended; make another store"
            )
    first, old = next(iter(spec.splits)), next(iter(stored.splits))
    if first != old:
        raise StoreMismatch(
            f"the split {first} would come before {old}, the first one of the store, on whose samples its plan and its "
            f"statistics rest: give it a later name, or make another store"
        )
    if attributes["schema"] != SCHEMA:
        raise StoreMismatch("the store was made by a version in whose stores splits cannot grow; make another")
    return dict(stored.groups)


def require_larger(spec: Spec, attributes: Mapping[str, Any], called: str) -> None:
    """Raise StoreMismatch unless a spec differs from that of a store in larger splits alone, or in more of them."""
    if smaller_splits(spec, attributes) is None:
        raise StoreMismatch(f"{called} is of the same spec, or of one that differs in more than its splits")


def require_grown(job: Job, store: Store) -> None:
    """Raise StoreMismatch for a store that would have to grow first."""
    if store.disk.exists(ROOT):
        attributes = json.loads(store.disk.read(ROOT)).get("attributes", {})
        if "spec_sha256" in attributes and smaller_splits(job.spec, attributes) is not None:
            raise StoreMismatch(
                "the store has smaller splits, and grows by one run: begin that without a part (--until 0s ends it at "
                "once), then start the parts"
            )


def as_smaller(store: Store, splits: Mapping[str, int], attributes: Mapping[str, Any]) -> Store:
    """The store as it was before it grew."""
    told = {**store.layout.attributes, "spec": attributes["spec"], "spec_sha256": attributes["spec_sha256"]}
    return Store(store.disk, replace(store.layout, splits=splits, attributes=told))


def grow(
    job: Job, store: Store, other_versions: bool, compare: Callable[[Job, Store], None]
) -> tuple[Store, Grown | None]:
    """Let a store that is there grow to the splits of its job, where that is all in which they differ; what other
    versions have made is ``compare``d first with what is drawn here.

    Killed at any moment, it leaves the smaller store, whose last shards may be missing, or the larger one, unfinished.
    """
    if not store.disk.exists(ROOT):
        return store, None
    root = store.disk.read(ROOT)
    attributes = json.loads(root).get("attributes", {})
    if "spec_sha256" not in attributes or (splits := smaller_splits(job.spec, attributes)) is None:
        return store, None
    here = as_smaller(store, splits, attributes)
    here.check_same_job(other_versions)
    store = store.as_begun(attributes["spec_sha256"])
    _require_same_plan(job, store, attributes)
    if other_versions and store.made_with:
        compare(job, here)
    make_folders(store.disk, FOLDER)
    with store.disk.alone(FOLDER):
        stays, goes = _sorted(job, store, here, splits)
        again = [shard for shard in goes if here.finished(shard)]
        kept = sum(map(here.finished, stays))
        measured = [  # of fewer samples, they would be taken for all
            name
            for shard in goes
            for part, name in zip(store.layout.arrays_of(shard.split), here.files_of(shard), strict=True)
            if part.name in MEASURED and store.disk.exists(name)
        ]
        if store.disk.read(ROOT) != root:  # without locks; from here on, what was seen is removed and nothing else
            raise StoreBusy("the store is made to grow by another pdemill just now; run it again")
        for shard in goes:
            remove(store.disk, name_of(shard))
        sync_folder(store.disk, FOLDER)
        for name in measured:
            remove(store.disk, name)
            sync_folder(store.disk, name.rpartition("/")[0])
        write_durably(store.disk, ROOT, store.metadata[ROOT])
    return store, Grown(kept, sum(map(len, again)))


def _require_same_plan(job: Job, store: Store, attributes: Mapping[str, Any]) -> None:
    """Raise StoreMismatch where new splits have problems that the method of the store does not solve."""
    for name in job.fidelities():
        now, then = (attributes_of(of, f"@{name}")["plan"] for of in (store.layout.attributes, attributes))
        if now != then:
            at = f" at fidelity {name}" if name else ""
            raise StoreMismatch(
                f"the samples of the store are solved by {_plan(then)}{at}, and with the new splits by {_plan(now)}: "
                f"make another store"
            )


def _plan(plan: Mapping[str, Any]) -> str:
    return f"{plan['method']} (refined by {plan['refined']})" if "refined" in plan else str(plan["method"])


def _sorted(job: Job, store: Store, smaller: Store, splits: Mapping[str, int]) -> tuple[list[Shard], list[Shard]]:
    """The shards of the smaller store that stay, and those that are made again."""
    wanted = set(store.layout.shards())
    stays, goes = list[Shard](), list[Shard]()
    for shard in smaller.layout.shards():
        (stays if shard in wanted and job.keeps(shard, splits) else goes).append(shard)
    return stays, goes


def begin(root: Path, smaller: Path) -> None:
    """Note in a store that is to be made that it takes over the shards of a smaller one."""
    disk = LocalDisk(root)
    make_folders(disk, FOLDER)
    write_durably(disk, FILE, (json.dumps({"store": relpath(smaller.resolve(), root.resolve())}) + "\n").encode())


def begun(root: Path) -> Path | None:
    """The smaller store that a store takes over from, whose plan it now has; None where there is none, or none any
    more."""
    disk = LocalDisk(root)
    if not disk.exists(FILE) or disk.exists(ROOT):
        return None
    smaller: Path = root / json.loads(disk.read(FILE))["store"]
    if not (smaller / ROOT).exists():
        return None
    for path in (smaller / FOLDER).glob("plan*.json"):
        if is_plan(name := f"{FOLDER}/{path.name}"):
            write_once(disk, name, path.read_bytes())
    return smaller


def take_over(job: Job, store: Store, root: Path, smaller: Path) -> str:
    """Link the whole shards of a smaller store into one that is to be made; why none was taken, in words."""
    attributes = read_attributes(smaller)
    splits = smaller_splits(job.spec, attributes)
    there = as_smaller(store, splits or {}, attributes)
    there.disk = LocalDisk(smaller)
    if splits is None or store.here.difference(type(store.here).of(attributes)):
        return "the smaller store is another by now"
    if any(attributes.get(key) != job.layout.attributes.get(key) for key in ("plan", "fidelities")):
        return "the smaller store was solved by another plan"
    shared = {name: data for name, data in there.metadata.items() if "/c/" in name}
    if any((smaller / name).read_bytes() != data for name, data in shared.items()):
        return "the smaller store has another mesh"
    disk = LocalDisk(root)
    for shard in filter(there.finished, _sorted(job, store, there, splits)[0]):
        for name in [*store.files_of(shard), name_of(shard)]:
            _link(smaller, disk, name)
    return ""


def _link(source: Path, disk: LocalDisk, name: str) -> None:
    """Give a file of another store a name in this one, or copy it where that cannot be; durably."""
    folder = name.rpartition("/")[0]
    make_folders(disk, folder)
    try:
        (disk.root / name).hardlink_to(source / name)
    except FileExistsError:
        return
    except OSError as error:
        if error.errno not in {*NO_LINKS, errno.EXDEV}:
            raise
        write_once(disk, name, (source / name).read_bytes())
    sync_folder(disk, folder)


def end(root: Path) -> None:
    """Forget the smaller store."""
    disk = LocalDisk(root)
    if disk.exists(FILE):
        remove(disk, FILE)
