"""The stores over HTTP: read only, with ranges, so that zarr can read them from afar."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.types import Message, Receive, Scope, Send

from pdemill.service.keys import Owner
from pdemill.service.links import LONGEST_SECONDS, Signature
from pdemill.service.problems import Detail, Refusal, documented, respond
from pdemill.service.state import AppState, TheOwner, TheState, base_url, checked, find_store, holder
from pdemill.service.views import store_url

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,254}")
LONGEST_PATH = 1000
KINDS: dict[str, Any] = {"application/json": {}, "application/octet-stream": {}}
RANGE = {"name": "Range", "in": "header", "schema": {"type": "string"}, "description": "for example bytes=0-99"}
IF_RANGE = {
    "name": "If-Range", "in": "header", "schema": {"type": "string"},
    "description": "the ETag of the file that the range is of; the whole file is sent where it is another one by now",
}  # fmt: skip
IF_NONE_MATCH = {
    "name": "If-None-Match", "in": "header", "schema": {"type": "string"}, "description": "ETags of files known",
}  # fmt: skip

router = APIRouter(prefix="/datasets", tags=["datasets"], responses=documented(401, 403, 421, 429, 503))


class StoreFile(FileResponse):
    """A file, unless the asker has it; ranges that cannot be served are told of as all other errors are."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answered = False

        async def watched(message: Message) -> None:
            nonlocal answered
            if answered:
                return
            if message["type"] == "http.response.start" and self._is_known(Headers(scope=scope)):
                answered = True
                await Response(status_code=304, headers=self._validators())(scope, receive, send)
            elif message["type"] == "http.response.start" and message["status"] >= 400:
                answered = True
                fault = Detail(header="Range", detail="should be bytes=FIRST-LAST, within the file")
                size = Headers(raw=message["headers"]).get("content-range")
                answer = respond(
                    message["status"], "the range cannot be served", [fault], {"Content-Range": size} if size else None
                )
                await answer(scope, receive, send)
            else:
                await send(message)

        await super().__call__(scope, receive, watched)

    def _is_known(self, asked: Headers) -> bool:
        """Whether the asker has this very file already."""
        tags = [tag.strip().removeprefix("W/") for tag in asked.get("if-none-match", "").split(",")]
        return self.headers["etag"] in tags or tags == ["*"]

    def _validators(self) -> dict[str, str]:
        return {name: self.headers[name] for name in ("etag", "last-modified", "cache-control")}


def _reader(
    request: Request, dataset: str,
    owner: Annotated[str | None, Query(max_length=64, description="of a link: who made it")] = None,
    expires: Annotated[int | None, Query(ge=0, le=10**11, description="of a link: until when it lasts")] = None,
    signature: Annotated[str | None, Query(max_length=64, description="of a link: its code")] = None,
) -> Owner:  # fmt: skip
    """Whoever sent a key, or came by a link: then whoever made that."""
    if signature is None:
        return checked(holder(request))
    state: AppState = request.app.state.service
    maker = state.links.maker(dataset, Signature(owner or "", expires or 0, signature))
    if maker is None:
        raise Refusal(403, "the link has expired, or is none of this server's; ask whoever gave it for another")
    request.state.owner = maker.name
    return maker


class NewLink(BaseModel):
    """For how long a link is to last."""

    seconds: Annotated[int, Field(ge=1, le=LONGEST_SECONDS)] = 86_400


class Link(BaseModel):
    """The address of a store that can be read without a key, until it ``expires``."""

    url: str
    expires: datetime


@router.post("/{dataset}/links", status_code=201, responses=documented(400, 404, 413, 422), summary="Make a link")
def link(dataset: str, body: NewLink, state: TheState, owner: TheOwner, request: Request) -> Link:
    """An address by which others can read a store, for a week at most: by ``pdemill.open``, ``pdemill pull``, or any
    HTTP client, with what is behind its question mark put behind the name of every file. It ends before its time when
    the key that made it does."""
    if not (owner.is_admin or state.ledger.may_read(owner.name, dataset)) or state.ledger.dataset(dataset) is None:
        raise Refusal(404, "there is no such data set")
    until = int(time.time()) + body.seconds
    address = f"{base_url(request)}{store_url(dataset)}?{state.links.query(owner, dataset, until)}"
    return Link(url=address, expires=datetime.fromtimestamp(until, UTC))


@router.head("/{dataset}/store/{path:path}", include_in_schema=False)
@router.get(
    "/{dataset}/store/{path:path}", response_class=FileResponse,
    responses={
        200: {"description": "The file", "content": KINDS},
        206: {"description": "A part of the file, or several", "content": KINDS | {"multipart/byteranges": {}}},
        307: {"description": "A part of the data is in a bucket: where, by a link that lasts for 15 minutes"},
        304: {"description": "If-None-Match has the file's ETag"},
        **documented(400, 404, 416, 422),
    },
    summary="A file of a store", openapi_extra={"parameters": [RANGE, IF_RANGE, IF_NONE_MATCH]},
)  # fmt: skip
def file(
    request: Request, dataset: str, path: str, state: TheState, owner: Annotated[Owner, Depends(_reader)]
) -> Response:
    """A file of a store, or the range of it that is asked for, for whoever has a key or a link."""
    store = find_store(state, dataset) if owner.is_admin or state.ledger.may_read(owner.name, dataset) else None
    if isinstance(store, str) and _is_name(path):
        from pdemill.service import objects  # late: needs an extra

        if (
            found := objects.answer(store, path, request.method, request.headers, state.settings.bucket_links)
        ) is not None:
            return found
    place = _file(store, path) if isinstance(store, Path) else None
    if place is None:
        raise Refusal(404, "there is no such file")
    kind = "application/json" if place.suffix == ".json" else "application/octet-stream"
    return StoreFile(place, media_type=kind, headers={"Cache-Control": "no-cache"})


def _file(store: Path, path: str) -> Path | None:
    """The file at ``path`` below a store, if it is one: no way out of it, through dots or links, is followed."""
    if not _is_name(path):
        return None
    names = path.split("/")
    place = store.joinpath(*names)
    real = store.resolve().joinpath(*names)
    return place if place.is_file() and place.resolve() == real else None


def _is_name(path: str) -> bool:
    """Whether a path may be that of a file in a store."""
    return len(path) <= LONGEST_PATH and all(NAME.fullmatch(name) for name in path.split("/"))
