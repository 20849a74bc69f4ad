"""Files of stores in a bucket: their data by links to the bucket, what is short by the service itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response, StreamingResponse

from pdemill.objects import Changed
from pdemill.objects.bucket import Bucket, Tag
from pdemill.objects.signing import signed
from pdemill.service.problems import Detail, respond
from pdemill.store.object_disk import ObjectDisk

RANGE = re.compile(r"bytes=(\d*)-(\d*)")
SIGNED_SECONDS = 900
"""How long a link to an object of a bucket lasts: whoever reads for longer asks for another one."""
PART_BYTES = 2**22
"""Of an object, read at a time."""


def answer(store: str, path: str, method: str, asked: Headers, direct: bool) -> Response | None:
    """An object of a store, or the range of it that is asked for; None where there is none. ``direct``: data come from
    the bucket itself."""
    bucket = Bucket(store)
    if ObjectDisk(bucket).size(path) < 0:
        return None
    if direct and method == "GET" and "/c/" in path:
        return RedirectResponse(signed(store, path, SIGNED_SECONDS), 307, headers={"Cache-Control": "no-store"})
    found = bucket.head(path)
    tag = found.tag.e_tag or found.tag.version or ""
    kind = "application/json" if path.endswith(".json") else "application/octet-stream"
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Accept-Ranges": "bytes"}
    known = [text.strip().removeprefix("W/") for text in asked.get("if-none-match", "").split(",")]
    if tag in known or known == ["*"]:
        return Response(status_code=304, headers=headers)
    first, last, status = 0, found.size - 1, 200
    wanted = RANGE.fullmatch(asked.get("range", "").strip())
    if wanted and (wanted[1] or wanted[2]) and asked.get("if-range", tag) == tag:
        first = int(wanted[1]) if wanted[1] else max(found.size - int(wanted[2]), 0)
        last = min(int(wanted[2]), last) if wanted[1] and wanted[2] else last
        if first > last:
            fault = Detail(header="Range", detail="should be bytes=FIRST-LAST, within the file")
            return respond(416, "the range cannot be served", [fault], {"Content-Range": f"bytes */{found.size}"})
        status = 206
        headers["Content-Range"] = f"bytes {first}-{last}/{found.size}"
    headers["Content-Length"] = str(last - first + 1)
    if method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=kind)
    return StreamingResponse(_parts(bucket, path, first, last, found.tag), status, headers, kind)


def _parts(bucket: Bucket, path: str, first: int, last: int, tag: Tag) -> Iterator[Any]:
    """The bytes from ``first`` to ``last``; breaks off where the object has become another one."""
    while first <= last:
        try:
            data, _, _ = bucket.get(path, span=(first, min(PART_BYTES, last - first + 1)), tag=tag)
        except (Changed, FileNotFoundError):
            raise OSError(f"{path} was changed while it was read") from None
        yield data
        first += len(data)
