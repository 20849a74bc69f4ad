"""Jobs: submit, list, follow, cancel, and what came of them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from pdemill.service import jobs as actions
from pdemill.service.body import JsonObject
from pdemill.service.ledger import Status
from pdemill.service.pools import pooled
from pdemill.service.problems import documented
from pdemill.service.results import results_view
from pdemill.service.samples import sample_view
from pdemill.service.state import TheOwner, TheState, base_url, find_job, find_store
from pdemill.service.submission import check, dataset_of
from pdemill.service.views import PREFIX, DesignView, Estimate, Job, JobPage, Results, Sample, trial_view
from pdemill.solvers.designs.told import told_of

EVENT_SECONDS = 0.5
SPEC_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Spec"}}},
    }
}

log = logging.getLogger("pdemill.api")
router = APIRouter(prefix="/jobs", tags=["jobs"], responses=documented(401, 403, 421, 429, 503))


@router.post(
    "", status_code=202, openapi_extra=SPEC_BODY, responses=documented(400, 404, 409, 413, 415, 422, 507),
    summary="Submit a data set job",
)  # fmt: skip
@pooled("specs")
def submit(
    owner: TheOwner,
    body: JsonObject,
    state: TheState,
    response: Response,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255, pattern="^[ -~]*$")] = None,
    name: Annotated[str, Query(max_length=actions.LONGEST_NAME, description="what to call the job")] = "",
    lengthen: Annotated[
        str | None, Query(max_length=64, description="a finished job of yours whose trajectories go on")
    ] = None,
    grow: Annotated[
        str | None, Query(max_length=64, description="a job of yours with smaller splits, whose shards are taken over")
    ] = None,
) -> Job:
    """Queue a spec. The same spec is solved once, however often it is submitted; a request that is repeated with
    the same ``Idempotency-Key`` gives the same job."""
    view = actions.submit(state, owner, body, idempotency_key, name, lengthen, grow)
    response.headers["Location"] = view.links.self
    response.headers["Retry-After"] = "1"
    return view


@router.post(
    "/validate", openapi_extra=SPEC_BODY, responses=documented(400, 413, 415, 422), summary="Check a spec; a dry run"
)
@pooled("specs")
def validate(owner: TheOwner, body: JsonObject, state: TheState) -> Estimate:
    """Check a spec and estimate what it costs, without queueing it."""
    spec, cost = check(state, body)
    meaning = spec.sha256()
    dataset = dataset_of(meaning)
    known = state.ledger.dataset(dataset)
    return Estimate(
        spec_sha256=meaning,
        samples=spec.samples,
        unknowns=cost.unknowns,
        bytes=cost.bytes,
        method=cost.method,
        cpu_seconds=cost.cpu_seconds,
        memory_bytes=cost.memory,
        factor_bytes=cost.factor_bytes,
        recycled_bytes=cost.recycled_bytes,
        solver=cost.options,
        operator_bytes=cost.operator_bytes,
        alternatives=cost.alternatives,
        designs={name: DesignView(**told) for name, told in told_of(spec).items()},
        trial=trial_view(state.settings.store(dataset)),
        dataset=dataset,
        known=known.status if known is not None else None,
    )


@router.get("", responses=documented(422), summary="List jobs, newest first")
def jobs(
    state: TheState,
    owner: TheOwner,
    response: Response,
    status: Annotated[Status | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
    whose: Annotated[str | None, Query(alias="owner", pattern=r"^(\*|[A-Za-z0-9._-]{1,64})$")] = None,
) -> JobPage:
    """One page of your jobs; follow ``next`` for the one after it. An admin may name another ``owner``, or ``*`` for
    all."""
    page, after = actions.page(state, owner, status, limit, cursor, whose)
    if after is not None:
        given = {"status": status, "owner": whose}
        chosen = "".join(f"{name}={value}&" for name, value in given.items() if value is not None)
        response.headers["Link"] = f'<{PREFIX}/jobs?{chosen}limit={limit}&cursor={after}>; rel="next"'
    return JobPage(jobs=page, next=after)


@router.get(
    "/{job}", response_model=Job, responses={304: {"description": "Not modified"}, **documented(404, 422)},
    summary="The state of a job",
)  # fmt: skip
def job(job: str, state: TheState, owner: TheOwner, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """A job now. With ``If-None-Match`` the answer is 304 while nothing has changed."""
    now = actions.rendered(state, owner, job)
    tag = f'"{now.tag}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if now.unfinished:
        headers["Retry-After"] = "1"
    known = [mark.strip().removeprefix("W/") for mark in (if_none_match or "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(now.text, media_type="application/json", headers=headers)


def _known(job: str, state: TheState, owner: TheOwner) -> None:
    """Refuse before the stream begins; afterwards its status cannot change."""
    find_job(state, owner, job)


@router.get(
    "/{job}/events", response_class=EventSourceResponse, responses=documented(404, 422), summary="Follow a job",
    dependencies=[Depends(_known)],
)  # fmt: skip
async def events(
    job: str, state: TheState, owner: TheOwner, last_event_id: Annotated[str | None, Header()] = None
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: the job, whenever it has changed, until it is finished. The id of an event is the job's
    entity tag, so that whoever reconnects with ``Last-Event-ID`` hears of nothing twice."""
    async for now in actions.changes(state, owner, job, last_event_id):
        yield ServerSentEvent(raw_data=now.text, event="job", id=now.tag, retry=1000)


@router.delete("/{job}", responses=documented(404, 409, 422), summary="Cancel a job, or delete its store")
async def dismiss(
    job: str, state: TheState, owner: TheOwner,
    delete_store_too: Annotated[bool, Query(alias="delete_store")] = False,
) -> Job:  # fmt: skip
    """Cancel an unfinished job: workers stop between two samples, and the finished shards stay. With
    ``delete_store=true`` a finished job is given up, and its store deleted once no other job is on it."""
    if delete_store_too:
        return await state.pools.run("readers", partial(actions.dismiss, state, owner, job, delete_store_too=True))
    return await run_in_threadpool(actions.dismiss, state, owner, job)


@router.get(
    "/{job}/results", response_model=Results, responses=documented(404, 409, 422), summary="The finished store of a job"
)
@pooled("readers")
def results(job: str, state: TheState, owner: TheOwner, request: Request) -> Response:
    """Where the store is, what is in it, and how to read it."""
    row, dataset = find_job(state, owner, job)
    return _written(results_view(state, row, dataset, base_url(request)))


@router.get(
    "/{job}/samples/{sample}", response_model=Sample, responses=documented(404, 409, 422),
    summary="A preview of one sample",
)  # fmt: skip
@pooled("readers")
def sample(
    job: str, sample: int, state: TheState, owner: TheOwner, split: Annotated[str | None, Query()] = None
) -> Response:
    """Input, solution and certificate of one sample, thinned out to at most 64 values along each axis."""
    _row, dataset = find_job(state, owner, job)
    return _written(sample_view(find_store(state, dataset.id), split, sample))


def _written(view: BaseModel) -> Response:
    """A long answer, written out here and not where all requests are answered."""
    return Response(view.model_dump_json(), media_type="application/json")
