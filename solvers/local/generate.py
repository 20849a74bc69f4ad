"""From a spec to a finished store on this machine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import shuffle
from time import perf_counter
from typing import Any

from pdemill.addresses import Place, home
from pdemill.arrays import FOLDER as ARRAYS
from pdemill.errors import StoreError, StoreMismatch
from pdemill.progress import Failure, Summary, Tally, Watcher
from pdemill.sharing import Ending, Part
from pdemill.solvers import growing, lengthening
from pdemill.solvers.job import Job
from pdemill.solvers.local.pool import Event, Pool
from pdemill.solvers.local.resuming import require_same_draws
from pdemill.solvers.opening import keep_arrays, open_work, plan_work, worked_on
from pdemill.solvers.progress import Counts
from pdemill.solvers.trajectories.shard import LENGTHENED
from pdemill.spec.job import Spec
from pdemill.store.disk import TEMPORARY, Lock
from pdemill.store.layout import Shard
from pdemill.store.manifest import FOLDER, Manifest, read_all
from pdemill.store.placing import sweep
from pdemill.store.root import ROOT
from pdemill.store.runs import begin_run
from pdemill.store.store import Store


def generate(
    spec: Spec,
    out: str | Path,
    workers: int = 1,
    watcher: Watcher = lambda tally: None,
    other_versions: bool = False,
    lengthen: str | Path | None = None,
    part: Part | None = None,
    ending: Ending | None = None,
) -> Summary:
    """Solve every sample of ``spec`` into the store ``out``; a store that was begun is finished, one of a spec with
    smaller splits, or fewer, grows.

    ``workers`` processes share the work; 0 does it in this process. The result does not depend on it.
    ``other_versions``: go on with a store that others began, where the same inputs are drawn. ``lengthen``: a finished
    store of the first stored times, from which trajectories go on where that gives the same bits. ``part``: the part of
    the shards that this run takes, beside others; whoever finishes the last one finishes the store. ``ending``: when no
    further shard is begun.
    """
    begin = perf_counter()
    root = home(out, "the store to write")
    if part is not None and lengthen is not None:
        raise StoreError("a store is lengthened by one run, not part by part: leave out one of part and lengthen")
    ending = ending or Ending()
    with locked(root, shared=part is not None) as handles:
        job, store = open_work(root, spec)
        require_empty_or_ours(root, store)
        grown = None
        if part is None:
            store, grown = growing.grow(job, store, other_versions, require_same_draws)
        else:
            growing.require_grown(job, store)
        if lengthen is not None:
            if store.disk.exists(ROOT):
                store.check_same_job(other_versions=True)
            lengthening.begin(root, spec, home(lengthen, "the store to lengthen"))
        keep_arrays(job, root)
        job, store = plan_work(job, store)
        job, reason = lengthening.settle(job, store, root)
        if other_versions and store.made_with:
            require_same_draws(job, store)
        sweep(store.disk, alone=part is None)
        store.create(other_versions)
        shards = (part or Part()).of(list(store.layout.shards()))
        if missing := store.missing(shards):
            begin_run(store.disk)
        if not store.disk.locks:
            shuffle(missing)  # runs that do not know of each other seldom meet at a shard
        total = sum(map(len, shards))
        totals = _Totals(total, total - sum(map(len, missing)), watcher)
        if workers:
            with Pool(root, workers, handles) as pool:
                pool.run(missing, totals.add, ending)
        else:
            _work_here(job, store, missing, totals, ending)
        sweep(store.disk, alone=part is None)
        left = store.missing()
        if not left:
            store.finish()
            lengthening.end(store.disk)
        manifests = [found for _, found in read_all(store.disk, shards, store.disk.each) if found is not None]
    mine = sum(len(shard) for shard in left if shard in shards)
    kept, again = (grown.shards_kept, grown.samples_again) if grown else (0, 0)
    return Summary(
        str(root), total, tuple(_failures(manifests)), perf_counter() - begin, totals.cpu_seconds, totals.lengthened,
        reason or "", grown is not None, kept, again, left=mine, elsewhere=sum(map(len, left)) - mine,
    )  # fmt: skip


def _work_here(job: Job, store: Store, shards: Sequence[Shard], totals: _Totals, ending: Ending) -> None:
    """Finish shards in this process."""
    longest = 0.0
    for shard in shards:
        if ending.is_due(longest):
            return
        begin, counts = perf_counter(), Counts()
        totals.add(Event("finished", shard, worked_on(job, store, shard, 1, counts)))
        longest = max(longest, perf_counter() - begin)


@contextmanager
def locked(root: Place, shared: bool = False) -> Iterator[tuple[int, ...]]:
    """Hold the lock of a store's folder, which is made where it is not there; ``shared`` with other parts. Gives the
    handles that processes inherit which hold it too. In buckets there are no locks."""
    if not isinstance(root, Path):
        yield ()
        return
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = Lock(root, shared=shared)
    except OSError as error:
        raise StoreError(f"cannot make the folder {root}, or not write into it: {error.strerror}") from None
    with lock:
        yield (lock.handle,)


def require_empty_or_ours(root: Place, store: Store) -> None:
    """Refuse to write into a folder that holds something else."""
    if store.disk.exists(ROOT):
        return
    ours = {name.partition("/")[0] for name in store.metadata} | {FOLDER, ARRAYS}
    for name in sorted(store.disk.top()):
        if name not in ours and not name.endswith(TEMPORARY):
            raise StoreMismatch(f"{root} is not empty and holds no store (found {name}); choose another folder")


def _failures(manifests: Iterable[Manifest]) -> Iterable[Failure]:
    for manifest in manifests:
        for failure in manifest.failures:
            yield Failure(manifest.split, failure["sample"], f"{failure['result']}: {failure['reason']}")


class _Totals:
    """Adds up the events of the workers."""

    def __init__(self, total: int, done: int, watcher: Watcher) -> None:
        self._before, self._watcher = done, watcher
        self._shards: dict[str, dict[str, Any]] = {}
        self._restarts = 0
        self.lengthened = 0
        self._total = total
        self.cpu_seconds: dict[str, float] = defaultdict(float)
        watcher(self._tally())

    def add(self, event: Event) -> None:
        if event.kind == "restarted":
            self._restarts += 1
            self._shards.pop(event.shard.name, None)
        else:
            self._shards[event.shard.name] = event.details
        if event.kind == "finished":
            self.lengthened += event.details["run"].get(LENGTHENED, 0)
            for step, seconds in event.details["run"]["cpu_seconds"].items():
                self.cpu_seconds[step] += seconds
        self._watcher(self._tally())

    def _tally(self) -> Tally:
        totals = {key: sum(s[key] for s in self._shards.values()) for key in ("done", "failed", "iterations")}
        return replace(
            Tally(self._total), done=self._before + totals["done"], failed=totals["failed"], solved=totals["done"],
            iterations=totals["iterations"], restarts=self._restarts,
        )  # fmt: skip
