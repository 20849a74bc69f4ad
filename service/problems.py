"""Errors as ``application/problem+json`` (RFC 9457), with a JSON pointer for every bad value."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from pdemill.errors import SpecError, StoreError

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 100
MOST_CHARACTERS = 500

log = logging.getLogger("pdemill.api")


class Detail(BaseModel):
    """One bad value: its JSON pointer in the body, or the name of the parameter or header."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None
    header: str | None = None


class ProblemDetails(BaseModel):
    """What went wrong, and what to do about it."""

    type: str = "about:blank"
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    errors: list[Detail] = []


class Refusal(Exception):
    """A request that is refused, as a handler raises it."""

    def __init__(
        self, status: int, detail: str, errors: Sequence[Detail] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, errors, headers


def respond(
    status: int, detail: str, errors: Sequence[Detail] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """The response that reports a problem."""
    shown = [Detail(**{k: _shown(v) for k, v in error if v is not None}) for error in errors[:MOST_ERRORS]]
    problem = ProblemDetails(title=HTTPStatus(status).phrase, status=status, detail=_shown(detail), errors=shown)
    return JSONResponse(
        problem.model_dump(exclude_none=True), status_code=status, headers=dict(headers or {}), media_type=MEDIA_TYPE
    )


def _shown(text: str) -> str:
    """Text that may hold parts of a request: not too long, and without lone surrogates, which are no UTF-8."""
    short = text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}..."
    return short.encode("utf-8", "replace").decode()


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The entries of an operation's responses for these statuses."""
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def spec_details(error: SpecError) -> list[Detail]:
    """Every fault of a spec with its pointer."""
    return [Detail(pointer=fault.pointer, detail=fault.message) for fault in error.faults]


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` with a problem."""

    @app.exception_handler(Refusal)
    def _refused(request: Request, error: Refusal) -> Response:
        return respond(error.status, error.detail, error.errors, error.headers)

    @app.exception_handler(SpecError)
    def _bad_spec(request: Request, error: SpecError) -> Response:
        return respond(422, "the spec cannot be accepted; see errors", spec_details(error))

    @app.exception_handler(RequestValidationError)
    def _bad_request(request: Request, error: RequestValidationError) -> Response:
        details = []
        for item in error.errors():
            place, *path = item["loc"]
            name = ".".join(map(str, path))
            kind = "header" if place == "header" else "parameter"
            details.append(Detail(detail=item["msg"], **{kind: name}))
        return respond(422, "a parameter cannot be accepted; see errors", details)

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> Response:
        return respond(error.status_code, str(error.detail), headers=error.headers)

    @app.exception_handler(sqlite3.DatabaseError)
    @app.exception_handler(OSError)
    @app.exception_handler(StoreError)
    def _away(request: Request, error: Exception) -> Response:
        log.warning("storage: %s", error)
        reason = error.strerror if isinstance(error, OSError) else error
        return respond(503, f"the data directory does not answer as it should: {reason}", headers={"Retry-After": "5"})

    @app.exception_handler(Exception)
    def _broken(request: Request, error: Exception) -> Response:
        return respond(500, "the server made a mistake; its log says more. Please report it")
