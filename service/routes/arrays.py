"""Users' own arrays: sent in parts, named by specs with the ids of their content."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from pdemill import arrays
from pdemill.errors import ArrayError
from pdemill.service import uploads
from pdemill.service.pools import pooled
from pdemill.service.problems import Refusal, documented
from pdemill.service.state import TheOwner, TheState
from pdemill.service.views import PREFIX

router = APIRouter(prefix="/arrays", tags=["arrays"], responses=documented(401, 403, 421, 429, 503))
PART = {"requestBody": {"required": True, "content": {"application/octet-stream": {}}}}

UploadId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
ArrayId = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]


class Array(BaseModel):
    """An array that specs can name, by the SHA-256 of its content."""

    id: str
    shape: list[int]
    dtype: str
    low: float
    high: float


class Upload(BaseModel):
    """An upload: how many bytes it is to have, how many are there, and the array that it has become."""

    id: str
    bytes: int
    received: int
    array: Array | None
    link: str


class NewUpload(BaseModel):
    """What is going to be sent: the bytes of an NPY file. With the id of its ``array``, an upload that was interrupted
    is gone on with, and one of another array refused."""

    bytes: Annotated[int, Field(ge=1, le=10**15)]
    array: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None


def _view(state: TheState, upload: uploads.Upload) -> Upload:
    known = None if upload.array is None else _array(upload.array)
    link = f"{PREFIX}/arrays/uploads/{upload.id}"
    return Upload(id=upload.id, bytes=upload.bytes, received=uploads.received(state, upload), array=known, link=link)


def _array(array: str) -> Array:
    try:
        facts = arrays.find(array).facts
    except ArrayError:
        raise Refusal(404, "there is no such array") from None
    return Array(id=facts.id, shape=list(facts.shape), dtype=facts.dtype, low=facts.low, high=facts.high)


async def _part(request: Request, owner: TheOwner) -> bytes:  # nothing is read for strangers
    try:
        return await request.body()
    except ClientDisconnect:
        raise Refusal(400, "the body ended early") from None


@router.post("", status_code=201, responses=documented(400, 413, 422, 507), summary="Begin to upload an array")
@pooled("readers")
def begin(owner: TheOwner, body: NewUpload, state: TheState, response: Response) -> Upload:
    """Say how many bytes the NPY file has. Then send it in parts of at most a million bytes, and finish it."""
    view = _view(state, uploads.begin(state, owner, body.bytes, body.array))
    response.headers["Location"] = view.link
    return view


@router.get("", summary="List your uploads")
@pooled("readers")
def listed(owner: TheOwner, state: TheState) -> list[Upload]:
    """Your uploads, and the arrays that they have become."""
    return [_view(state, one) for one in uploads.of(state, owner)]


@router.get("/{array}", responses=documented(404, 422), summary="What is known of an array")
@pooled("readers")
def array(array: ArrayId, owner: TheOwner, state: TheState) -> Array:
    """Whether a spec can name this array: 404 where it has to be uploaded first."""
    return _array(array)


@router.get("/uploads/{upload}", responses=documented(404, 422), summary="How far an upload is")
@pooled("readers")
def upload(upload: UploadId, owner: TheOwner, state: TheState) -> Upload:
    """Whoever was interrupted goes on from ``received``."""
    return _view(state, uploads.find(state, owner, upload))


@router.put(
    "/uploads/{upload}", openapi_extra=PART, responses=documented(400, 404, 409, 413, 422), summary="Send a part"
)
@pooled("readers")
def put(
    upload: UploadId, owner: TheOwner, state: TheState, part: Annotated[bytes, Depends(_part)],
    offset: Annotated[int, Query(ge=0, le=10**15, description="where in the file the part begins")] = 0,
) -> Upload:  # fmt: skip
    """Bytes of the file from ``offset`` on, at most a million. A part may be sent again."""
    found = uploads.find(state, owner, upload)
    uploads.put(state, found, offset, part)
    return _view(state, found)


@router.post("/uploads/{upload}", responses=documented(404, 409, 422), summary="Finish an upload")
@pooled("readers")
def finish(upload: UploadId, owner: TheOwner, state: TheState) -> Upload:
    """Check the whole file, and make it known by its content. A file that is no array of real numbers is deleted."""
    return _view(state, uploads.finish(state, uploads.find(state, owner, upload)))


@router.delete("/uploads/{upload}", status_code=204, responses=documented(404, 422), summary="Delete an upload")
@pooled("readers")
def remove(upload: UploadId, owner: TheOwner, state: TheState) -> Response:
    """Delete an upload, and its array, unless others have uploaded the same. Stores keep their own copies."""
    uploads.remove(state, uploads.find(state, owner, upload))
    return Response(status_code=204)
