"""The list of jobs, and the page of one: follow, cancel, submit again, delete, rename."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse

from pdemill.service import jobs as actions
from pdemill.service.ledger import STATUSES, UNFINISHED, Status
from pdemill.service.pages.choices import choices
from pdemill.service.pages.page import Page, posted, show
from pdemill.service.pages.render import render
from pdemill.service.pages.rows import JobRow, job_row, left
from pdemill.service.pages.state import ThePages, TheVisitor
from pdemill.service.pages.views import findings, progress, spec_of, spec_text, throughput
from pdemill.service.pools import pooled
from pdemill.service.problems import Refusal
from pdemill.service.state import find_job, find_store

PER_PAGE = 25

type Typed = Annotated[dict[str, str], Depends(posted)]
router = APIRouter(route_class=Page, include_in_schema=False)


@router.get("/")
def index(
    request: Request, pages: ThePages, owner: TheVisitor, status: Annotated[Status | None, Query()] = None,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
    whose: Annotated[str | None, Query(alias="owner", pattern=r"^(\*|[A-Za-z0-9._-]{1,64})$")] = None,
) -> Response:  # fmt: skip
    """The newest jobs; an admin may ask for those of another ``owner``, or of all (``*``)."""
    found, after = actions.page(pages.state, owner, status, PER_PAGE, cursor, whose)
    rows = []
    for view in found:
        dataset = pages.state.ledger.dataset(view.dataset)
        if dataset is not None:
            rows.append((job_row(view, spec_of(dataset)), left(view)))
    return show(
        request, "jobs.html", rows=rows, status=status, statuses=STATUSES, next=after, cursor=cursor, whose=whose,
        moving=any(row.unfinished for row, _ in rows), switches=pages.state.ledger.switches(),
    )  # fmt: skip


@router.get("/jobs/{job}")
@pooled("readers")
def job(request: Request, pages: ThePages, owner: TheVisitor, job: str) -> Response:
    """Everything about one job."""
    began, rates = throughput(pages, owner, job)
    found, dataset = find_job(pages.state, owner, job)
    return show(
        request, "job.html", progress=progress(pages, owner, job), findings=findings(pages, owner, job),
        began=began, rates=json.dumps(rates), spec=spec_text(dataset), may=choices(pages, owner, found, dataset),
    )  # fmt: skip


@router.get("/jobs/{job}/findings")
@pooled("readers")
def found(pages: ThePages, owner: TheVisitor, job: str) -> Response:
    """The part of a job's page that changes with every shard."""
    return HTMLResponse(render("_findings.html", findings=findings(pages, owner, job)))


def _known(job: str, pages: ThePages, owner: TheVisitor) -> None:
    """Refuse before the stream begins."""
    find_job(pages.state, owner, job)


@router.get("/jobs/{job}/events", response_class=EventSourceResponse, dependencies=[Depends(_known)])
async def events(
    job: str, pages: ThePages, owner: TheVisitor, last_event_id: Annotated[str | None, Header()] = None
) -> AsyncIterator[ServerSentEvent]:
    """The API's events of a job, each after the HTML that shows it; ``shards`` when more are finished, and ``end``."""
    shards = None
    async for rendered in actions.changes(pages.state, owner, job, last_event_id):
        now = await run_in_threadpool(progress, pages, owner, job)
        yield ServerSentEvent(raw_data=render("_progress.html", progress=now))
        if shards is not None and now.finished_shards != shards:
            yield ServerSentEvent(event="shards", raw_data=str(now.finished_shards))
        shards = now.finished_shards
        yield ServerSentEvent(raw_data=rendered.text, event="job", id=rendered.tag, retry=1000)
    yield ServerSentEvent(event="end", raw_data=job)


@router.post("/jobs/{job}/cancel")
def cancel(pages: ThePages, owner: TheVisitor, job: str) -> Response:
    """Cancel a job; one that has ended meanwhile stays as it is."""
    if job_row_of(pages, owner, job).unfinished:
        actions.dismiss(pages.state, owner, job)
    return RedirectResponse(f"/jobs/{job}", 303)


@router.post("/jobs/{job}/retry")
@pooled("specs")
def retry(pages: ThePages, owner: TheVisitor, job: str) -> Response:
    """Submit the spec of a job again: what is missing in its store is solved."""
    found, dataset = find_job(pages.state, owner, job)
    may = choices(pages, owner, found, dataset)
    if not may.retry:
        raise Refusal(409, may.hint or f"the job is {found.status} and of {found.owner}: there is nothing to try again")
    again = actions.submit(pages.state, owner, spec_of(dataset), name=found.name)
    return RedirectResponse(f"/jobs/{again.id}", 303)


@router.get("/jobs/{job}/delete")
@pooled("readers")
def ask_to_delete(request: Request, pages: ThePages, owner: TheVisitor, job: str) -> Response:
    """What deleting a job's store would mean."""
    _, dataset = find_job(pages.state, owner, job)
    row = job_row_of(pages, owner, job)
    if row.unfinished:
        raise Refusal(409, f"the job is {row.job.status}; cancel it first")
    return show(request, "delete.html", row=row, store=str(find_store(pages.state, dataset.id)))


@router.post("/jobs/{job}/delete")
@pooled("readers")
def delete(pages: ThePages, owner: TheVisitor, job: str) -> Response:
    """Give a job up, and delete its store unless another job is on it."""
    found, _ = find_job(pages.state, owner, job)
    if found.status in UNFINISHED:
        raise Refusal(409, f"the job is {found.status}; cancel it first")
    actions.dismiss(pages.state, owner, job, delete_store_too=True)
    return RedirectResponse(f"/jobs/{job}", 303)


@router.post("/jobs/{job}/name")
def rename(pages: ThePages, owner: TheVisitor, job: str, typed: Typed) -> Response:
    """Call a job something else."""
    actions.rename(pages.state, owner, job, typed.get("name", ""))
    return RedirectResponse(f"/jobs/{job}", 303)


def job_row_of(pages: ThePages, owner: TheVisitor, job: str) -> JobRow:
    found, dataset = find_job(pages.state, owner, job)
    return job_row(pages.state.view(found, dataset), spec_of(dataset))
