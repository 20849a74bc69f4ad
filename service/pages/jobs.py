"""The list of jobs, and the page of one: follow, cancel, submit again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse

from pdemill.service import jobs as actions
from pdemill.service.ledger import STATUSES, Status
from pdemill.service.pages.page import Page, show
from pdemill.service.pages.render import render
from pdemill.service.pages.rows import JobRow, job_row, left
from pdemill.service.pages.state import ThePages, TheVisitor
from pdemill.service.pages.views import findings, progress, spec_of, spec_text, throughput
from pdemill.service.pools import pooled
from pdemill.service.state import find_job, find_store

PER_PAGE = 25

router = APIRouter(route_class=Page, include_in_schema=False)


@router.get("/")
def index(
    request: Request, pages: ThePages, owner: TheVisitor, status: Annotated[Status | None, Query()] = None,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:  # fmt: skip
    """The newest jobs."""
    found, after = actions.page(pages.state, owner, status, PER_PAGE, cursor)
    rows = []
    for view in found:
        dataset = pages.state.ledger.dataset(view.dataset)
        if dataset is not None:
            rows.append((job_row(view, spec_of(dataset)), left(view)))
    return show(
        request, "jobs.html", rows=rows, status=status, statuses=STATUSES, next=after, cursor=cursor,
        moving=any(row.unfinished for row, _ in rows),
    )  # fmt: skip


@router.get("/jobs/{job}")
@pooled("readers")
def job(request: Request, pages: ThePages, owner: TheVisitor, job: str) -> Response:
    """Everything about one job."""
    began, rates = throughput(pages, owner, job)
    _, dataset = find_job(pages.state, owner, job)
    return show(
        request, "job.html", progress=progress(pages, owner, job), findings=findings(pages, owner, job),
        began=began, rates=json.dumps(rates), spec=spec_text(dataset),
        has_store=(find_store(pages.state, dataset.id) / "zarr.json").exists(),
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
    _, dataset = find_job(pages.state, owner, job)
    again = actions.submit(pages.state, owner, spec_of(dataset))
    return RedirectResponse(f"/jobs/{again.id}", 303)


def job_row_of(pages: ThePages, owner: TheVisitor, job: str) -> JobRow:
    found, dataset = find_job(pages.state, owner, job)
    return job_row(pages.state.view(found, dataset), spec_of(dataset))
