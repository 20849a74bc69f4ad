"""Routes for families, with their JSON Schema, and presets."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from pdemill import __version__
from pdemill.service.catalogue import family_views, preset_views
from pdemill.service.problems import Refusal, documented
from pdemill.service.state import TheOwner
from pdemill.service.views import PREFIX, Family, Preset
from pdemill.spec.load import load_preset, preset_names
from pdemill.spec.problem import families
from pdemill.spec.schema import family_schema

router = APIRouter(tags=["catalogue"], responses=documented(401, 403, 421, 429, 503))


@router.get("/", include_in_schema=False)
async def index() -> dict[str, str]:
    """Where to begin."""
    return {"service": "pdemill", "version": __version__, "jobs": f"{PREFIX}/jobs", "openapi": f"{PREFIX}/openapi.json"}


@router.get("/problems", summary="The families of equations")
def problems(owner: TheOwner) -> list[Family]:
    """Every family with its equation."""
    return family_views()


@router.get("/problems/{family}/schema", responses=documented(404, 422), summary="The JSON Schema of a family")
def schema(family: str, owner: TheOwner) -> dict[str, Any]:
    """The schema of the ``problem`` part of a spec."""
    if family not in families:
        raise Refusal(404, f"there is no such family; choose one of {', '.join(families)}")
    return family_schema(family)


@router.get("/presets", summary="The specs that ship with pdemill")
def presets(owner: TheOwner) -> list[Preset]:
    """Every preset with what it reproduces."""
    return preset_views()


@router.get("/presets/{preset}", responses=documented(404, 422), summary="A preset, as a spec to submit")
def preset(preset: str, owner: TheOwner) -> dict[str, Any]:
    """The spec of a preset, all defaults written out."""
    if preset not in preset_names():
        raise Refusal(404, f"there is no such preset; choose one of {', '.join(preset_names())}")
    return load_preset(preset).model_dump(mode="json")
