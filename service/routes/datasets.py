"""The stores over HTTP: read only, with ranges, so that zarr can read them from afar."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, Response

from service.problems import Refusal, documented
from service.state import TheOwner, TheParts

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

router = APIRouter(prefix="/datasets", tags=["datasets"], responses=documented(401, 421, 503))


@router.head("/{dataset}/store/{path:path}", include_in_schema=False)
@router.get(
    "/{dataset}/store/{path:path}", response_class=FileResponse,
    responses={
        200: {"description": "The file", "content": {"application/octet-stream": {}}},
        206: {"description": "A part of the file", "content": {"application/octet-stream": {}}},
        **documented(400, 404, 416, 422),
    },
    summary="A file of a store",
)  # fmt: skip
def file(dataset: str, path: str, parts: TheParts, owner: TheOwner) -> Response:
    """A file of a store, or the range of it that is asked for."""
    place = parts.ledger.may_read(owner.name, dataset) and _file(parts.settings.store(dataset), path)
    if not place:
        raise Refusal(404, "there is no such file")
    kind = "application/json" if place.suffix == ".json" else "application/octet-stream"
    return FileResponse(place, media_type=kind, headers={"Cache-Control": "no-cache"})


def _file(store: Path, path: str) -> Path | None:
    """The file at ``path`` below a store, if it is one: no way out of it, through dots or links, is followed."""
    names = path.split("/")
    if not all(NAME.fullmatch(name) for name in names):
        return None
    place = store.joinpath(*names)
    real = store.resolve().joinpath(*names)
    return place if place.is_file() and place.resolve() == real else None
