"""Describes the store of a finished job, and deletes it on request."""

from __future__ import annotations

from functools import partial

from pdemill.addresses import Place
from pdemill.errors import StoreBusy, StoreError
from pdemill.service.graves import bury
from pdemill.service.ledger import UNFINISHED, Dataset, JobRecord
from pdemill.service.problems import Refusal
from pdemill.service.snippets import snippets
from pdemill.service.state import AppState, find_store
from pdemill.service.stores import is_begun
from pdemill.service.views import (
    FlagCount,
    Results,
    ShardEntry,
    SplitSummary,
    StoreLocation,
    mend_words,
    store_url,
    trial_view,
)  # fmt: skip
from pdemill.store.flags import flags_of
from pdemill.store.manifest import Manifest, is_finished, name_of, read_all
from pdemill.store.places import disk_at
from pdemill.store.root import read_attributes, read_root, shards_of, splits_of
from pdemill.store.store import ESTIMATED


def results_view(state: AppState, job: JobRecord, dataset: Dataset, base: str) -> Results:
    """A finished store, from its attributes and manifests."""
    if job.status in UNFINISHED:
        raise Refusal(409, f"the job is {job.status}; its results are not there yet", headers={"Retry-After": "1"})
    if dataset.status in UNFINISHED:
        words = mend_words(state.ledger.mended(dataset.id)) or "its store is being worked on"
        raise Refusal(409, words, headers={"Retry-After": "1"})
    root = find_store(state, dataset.id)
    if not is_begun(root):
        raise Refusal(404, "the job has no store; it was deleted, or never begun")
    attributes = read_attributes(root)
    if not attributes["complete"]:
        raise Refusal(409, "the store is not finished; submit the spec again to finish it")
    splits, shards, disk = splits_of(attributes), shards_of(attributes), disk_at(root)
    found = [(shard, manifest) for shard, manifest in read_all(disk, shards, disk.each) if manifest is not None]
    manifests = [manifest for _, manifest in found]
    url = store_url(dataset.id)
    return Results(
        store=StoreLocation(path=str(root), url=url),
        spec=attributes["spec"],
        spec_sha256=attributes["spec_sha256"],
        versions=attributes["versions"],
        plan=attributes["plan"],
        trial=trial_view(root),
        splits=[_summary(split, samples, manifests) for split, samples in splits.items()],
        stats=attributes["stats"],
        worst_residual=_worst(manifests, "worst_residual"),
        worst_estimate=_worst(manifests, "worst_estimate"),
        flagged=sum(int(m.summary.get("flagged", 0)) for m in manifests),
        flags=_flags(root, next(iter(splits)), manifests),
        iterations=sum(int(m.summary.get("iterations", 0)) for m in manifests),
        cpu_seconds=round(sum(sum(m.run.get("cpu_seconds", {}).values()) for m in manifests), 3),
        bytes=sum(m.length for m in manifests),
        shards=[
            ShardEntry(
                name=shard.name, split=shard.split, start=shard.start, stop=shard.stop,
                manifest=f"{url}/{name_of(shard)}",
            )
            for shard, _ in found
        ],
        snippets={
            snippet.name: snippet.text
            for snippet in snippets(str(root), base + url, next(iter(splits)), keyed=not state.keys.open)
        },
    )  # fmt: skip


def _flags(root: Place, split: str, manifests: list[Manifest]) -> list[FlagCount]:
    """The flags of all shards together, as the store names them."""
    names = flags_of(read_root(disk_at(root), root)["consolidated_metadata"]["metadata"], split)
    counts = {name: sum(int(m.summary.get("flags", {}).get(name, 0)) for m in manifests) for name in names.masks}
    return [FlagCount(flag=name, meaning=names.texts[name], samples=n) for name, n in counts.items() if n]


def _summary(split: str, samples: int, manifests: list[Manifest]) -> SplitSummary:
    certified = sum(m.certified for m in manifests if m.split == split)
    told = [m.summary[ESTIMATED] for m in manifests if m.split == split and ESTIMATED in m.summary]
    estimated = sum(told) if told else None
    return SplitSummary(
        split=split, samples=samples, certified=certified, failed=samples - certified, estimated=estimated
    )


def _worst(manifests: list[Manifest], name: str) -> float | None:
    """The largest of a number that manifests summarise."""
    return max((m.summary[name] for m in manifests if m.summary.get(name) is not None), default=None)


def is_damaged(root: Place) -> bool:
    """Whether a finished store, or one of its shards, is gone, cut short, or not what pdemill writes."""
    if not is_begun(root):
        return True
    try:
        attributes, disk = read_attributes(root), disk_at(root).overview()
        return not all(disk.each(partial(is_finished, disk), shards_of(attributes)))
    except (StoreError, ValueError, TypeError, KeyError, AttributeError, IsADirectoryError):
        return True


def delete_store(state: AppState, job: JobRecord, dataset: Dataset) -> None:
    """Give a finished job up, and delete its store unless another job is on it.

    Raises Refusal while somebody writes it.
    """
    try:
        find_store(state, dataset.id)
        bury(state.settings, dataset.id, partial(state.ledger.give_up, job.owner, job.id))
    except StoreBusy:
        raise Refusal(409, "the store is being written", headers={"Retry-After": "5"}) from None
