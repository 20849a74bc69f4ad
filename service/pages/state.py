"""The state that pages keep between requests, and who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from pdemill.service.keys import Owner
from pdemill.service.pages.pictures import Painter
from pdemill.service.pages.preview import Previewer
from pdemill.service.pages.session import COOKIE, Sessions
from pdemill.service.pages.statistics import Statisticians
from pdemill.service.problems import Refusal
from pdemill.service.state import AppState


@dataclass
class PagesState:
    """The API's state, sessions, and caches of stores."""

    state: AppState
    sessions: Sessions
    statistics: Statisticians
    painter: Painter
    previewer: Previewer

    @classmethod
    def of(cls, state: AppState) -> PagesState:
        sessions = Sessions(state.keys, state.settings.state)
        return cls(state, sessions, Statisticians(), Painter(), Previewer())


async def _pages(request: Request) -> PagesState:
    pages: PagesState = request.app.state.pages
    return pages


def _visitor(request: Request) -> Owner:
    pages: PagesState = request.app.state.pages
    owner = pages.sessions.owner(request.cookies.get(COOKIE))
    if owner is None:
        raise Refusal(401, "give a key first")
    if owner.role == "metrics":
        raise Refusal(403, "this key opens /metrics only")
    request.state.owner, request.state.admin = owner.name, owner.is_admin
    return owner


def _operator(owner: Annotated[Owner, Depends(_visitor)]) -> Owner:
    if not owner.is_admin:
        raise Refusal(403, "this needs the key of an admin")
    return owner


ThePages = Annotated[PagesState, Depends(_pages)]
TheVisitor = Annotated[Owner, Depends(_visitor)]
TheOperator = Annotated[Owner, Depends(_operator)]
