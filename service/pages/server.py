"""The server as admins see it: who has jobs, how much is to be done, and two switches."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import RedirectResponse

from pdemill.service.pages.page import Page, posted, show
from pdemill.service.pages.state import TheOperator, ThePages
from pdemill.service.pools import pooled
from pdemill.service.readiness import OK
from pdemill.service.routes.server import Switch

MOST_OWNERS = 100

router = APIRouter(route_class=Page, include_in_schema=False)


@router.get("/server")
@pooled("readers")
def server(request: Request, pages: ThePages, admin: TheOperator) -> Response:
    """Switches, workers, backlog, parts that are missing, and owners."""
    state, coordinator = pages.state, pages.state.coordinator
    parts = {**state.readiness.parts(), "keys": state.keys.trouble or OK, "coordinator": coordinator.trouble or OK}
    owners = [(*known, state.ledger.stored(known[0])) for known in state.ledger.owners(MOST_OWNERS)]
    return show(
        request, "server.html", switches=state.ledger.switches(), workers=coordinator.workers, owners=owners,
        shards=coordinator.unfinished_shards(), oldest=coordinator.oldest_wait(), load=state.ledger.load(),
        free=state.settings.free_bytes(), most=MOST_OWNERS,
        troubles={name: state.settings.hide(text) for name, text in parts.items() if text != OK},
    )  # fmt: skip


@router.post("/server/{switch}")
def turn(
    pages: ThePages, admin: TheOperator, switch: Switch, typed: Annotated[dict[str, str], Depends(posted)]
) -> Response:
    """Switch a pause or a drain on (``on=yes``) or off."""
    pages.state.ledger.switch(switch, typed.get("on") == "yes", admin.name)
    pages.state.coordinator.wake()
    return RedirectResponse("/server", 303)
