"""Routes for operators: whether the server takes new jobs, and whether it hands out work."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter

from pdemill.service.problems import documented
from pdemill.service.state import AppState, TheAdmin, TheOwner, TheState
from pdemill.service.views import Switches

router = APIRouter(prefix="/server", tags=["operations"], responses=documented(401, 403, 421, 429, 503))

type Switch = Literal["paused", "drained"]


@router.get("", summary="Is the server paused or drained")
def switches(state: TheState, owner: TheOwner) -> Switches:
    """``paused``: no shard is handed out, and jobs wait. ``drained``: no new job is accepted; those that are go on."""
    return _switches(state)


@router.put("/{switch}", responses=documented(422), summary="Pause or drain the server")
def switch_on(switch: Switch, state: TheState, admin: TheAdmin) -> Switches:
    """For admins. Shards under way are finished; it lasts over restarts, until it is taken back."""
    state.ledger.switch(switch, True, admin.name)
    return _switches(state)


@router.delete("/{switch}", responses=documented(422), summary="Go on")
def switch_off(switch: Switch, state: TheState, admin: TheAdmin) -> Switches:
    """For admins. Take a pause or a drain back."""
    state.ledger.switch(switch, False, admin.name)
    state.coordinator.wake()
    return _switches(state)


def _switches(state: AppState) -> Switches:
    on = state.ledger.switches()
    return Switches(paused="paused" in on, drained="drained" in on)
