"""Bodies of requests: strict JSON, of limited length."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Depends, Request

from service.problems import Detail, Refusal

MOST_BYTES = 1_000_000


async def _json_object(request: Request) -> dict[str, Any]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Refusal(415, "send JSON, with the header Content-Type: application/json")
    try:
        value = json.loads(await request.body(), parse_constant=_no_constant, object_pairs_hook=_no_twins)
    except RecursionError:
        raise Refusal(400, "the JSON is nested too deeply") from None
    except ValueError as error:
        raise Refusal(400, f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Refusal(422, "the spec should be an object", [Detail(pointer="", detail="should be an object")])
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    return found


JsonObject = Annotated[dict[str, Any], Depends(_json_object)]
