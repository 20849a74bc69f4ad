"""What the pages keep between requests, and who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from service.keys import Owner
from service.pages.pictures import Painter
from service.pages.preview import Previewer
from service.pages.session import COOKIE, Sessions
from service.pages.statistics import Statisticians
from service.problems import Refusal
from service.state import Parts


@dataclass
class Desk:
    """The API's parts, sessions, and what is remembered of stores."""

    parts: Parts
    sessions: Sessions
    statistics: Statisticians
    painter: Painter
    previewer: Previewer

    @classmethod
    def of(cls, parts: Parts) -> Desk:
        sessions = Sessions(parts.keys, parts.settings.data_dir)
        return cls(parts, sessions, Statisticians(), Painter(), Previewer())


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.pages
    return desk


def _visitor(request: Request) -> Owner:
    owner = _desk(request).sessions.owner(request.cookies.get(COOKIE))
    if owner is None:
        raise Refusal(401, "give a key first")
    return owner


TheDesk = Annotated[Desk, Depends(_desk)]
TheVisitor = Annotated[Owner, Depends(_visitor)]
