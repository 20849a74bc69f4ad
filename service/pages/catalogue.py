"""The page of families and presets, and the page that asks for a key."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.responses import RedirectResponse

from pdemill.service.catalogue import family_views, preset_views
from pdemill.service.pages.page import Page, posted, show
from pdemill.service.pages.session import COOKIE, LASTS_SECONDS
from pdemill.service.pages.state import ThePages, TheVisitor
from pdemill.service.problems import Refusal
from pdemill.service.state import address_of, base_url
from pdemill.spec.problem import families
from pdemill.spec.schema import family_schema

router = APIRouter(route_class=Page, include_in_schema=False)


@router.get("/catalogue")
def catalogue(request: Request, pages: ThePages, owner: TheVisitor) -> Response:
    """The families and the presets."""
    return show(request, "catalogue.html", families=family_views(), presets=preset_views())


@router.get("/catalogue/{family}/schema")
def schema(pages: ThePages, owner: TheVisitor, family: str) -> Response:
    """The JSON Schema of a family's problems."""
    if family not in families:
        raise Refusal(404, f"there is no family {family!r}; see the catalogue")
    return Response(json.dumps(family_schema(family), indent=2), media_type="application/json")


@router.get("/key")
def ask(request: Request, pages: ThePages, next: Annotated[str, Query(max_length=500)] = "/") -> Response:
    """Ask for a key, where one is needed."""
    if pages.state.keys.open:
        return RedirectResponse("/", 303)
    return show(request, "key.html", next=_inside(next), wrong=False)


@router.post("/key")
def take(request: Request, pages: ThePages, typed: Annotated[dict[str, str], Depends(posted)]) -> Response:
    """Remember who has this key."""
    place = _inside(typed.get("next", "/"))
    owner = pages.state.known(address_of(request), typed.get("key", "").strip())
    if owner is None:
        pages.state.metrics.refused_key()
        return show(request, "key.html", 403, next=place, wrong=True)
    cookie = pages.sessions.begin(owner)
    response = RedirectResponse(place, 303)
    secure = any(url.startswith("https:") for url in (base_url(request), request.headers.get("origin", "")))
    response.set_cookie(COOKIE, cookie, LASTS_SECONDS, secure=secure, httponly=True, samesite="strict")
    return response


@router.post("/key/forget")
def forget(pages: ThePages) -> Response:
    """Forget the key."""
    response = RedirectResponse("/key", 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


def _inside(place: str) -> str:
    """A place on this server; never an address of another one."""
    plain = place.startswith("/") and not place.startswith("//") and "\\" not in place and place.isprintable()
    return place if plain else "/"
