"""Shared by all pages: who asks, where a change may come from, and errors that a person can read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, RedirectResponse

from pdemill.errors import SpecError, StoreError
from pdemill.service.pages.render import render
from pdemill.service.problems import Refusal

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
SAFE = ("GET", "HEAD")
MOST_FIELDS = 2000

type Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Page(APIRoute):
    """A route whose answers are for people."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                if request.method not in SAFE and not is_ours(request):
                    raise Refusal(403, "the form was sent from another site; open the page here and send it again")
                response = await handle(request)
            except Refusal as error:
                response = _refused(request, error)
            except SpecError as error:
                response = trouble(request, 422, str(error))
            except RequestValidationError:
                response = trouble(request, 422, "the address has a part that cannot be understood")
            except HTTPException as error:
                response = trouble(request, error.status_code, str(error.detail))
            except (OSError, StoreError, sqlite3.OperationalError) as error:
                reason = error.strerror if isinstance(error, OSError) else str(error)
                response = trouble(request, 503, f"the data directory does not answer as it should: {reason}")
            for name, value in HEADERS.items():
                response.headers[name] = value
            response.headers.setdefault("Cache-Control", "no-store")
            return response

        return guarded


def is_ours(request: Request) -> bool:
    """Whether a browser sent this from one of our pages.

    Browsers say so in ``Sec-Fetch-Site`` on trustworthy origins and in ``Origin`` with every POST; what says neither
    did not come from a form.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == request.headers.get("host")


def is_foreign(request: Request) -> bool:
    """Whether a browser says that another site's page wants this."""
    return request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")


def place_of(request: Request, plain: str) -> str:
    """Where a page can be got again; the ``plain`` place for one that answers a form."""
    if request.method not in SAFE:
        return plain
    return f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path


def show(request: Request, template: str, code: int = 200, **values: Any) -> Response:
    """A page from its template."""
    pages = request.app.state.pages
    shared = {
        "here": request.url.path, "keyed": not pages.state.keys.open,
        "admin": getattr(request.state, "admin", False), "owner": getattr(request.state, "owner", ""),
    }  # fmt: skip
    return HTMLResponse(render(template, **shared, **values), code)


def trouble(request: Request, status: int, reason: str, headers: Mapping[str, str] | None = None) -> Response:
    """The page that reports a problem."""
    page = show(request, "error.html", status, status=status, reason=reason)
    page.headers.update(headers or {})
    return page


def _refused(request: Request, error: Refusal) -> Response:
    if error.status != 401:
        return trouble(request, error.status, error.detail, error.headers)
    place = f"/key?next={quote(request.url.path if request.method in SAFE else '/')}"
    if request.headers.get("hx-request"):
        return Response(status_code=204, headers={"HX-Redirect": place})
    return RedirectResponse(place, 303)


async def posted(request: Request) -> dict[str, str]:
    """The fields of a form; of several with one name the last."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Refusal(415, "send the form as browsers do")
    try:
        pairs = parse_qsl(
            (await request.body()).decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
        )
    except ClientDisconnect:
        raise Refusal(400, "the form ended early") from None
    except ValueError:
        raise Refusal(400, "the form cannot be read") from None
    return dict(pairs)
