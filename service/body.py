"""Bodies of requests: strict JSON, of limited length."""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.requests import ClientDisconnect

from pdemill.service.problems import Detail, Refusal
from pdemill.service.state import TheOwner

MOST_BYTES = 1_000_000
MOST_DIGITS = 100


async def _json_object(request: Request, owner: TheOwner) -> dict[str, Any]:  # nothing is read for strangers
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Refusal(415, "send JSON, with the header Content-Type: application/json")
    try:
        value = json.loads(
            await request.body(), parse_int=_short, parse_constant=_no_constant, object_pairs_hook=_no_twins
        )
    except ClientDisconnect:
        raise Refusal(400, "the body ended early") from None
    except RecursionError:
        raise Refusal(400, "the JSON is nested too deeply") from None
    except ValueError as error:
        raise Refusal(400, f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Refusal(422, "the spec should be an object", [Detail(pointer="", detail="should be an object")])
    return value


def _short(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number has more than {MOST_DIGITS} digits")
    return int(digits)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        count = Counter(key for key, _ in pairs)
        raise ValueError(f"the key {count.most_common(1)[0][0]!r} stands twice")
    return found


JsonObject = Annotated[dict[str, Any], Depends(_json_object)]
