"""Actions on jobs, for routes and pages alike: submit, list, follow, dismiss."""

from __future__ import annotations

import asyncio
import logging
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from starlette.concurrency import run_in_threadpool

from pdemill.addresses import Place
from pdemill.errors import StoreError, StoreMismatch
from pdemill.service.keys import Owner
from pdemill.service.ledger import UNFINISHED, Dataset, JobRecord, Status
from pdemill.service.problems import Detail, Refusal
from pdemill.service.results import delete_store, is_damaged
from pdemill.service.state import AppState, find_job, find_store
from pdemill.service.stores import is_begun
from pdemill.service.submission import check, check_room, queued
from pdemill.service.views import Job
from pdemill.solvers import growing, lengthening
from pdemill.solvers.machine import machine
from pdemill.solvers.software import software
from pdemill.spec.job import Spec
from pdemill.store.origin import Origin
from pdemill.store.places import disk_at
from pdemill.store.root import read_attributes

EVENT_SECONDS = 0.5
EVERYBODY = "*"
LONGEST_NAME = 80

log = logging.getLogger("pdemill.api")


def submit(
    state: AppState,
    owner: Owner,
    body: dict[str, Any],
    key: str | None = None,
    name: str = "",
    lengthen: str | None = None,
    grow: str | None = None,
) -> Job:
    """Queue a spec for its owner; a request with a ``key`` that was used before gives the same job. ``lengthen``: a job
    whose trajectories go on. ``grow``: a job with smaller splits, or fewer, whose shards are taken over."""
    name = named(name)
    state.directory.require()
    spec, cost = check(state, body)
    dataset = queued(spec, cost)
    store = find_store(state, dataset.id)
    if lengthen is not None and grow is not None:
        raise Refusal(422, "a store either grows or is lengthened", [Detail(parameter="grow", detail="or lengthen")])
    if lengthen is not None:
        _lengthened(state, owner, spec, store, lengthen)
    if grow is not None:
        _grown(state, owner, spec, store, grow)
    try:
        job, new = _noted(state, owner, dataset, key)
    except Refusal:
        if lengthen is not None:
            lengthening.end(disk_at(store))
        if grow is not None and isinstance(store, Path):
            growing.end(store)
        raise
    return _begun(state, owner, job, new, name)


class Asked(NamedTuple):
    """A spec to queue, with the ``key`` of its request, and what to call its job."""

    body: dict[str, Any]
    key: str | None
    name: str


def submit_all(state: AppState, owner: Owner, asked: Sequence[Asked]) -> list[Job]:
    """Queue several specs for their owner: all of them or none, whatever happens meanwhile."""
    names = [named(one.name) for one in asked]
    state.directory.require()
    datasets = [queued(*check(state, one.body)) for one in asked]
    with state.ledger.together():
        made = [
            _noted(state, owner, dataset, one.key, datasets[:number])
            for number, (dataset, one) in enumerate(zip(datasets, asked, strict=True))
        ]
    return [_begun(state, owner, job, new, name) for (job, new), name in zip(made, names, strict=True)]


def _noted(
    state: AppState, owner: Owner, dataset: Dataset, key: str | None, before: Sequence[Dataset] = ()
) -> tuple[JobRecord, bool]:
    """The job of a data set in the ledger, and whether it is new, where there is room for it and those ``before``."""
    if key is None or not state.ledger.knows(owner.name, key):
        state.scrubber.asked_again(dataset.id)
    room, gone = partial(check_room, state, owner, dataset, before), partial(is_damaged, find_store(state, dataset.id))
    job, new = state.ledger.submit(owner.name, dataset, key, room, gone=gone)
    if not new and job.dataset != dataset.id:
        raise Refusal(
            422, "this Idempotency-Key was used for another spec",
            [Detail(header="Idempotency-Key", detail="was used for another spec")],
        )  # fmt: skip
    return job, new


def _begun(state: AppState, owner: Owner, job: JobRecord, new: bool, name: str) -> Job:
    """A job that is in the ledger, as its owner sees it."""
    if new:
        if name:
            state.ledger.rename(job.id, name)
        log.info("submitted", extra={"job": job.id, "dataset": job.dataset, "owner": owner.name})
        state.coordinator.wake()
    return state.view(*find_job(state, owner, job.id))


def _lengthened(state: AppState, owner: Owner, spec: Spec, store: Place, job: str) -> None:
    """Note in a store that is not there yet that it goes on from that of a job. Raises Refusal where it cannot."""
    with _of_another(state, owner, job, "lengthen") as (shorter, attributes, called):
        lengthening.require_longer(spec, attributes, called)
        if reason := lengthening.obstacle(attributes, Origin(software(), machine())):
            raise StoreMismatch(f"{called} cannot be lengthened: {reason}")
        if not is_begun(store):
            if isinstance(store, Path):
                store.mkdir(exist_ok=True)
            lengthening.begin(store, spec, shorter)


def _grown(state: AppState, owner: Owner, spec: Spec, store: Place, job: str) -> None:
    """Note in a store that is not there yet that it takes over those of a job. Raises Refusal where it cannot."""
    with _of_another(state, owner, job, "grow") as (smaller, attributes, called):
        if not isinstance(store, Path) or not isinstance(smaller, Path):
            raise StoreMismatch("a store in a bucket cannot take over the shards of another: submit the spec by itself")
        growing.require_larger(spec, attributes, called)
        if difference := Origin.of(attributes).difference(Origin(software(), machine())):
            raise StoreMismatch(f"{called} cannot grow: it was made with {difference}")
        if not is_begun(store):
            store.mkdir(exist_ok=True)
            growing.begin(store, smaller)


@contextmanager
def _of_another(state: AppState, owner: Owner, job: str, parameter: str) -> Iterator[tuple[Place, dict[str, Any], str]]:
    """The store of a job that a ``parameter`` names, its attributes, and what it is called; what is wrong with it is
    told of the parameter."""
    row, _ = find_job(state, owner, job)
    store = find_store(state, row.dataset)
    try:
        yield store, read_attributes(store), f"the store of {job}"
    except StoreError as error:
        raise Refusal(422, str(error), [Detail(parameter=parameter, detail=str(error))]) from None


def named(name: str) -> str:
    """A name as it is kept. Raises Refusal."""
    name = " ".join(name.split())
    if len(name) > LONGEST_NAME or not name.isprintable():
        words = f"a name has at most {LONGEST_NAME} characters, all of which can be printed"
        raise Refusal(422, words, [Detail(parameter="name", detail=words)])
    return name


def rename(state: AppState, owner: Owner, job: str, name: str) -> None:
    """Call a job something else."""
    row, _ = find_job(state, owner, job)
    state.ledger.rename(row.id, named(name))


def page(
    state: AppState, owner: Owner, status: Status | None, limit: int, cursor: str | None, whose: str | None = None
) -> tuple[list[Job], str | None]:
    """The jobs of one page, newest first, and the cursor of the one after it. ``whose``: of another owner, or of all
    (``*``)."""
    if whose not in (None, owner.name) and not owner.is_admin:
        raise Refusal(403, "only an admin may list the jobs of others")
    chosen = owner.name if whose is None else None if whose == EVERYBODY else whose
    found = state.ledger.jobs(chosen, status, _number(cursor), limit + 1)
    after = None
    if len(found) > limit:
        after = urlsafe_b64encode(str(found[limit - 1][0].seq).encode()).decode().rstrip("=")
    return [state.view(job, dataset) for job, dataset in found[:limit]], after


def _number(cursor: str | None) -> int | None:
    """The number in a cursor that this API made."""
    if cursor is None:
        return None
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        if text.isdecimal() and len(text) <= 18:
            return int(text)
    except ValueError:
        pass
    raise Refusal(422, "the cursor is not one of ours", [Detail(parameter="cursor", detail="use next of a page")])


class Rendered(NamedTuple):
    """A job as JSON, its entity tag, and whether it is still to change."""

    text: str
    tag: str
    unfinished: bool


def rendered(state: AppState, owner: Owner, job: str) -> Rendered:
    """A job as it is now."""
    row, dataset = find_job(state, owner, job)
    text = state.view(row, dataset).model_dump_json()
    return Rendered(text, sha256(text.encode()).hexdigest()[:20], row.status in UNFINISHED)


async def changes(state: AppState, owner: Owner, job: str, known: str | None) -> AsyncIterator[Rendered]:
    """The job whenever it has changed, until it is finished or the key is revoked; ``known`` is the tag of what was
    last heard."""
    while await run_in_threadpool(state.keys.holds, owner):
        now = await run_in_threadpool(rendered, state, owner, job)
        if now.tag != known:
            known = now.tag
            yield now
        if not now.unfinished:
            return
        await asyncio.sleep(EVENT_SECONDS)


def dismiss(state: AppState, owner: Owner, job: str, delete_store_too: bool = False) -> Job:
    """Cancel an unfinished job, or give a finished one up with its store."""
    row, dataset = find_job(state, owner, job)
    if row.status in UNFINISHED:
        state.ledger.dismiss(row.owner, job)
        log.info("dismissed", extra={"job": job, "dataset": dataset.id, "owner": owner.name})
        state.coordinator.wake()
    elif not delete_store_too and row.status != "dismissed":
        raise Refusal(409, f"the job is {row.status}; add ?delete_store=true to delete its store")
    elif delete_store_too:
        delete_store(state, row, dataset)
        log.info("given up", extra={"job": job, "dataset": dataset.id, "owner": owner.name})
    return state.view(*find_job(state, owner, job))
