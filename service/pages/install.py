"""Puts the pages on an application."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from pdemill.service.pages import catalogue, gallery, jobs, new, server
from pdemill.service.pages.render import STATIC
from pdemill.service.pages.state import PagesState
from pdemill.service.state import AppState


def install(app: FastAPI, state: AppState) -> None:
    """The pages and their static files; nothing of them is in the API's description."""
    app.state.pages = PagesState.of(state)
    for router in (jobs.router, gallery.router, new.router, catalogue.router, server.router):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
