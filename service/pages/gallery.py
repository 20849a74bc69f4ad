"""Samples of a job to look at, and how to use its store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from numpy.typing import NDArray

from pdemill.addresses import Place
from pdemill.service.ledger import UNFINISHED
from pdemill.service.pages.formats import figure
from pdemill.service.pages.jobs import job_row_of
from pdemill.service.pages.page import Page, is_foreign, show
from pdemill.service.pages.pictures import Theme, plan
from pdemill.service.pages.shards import finished_names
from pdemill.service.pages.state import ThePages, TheVisitor
from pdemill.service.pages.times import Film, film, stored_times
from pdemill.service.pages.views import shards_of, spec_of
from pdemill.service.pools import pooled
from pdemill.service.problems import Refusal
from pdemill.service.samples import sample_view
from pdemill.service.snippets import snippets
from pdemill.service.state import base_url, find_job, find_store
from pdemill.service.stores import is_begun
from pdemill.service.views import store_url
from pdemill.store.flags import flags_of
from pdemill.store.layout import Shard
from pdemill.store.places import disk_at
from pdemill.store.root import read_root

PER_PAGE = 12

router = APIRouter(route_class=Page, include_in_schema=False)


@dataclass(frozen=True)
class Picture:
    """A sample with its certificate and the size of its picture, or why it has none; ``film``: of a trajectory."""

    number: int
    words: str
    size: tuple[int, int] | None = None
    film: Film | None = None


@router.get("/jobs/{job}/gallery")
@pooled("readers")
def gallery(
    request: Request, pages: ThePages, owner: TheVisitor, job: str, split: Annotated[str | None, Query()] = None,
    page: Annotated[int, Query(ge=1, le=10**9)] = 1, sample: Annotated[int | None, Query()] = None,
    frame: Annotated[int | None, Query(ge=0, le=10**9)] = None,
) -> Response:  # fmt: skip
    """The samples of finished shards, some to a page; of trajectories ``sample`` at the stored time ``frame``."""
    _, dataset = find_job(pages.state, owner, job)
    store = find_store(pages.state, dataset.id)
    shards = shards_of(store)
    splits = list(dict.fromkeys(shard.split for shard in shards)) or list(spec_of(dataset)["splits"])
    chosen = split if split is not None else splits[0]
    if chosen not in splits:
        raise Refusal(404, f"there is no split {chosen!r}; choose one of {', '.join(splits)}")
    finished = finished_names(store)
    ready = [shard for shard in shards if shard.split == chosen and shard.name in finished]
    numbers = _window(ready, (page - 1) * PER_PAGE, PER_PAGE)
    times = stored_times(store) if numbers else None
    texts = _flag_texts(store, chosen) if numbers else {}
    pictures = [_picture(store, chosen, n, texts, times, frame if n == sample else None) for n in numbers]
    return show(
        request, "gallery.html", row=job_row_of(pages, owner, job), splits=splits, split=chosen, page=page,
        pages=max(1, -(-sum(map(len, ready)) // PER_PAGE)), pictures=pictures, has_store=bool(shards),
    )  # fmt: skip


def _flag_texts(store: Place, split: str) -> Mapping[str, str]:
    return flags_of(read_root(disk_at(store), store)["consolidated_metadata"]["metadata"], split).texts


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


def _picture(
    store: Place,
    split: str,
    number: int,
    texts: Mapping[str, str],
    times: NDArray[np.float64] | None,
    frame: int | None,
) -> Picture:
    try:
        sample = sample_view(store, split, number)
    except Refusal as error:
        return Picture(number, error.detail)
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
    shown = film(store, split, number, times, frame) if times is not None else None
    size = plan(store, split, number, shown.frame if shown is not None else None).size
    return Picture(number, ", ".join(words), size, shown)


@router.get("/jobs/{job}/samples/{split}/{number}.png")
@pooled("pictures")
def picture(
    request: Request, pages: ThePages, owner: TheVisitor, job: str, split: str, number: int, theme: Theme = "light",
    frame: Annotated[int | None, Query(ge=0, le=10**9)] = None,
) -> Response:  # fmt: skip
    """One sample as a PNG, of a trajectory perhaps at one stored time."""
    if is_foreign(request):
        raise Refusal(403, "pictures are for these pages")
    _, dataset = find_job(pages.state, owner, job)
    store = find_store(pages.state, dataset.id)
    if not is_begun(store):
        raise Refusal(404, "the job has no store: it was not begun yet, or has been deleted")
    sample_view(store, split, number)  # refuses what is not there
    if frame is not None:
        times = stored_times(store)
        if times is None:
            raise Refusal(404, "these samples have no time")
        film(store, split, number, times, frame)
    return Response(
        pages.painter.picture(store, split, number, theme, frame), media_type="image/png",
        headers={"Cache-Control": "private, max-age=600"},
    )  # fmt: skip


@router.get("/jobs/{job}/use")
@pooled("readers")
def use(request: Request, pages: ThePages, owner: TheVisitor, job: str) -> Response:
    """How to read the store, also before it is begun."""
    _, dataset = find_job(pages.state, owner, job)
    store, row = find_store(pages.state, dataset.id), job_row_of(pages, owner, job)
    url = base_url(request) + store_url(dataset.id)
    shards = shards_of(store)
    split = shards[0].split if shards else next(iter(spec_of(dataset)["splits"]))
    texts = snippets(str(store), url, split, keyed=not pages.state.keys.open)
    return show(
        request, "use.html", row=row, snippets=texts, early=row.job.status in UNFINISHED, store=str(store),
        has_store=bool(shards),
    )  # fmt: skip
