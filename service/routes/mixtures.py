"""Mixtures: several equations in one spec, a job for each."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from pdemill.errors import Fault, SpecError
from pdemill.mixtures import told_of
from pdemill.service import jobs as actions
from pdemill.service.body import JsonObject
from pdemill.service.pools import pooled
from pdemill.service.problems import documented
from pdemill.service.state import TheOwner, TheState
from pdemill.service.views import MixtureMember, MixtureView
from pdemill.spec.mixture import KEY, MOST, is_mixture, mixture_of

MEMBER: dict[str, Any] = {
    "type": "object",
    "required": ["problem"],
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,31}$"},
        "weight": {"type": "number", "exclusiveMinimum": 0},
        "problem": {"type": "object"},
    },
}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": [KEY],
                    "description": "a Spec with mixture, a list of members with a problem each, in place of problem",
                    "properties": {KEY: {"type": "array", "minItems": 1, "maxItems": MOST, "items": MEMBER}},
                }
            }
        },
    }
}

router = APIRouter(prefix="/mixtures", tags=["jobs"], responses=documented(401, 403, 421, 429, 503))


@router.post(
    "", status_code=202, openapi_extra=BODY, responses=documented(400, 404, 409, 413, 415, 422, 507),
    summary="Submit a mixture, a job for each member",
)  # fmt: skip
@pooled("specs")
def submit(
    owner: TheOwner,
    body: JsonObject,
    state: TheState,
    response: Response,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200, pattern="^[ -~]*$")] = None,
    name: Annotated[str, Query(max_length=40, description="what to call the jobs, beside the member's name")] = "",
) -> MixtureView:
    """Queue every member of a mixture as a job of its own, within the same limits: all of them, or none. Each data set
    is an ordinary one, the same as that of the member's spec submitted alone."""
    if not is_mixture(body):
        raise SpecError([Fault((KEY,), "is missing: a list of members, each with a problem")])
    mixture = mixture_of(body)
    asked = [
        actions.Asked(
            member.spec.model_dump(mode="json"),
            None if idempotency_key is None else f"{idempotency_key}/{member.name}",
            f"{name} {member.name}".strip(),
        )
        for member in mixture.members
    ]
    jobs = actions.submit_all(state, owner, asked)
    response.headers["Retry-After"] = "1"
    members = [
        MixtureMember(**told_of(member), job=job) for member, job in zip(mixture.members, jobs, strict=True)
    ]  # fmt: skip
    return MixtureView(sha256=mixture.sha256(), members=members)
