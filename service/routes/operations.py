"""For those who run the server: is it alive, is it ready, what does it count."""

from __future__ import annotations

import os
import sqlite3
from tempfile import TemporaryFile

from fastapi import APIRouter, Response
from redis import RedisError
from starlette.responses import PlainTextResponse

from pdemill import __version__
from service.problems import documented
from service.state import AppState, TheOwner, TheState
from service.views import Readiness

LEAST_FREE = 50_000_000
"""Bytes that must be free in the data directory."""

router = APIRouter(tags=["operations"], responses=documented(421))


@router.get("/healthz", summary="Is the process alive")
async def healthz() -> dict[str, str]:
    """Always ok while the process answers."""
    return {"status": "ok", "version": __version__}


@router.get("/readyz", responses={503: {"model": Readiness, "description": "A part is missing"}}, summary="Is it ready")
def readyz(state: TheState, response: Response) -> Readiness:
    """Whether jobs can be accepted and worked on, part by part."""
    checks = {
        "ledger": _ledger, "data directory": _disk, "keys": _keys, "broker": _broker, "coordinator": _coordinator,
    }  # fmt: skip
    found = {name: check(state) for name, check in checks.items()}
    found["workers"] = _workers(state) if found["broker"] == "ok" else "unknown: the broker is away"
    ready = all(text == "ok" for text in found.values())
    response.status_code = 200 if ready else 503
    return Readiness(ready=ready, parts=found)


def _ledger(state: AppState) -> str:
    try:
        state.ledger.load()
    except sqlite3.Error as error:
        return state.ledger.trouble or str(error)
    return state.ledger.trouble or "ok"


def _disk(state: AppState) -> str:
    if trouble := state.directory.trouble():
        return trouble
    try:
        with TemporaryFile(dir=state.settings.data_dir) as file:
            file.write(b"ready?")
            file.flush()
        free = os.statvfs(state.settings.data_dir)
    except OSError as error:
        return f"cannot be written: {error.strerror}"
    left = free.f_bavail * free.f_frsize
    return "ok" if left >= LEAST_FREE else f"nearly full: {left:,} bytes are free"


def _keys(state: AppState) -> str:
    return state.keys.trouble or "ok"


def _broker(state: AppState) -> str:
    try:
        state.leases.redis.ping()
    except RedisError as error:
        return str(error)
    return "ok"


def _coordinator(state: AppState) -> str:
    return state.coordinator.trouble or "ok"


def _workers(state: AppState) -> str:
    try:
        return "ok" if state.leases.workers() else "none is alive"
    except RedisError as error:
        return str(error)


@router.get(
    "/metrics", response_class=Response, summary="Counters for Prometheus",
    responses={200: {"description": "The counters", "content": {"text/plain": {}}}, **documented(401, 503)},
)  # fmt: skip
def metrics(state: TheState, owner: TheOwner) -> Response:
    """All counters, in Prometheus' text format."""
    rate = sum(live.samples_per_second or 0.0 for live in state.coordinator.live.values())
    return PlainTextResponse(state.metrics.text(state.ledger.counts(), rate), media_type="text/plain; version=0.0.4")
