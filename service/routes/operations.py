"""For those who run the server: is it alive, is it ready, what does it count."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Response
from starlette.responses import PlainTextResponse

from pdemill import __version__
from pdemill.service.problems import documented
from pdemill.service.readiness import OK
from pdemill.service.state import TheHolder, TheState
from pdemill.service.views import Readiness

router = APIRouter(tags=["operations"], responses=documented(421))


@router.get("/healthz", summary="Is the process alive")
async def healthz() -> dict[str, str]:
    """Always ok while the process answers."""
    return {"status": "ok", "version": __version__}


@router.get("/readyz", responses={503: {"model": Readiness, "description": "A part is missing"}}, summary="Is it ready")
async def readyz(state: TheState, response: Response) -> Readiness:
    """Whether jobs can be accepted and worked on, part by part, as was seen a moment ago."""
    parts = {
        **state.readiness.parts(),
        "keys": state.keys.trouble or OK,
        "coordinator": state.coordinator.trouble or OK,
    }
    parts = {name: state.settings.hide(text) for name, text in parts.items()}
    ready = all(text == OK for text in parts.values())
    response.status_code = 200 if ready else 503
    return Readiness(ready=ready, parts=parts)


@router.get(
    "/metrics", response_class=Response, summary="Counters for Prometheus",
    responses={200: {"description": "The counters", "content": {"text/plain": {}}}, **documented(401, 429, 503)},
)  # fmt: skip
def metrics(state: TheState, holder: TheHolder) -> Response:
    """All counters, in Prometheus' text format."""
    coordinator = state.coordinator
    rate = sum(live.samples_per_second or 0.0 for live in list(coordinator.live.values()))
    backlog, oldest = coordinator.unfinished_shards(), coordinator.oldest_wait()
    home = state.settings.data_dir if isinstance(state.settings.data_dir, Path) else state.settings.state
    text = state.metrics.text(state.ledger.counts(), rate, backlog, oldest, home)
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")
