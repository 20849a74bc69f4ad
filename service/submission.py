"""From a request's body to a data set that can be queued, within the limits."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from pdemill.errors import Fault, SpecError
from pdemill.service.keys import Owner
from pdemill.service.ledger import Dataset
from pdemill.service.limits import most_bytes
from pdemill.service.problems import Refusal
from pdemill.service.state import AppState
from pdemill.solvers.estimate import Cost, estimate
from pdemill.solvers.software import software
from pdemill.spec.job import Spec
from pdemill.spec.load import validate

MOST_SHARDS = 100_000
"""The coordinator knows every shard of the data sets under way."""


def check(state: AppState, body: dict[str, Any]) -> tuple[Spec, Cost]:
    """The spec in a body and what it costs. Raises SpecError."""
    spec = validate(body)
    cost = estimate(spec)
    if cost.bytes > state.settings.max_bytes:
        limit = state.settings.max_bytes
        message = f"its store would have {cost.bytes:,} bytes, more than the limit of {limit:,} (PDEMILL_MAX_BYTES)"
        raise SpecError([Fault(("splits",), message)])
    if cost.shards > MOST_SHARDS:
        message = f"its store would have {cost.shards:,} shards, more than {MOST_SHARDS:,}; choose a larger store.shard"
        raise SpecError([Fault(("splits",), message)])
    most = state.coordinator.most_memory()
    if most is not None and cost.memory > most:
        raise SpecError([_too_large(cost, most)])
    return spec, cost


def _too_large(cost: Cost, most: int) -> Fault:
    """The fault of a spec for which no worker has the memory."""
    needed = f"a worker would need about {cost.memory:,} bytes of memory, more than the {most:,} that any may use"
    if cost.factor_bytes > cost.memory / 2:
        why = f"most of them for the factors of {cost.method}; choose another solver.method, or a coarser resolution"
        return Fault(("solver", "method"), f"{needed} (PDEMILL_WORKER_MEMORY), {why}")
    if cost.recycled_bytes > cost.memory / 2:
        why = f"most of them for recycled vectors of {cost.method}; choose a smaller solver.recycle and solver.restart"
        return Fault(("solver", "recycle"), f"{needed} (PDEMILL_WORKER_MEMORY), {why}")
    return Fault(
        ("problem",), f"{needed} (PDEMILL_WORKER_MEMORY); choose a coarser resolution or a smaller store.shard"
    )


def dataset_of(spec_sha256: str) -> str:
    """The id of the data set of a spec: equal for equal specs under equal software, whoever asks for it."""
    key = json.dumps([spec_sha256, software()], sort_keys=True)
    return sha256(key.encode()).hexdigest()[:24]


def work_of(spec: Spec, unknowns: int) -> int:
    """Samples x unknowns at all fidelities; ``unknowns``: of a sample at the spec's own."""
    each = sum(spec.splits.values())
    return each * (unknowns + sum(spec.at(name).problem.size for name in spec.fidelities))


def queued(spec: Spec, cost: Cost) -> Dataset:
    """The data set of a spec as it is first written down."""
    meaning = spec.sha256()
    return Dataset(
        id=dataset_of(meaning),
        spec=spec.canonical(),
        spec_sha256=meaning,
        samples=spec.samples,
        work=work_of(spec, cost.unknowns),
        status="accepted",
        message="",
        done=0,
        failed=0,
        queued=time.time(),
        started=None,
        finished=None,
        seconds=cost.cpu_seconds,
        memory=cost.memory,
        bytes=cost.bytes,
        shards=cost.shards,
    )


def check_room(state: AppState, owner: Owner, dataset: Dataset, before: Sequence[Dataset] = ()) -> None:
    """Raise Refusal if one more job is too many, for the server or for its owner; ``before``: data sets that are
    queued with it and not written down yet."""
    asked, ids = (*before, dataset), (dataset.id, *(one.id for one in before))
    size, work = sum(one.bytes for one in asked), sum(one.work for one in asked)
    if "drained" in state.ledger.switches():
        raise Refusal(503, "the server takes no new jobs for now; try again later", headers={"Retry-After": "60"})
    if state.ledger.load().jobs + len(before) >= state.settings.max_queue:
        raise Refusal(429, "the queue is full; try again later", headers={"Retry-After": "60"})
    free = state.settings.free_bytes()
    if free is not None and size > free:
        raise Refusal(507, f"its store may have {size:,} bytes, and the disk of the data directory has {free:,} left")
    most = most_bytes(state.settings, owner)
    if most is not None and (stored := state.ledger.stored(owner.name, *ids) + size) > most:
        raise Refusal(
            403, f"with this job the stores of {owner.name} could have {stored:,} bytes, more than the "
            f"{most:,} that it may have; delete some of them first (DELETE /v1/jobs/ID?delete_store=true)",
        )  # fmt: skip
    if owner.max_jobs is None and owner.max_unknowns is None:
        return
    load = state.ledger.load(owner.name)
    if owner.max_jobs is not None and load.jobs + len(before) >= owner.max_jobs:
        raise Refusal(
            429, f"{owner.name} has {load.jobs + len(before)} unfinished jobs, as many as its key allows",
            headers={"Retry-After": "60"},
        )  # fmt: skip
    if owner.max_unknowns is not None and load.work + work > owner.max_unknowns:
        raise Refusal(
            429, f"with this job {owner.name} would have {load.work + work:,} unfinished samples x unknowns; "
            f"its key allows {owner.max_unknowns:,}",
            headers={"Retry-After": "60"},
        )  # fmt: skip
