"""The stores over HTTP: read only, with ranges, so that zarr can read them from afar."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.types import Message, Receive, Scope, Send

from pdemill.service.problems import Detail, Refusal, documented, respond
from pdemill.service.state import TheOwner, TheState, find_store

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


@router.head("/{dataset}/store/{path:path}", include_in_schema=False)
@router.get(
    "/{dataset}/store/{path:path}", response_class=FileResponse,
    responses={
        200: {"description": "The file", "content": KINDS},
        206: {"description": "A part of the file, or several", "content": KINDS | {"multipart/byteranges": {}}},
        304: {"description": "If-None-Match has the file's ETag"},
        **documented(400, 404, 416, 422),
    },
    summary="A file of a store", openapi_extra={"parameters": [RANGE, IF_RANGE, IF_NONE_MATCH]},
)  # fmt: skip
def file(dataset: str, path: str, state: TheState, owner: TheOwner) -> Response:
    """A file of a store, or the range of it that is asked for."""
    place = (owner.is_admin or state.ledger.may_read(owner.name, dataset)) and _file(find_store(state, dataset), path)
    if not place:
        raise Refusal(404, "there is no such file")
    kind = "application/json" if place.suffix == ".json" else "application/octet-stream"
    return StoreFile(place, media_type=kind, headers={"Cache-Control": "no-cache"})


def _file(store: Path, path: str) -> Path | None:
    """The file at ``path`` below a store, if it is one: no way out of it, through dots or links, is followed."""
    names = path.split("/")
    if len(path) > LONGEST_PATH or not all(NAME.fullmatch(name) for name in names):
        return None
    place = store.joinpath(*names)
    real = store.resolve().joinpath(*names)
    return place if place.is_file() and place.resolve() == real else None
