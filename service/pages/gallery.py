"""Samples of a job to look at, and how to use its store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from pdemill.service.keys import Owner
from pdemill.service.ledger import UNFINISHED, Dataset
from pdemill.service.pages.formats import figure
from pdemill.service.pages.jobs import job_row_of
from pdemill.service.pages.page import Page, is_foreign, show
from pdemill.service.pages.pictures import Theme
from pdemill.service.pages.shards import finished_names
from pdemill.service.pages.state import PagesState, ThePages, TheVisitor
from pdemill.service.pages.views import shards_of
from pdemill.service.pools import pooled
from pdemill.service.problems import Refusal
from pdemill.service.samples import sample_view
from pdemill.service.snippets import snippets
from pdemill.service.state import base_url, find_job, find_store
from pdemill.service.views import Sample, store_url
from pdemill.store.disk import LocalDisk
from pdemill.store.flags import flags_of
from pdemill.store.layout import Shard
from pdemill.store.root import read_root

PER_PAGE = 12

router = APIRouter(route_class=Page, include_in_schema=False)


@dataclass(frozen=True)
class Picture:
    """A sample with its certificate, or why it has none."""

    number: int
    sample: Sample | None
    words: str


@router.get("/jobs/{job}/gallery")
@pooled("readers")
def gallery(
    request: Request, pages: ThePages, owner: TheVisitor, job: str, split: Annotated[str | None, Query()] = None,
    page: Annotated[int, Query(ge=1, le=10**9)] = 1,
) -> Response:  # fmt: skip
    """The samples of finished shards, some to a page."""
    store, _ = _store(pages, owner, job)
    shards = shards_of(store)
    splits = list(dict.fromkeys(shard.split for shard in shards))
    chosen = split if split is not None else splits[0]
    if chosen not in splits:
        raise Refusal(404, f"there is no split {chosen!r}; choose one of {', '.join(splits)}")
    finished = finished_names(store)
    ready = [shard for shard in shards if shard.split == chosen and shard.name in finished]
    total = sum(map(len, ready))
    texts = flags_of(read_root(LocalDisk(store), store)["consolidated_metadata"]["metadata"], chosen).texts
    numbers = _window(ready, (page - 1) * PER_PAGE, PER_PAGE)
    return show(
        request, "gallery.html", row=job_row_of(pages, owner, job), splits=splits, split=chosen, page=page,
        pages=max(1, -(-total // PER_PAGE)), total=total, pictures=[_picture(store, chosen, n, texts) for n in numbers],
    )  # fmt: skip


def _window(ready: list[Shard], skip: int, number: int) -> list[int]:
    """Some of the samples of these shards, in order."""
    found: list[int] = []
    for shard in ready:
        if skip >= len(shard):
            skip -= len(shard)
            continue
        found += range(shard.start + skip, min(shard.stop, shard.start + skip + number - len(found)))
        skip = 0
        if len(found) >= number:
            break
    return found


def _picture(store: Path, split: str, number: int, texts: Mapping[str, str]) -> Picture:
    try:
        sample = sample_view(store, split, number)
    except Refusal as error:
        return Picture(number, None, error.detail)
    words = [f"solved by {sample.method}"]
    if sample.iterations > 0:
        words.append(f"{sample.iterations} iterations")
    if sample.rel_residual is not None:
        words.append(f"relative residual {figure(sample.rel_residual, 2)}")
    if sample.algebraic_error is not None:
        words.append(f"algebraic error {figure(sample.algebraic_error, 2)}")
    if sample.stored_error is not None:
        words.append(f"{figure(sample.stored_error, 2)} as it is stored")
    if sample.error_estimate is not None:
        words.append(f"error about {figure(sample.error_estimate, 2)}")
    if sample.flags:
        words.append(f"flagged: {', '.join(texts[name] for name in sample.flags)}")
    return Picture(number, sample, ", ".join(words))


@router.get("/jobs/{job}/samples/{split}/{number}.png")
@pooled("pictures")
def picture(
    request: Request, pages: ThePages, owner: TheVisitor, job: str, split: str, number: int, theme: Theme = "light"
) -> Response:
    """One sample as a PNG."""
    if is_foreign(request):
        raise Refusal(403, "pictures are for these pages")
    store, _ = _store(pages, owner, job)
    sample_view(store, split, number)  # refuses what is not there
    return Response(
        pages.painter.picture(store, split, number, theme), media_type="image/png",
        headers={"Cache-Control": "private, max-age=600"},
    )  # fmt: skip


@router.get("/jobs/{job}/use")
@pooled("readers")
def use(request: Request, pages: ThePages, owner: TheVisitor, job: str) -> Response:
    """How to read the store."""
    store, dataset = _store(pages, owner, job)
    url = base_url(request) + store_url(dataset.id)
    split = shards_of(store)[0].split
    row = job_row_of(pages, owner, job)
    texts = snippets(str(store), url, split, keyed=not pages.state.keys.open)
    return show(request, "use.html", row=row, snippets=texts, early=row.job.status in UNFINISHED, store=str(store))


def _store(pages: PagesState, owner: Owner, job: str) -> tuple[Path, Dataset]:
    """The store of a job that was begun, and its data set."""
    _, dataset = find_job(pages.state, owner, job)
    store = find_store(pages.state, dataset.id)
    if not (store / "zarr.json").exists():
        raise Refusal(404, "the job has no store: it was not begun yet, or has been deleted")
    return store, dataset
