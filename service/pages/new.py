"""A new job: a form that is made from the schema, or YAML; checked, estimated and previewed before it is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import yaml
from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.responses import HTMLResponse, RedirectResponse

from pdemill.errors import Fault, SpecError
from pdemill.service import jobs as actions
from pdemill.service.keys import Owner
from pdemill.service.pages.form.spec import fields, read_spec, write_spec
from pdemill.service.pages.page import Page, is_foreign, place_of, posted, show
from pdemill.service.pages.pictures import Theme
from pdemill.service.pages.preview import pack, unpack
from pdemill.service.pages.render import render
from pdemill.service.pages.state import PagesState, ThePages, TheVisitor
from pdemill.service.pages.views import spec_of, spec_text
from pdemill.service.pools import pooled
from pdemill.service.problems import Refusal
from pdemill.service.state import find_job
from pdemill.service.submission import check
from pdemill.solvers.estimate import Cost
from pdemill.spec.load import parse, preset_names, preset_text, read_preset, validate
from pdemill.spec.problem import families

BEGIN = {"darcy": "fno-darcy", "poisson": "poseidon-poisson", "helmholtz": "skr-helmholtz", "thermal": "skr-thermal",
         "convection_diffusion": "condiff"}  # fmt: skip
"""The preset that a family's form begins with."""

NAME = "name"
"""The field for what a job is called; those of the spec begin with a slash."""

type Typed = Annotated[dict[str, str], Depends(posted)]
router = APIRouter(route_class=Page, include_in_schema=False)


@dataclass(frozen=True)
class Checked:
    """The verdict on a spec: its cost and a preview, or its faults."""

    faults: Sequence[Fault] = ()
    cost: Cost | None = None
    samples: int = 0
    packed: str | None = None
    pointwise: bool = False


def look_at(pages: PagesState, spec: Mapping[str, Any]) -> Checked:
    """Check a spec that was not sent."""
    try:
        valid, cost = check(pages.state, dict(spec))
    except SpecError as error:
        return Checked(error.faults)
    return Checked((), cost, valid.samples, pack(valid), valid.problem.pointwise)


@router.get("/new")
@pooled("specs")
def new(
    request: Request, pages: ThePages, owner: TheVisitor, preset: Annotated[str | None, Query()] = None,
    family: Annotated[str | None, Query()] = None, job: Annotated[str | None, Query()] = None,
) -> Response:  # fmt: skip
    """The form, filled in from a preset, a family or a job."""
    spec = _beginning(pages, owner, preset, family, job)
    shown = preset if job or family or preset else BEGIN["darcy"]
    return _form(request, pages, write_spec(spec), preset=shown)


def _beginning(
    pages: PagesState, owner: Owner, preset: str | None, family: str | None, job: str | None
) -> dict[str, Any]:
    if job is not None:
        return spec_of(find_job(pages.state, owner, job)[1])
    if family is not None and family in families:
        if family not in BEGIN:
            return {"problem": {"family": family, "resolution": [64, 64]}, "samples": 100}
        return read_preset(BEGIN[family])
    return read_preset(preset if preset in preset_names() else BEGIN["darcy"])


@router.post("/new")
@pooled("specs")
def send(request: Request, pages: ThePages, owner: TheVisitor, typed: Typed) -> Response:
    """Submit what was typed in, check it, show the form anew, or go on in YAML."""
    spec, action = read_spec(typed), typed.get("action", "submit")
    if action == "yaml":
        return _text(request, _yaml(spec), typed)
    if action == "submit":
        try:
            return _submitted(pages, owner, spec, typed)
        except SpecError:
            return _form(request, pages, typed, 422)
    return _form(request, pages, typed)


@router.post("/new/fields")
def renewed(pages: ThePages, owner: TheVisitor, typed: Typed) -> Response:
    """The fields anew, after another option was chosen."""
    return HTMLResponse(render("_fields.html", fields=fields(typed)))


@router.post("/new/check")
@pooled("specs")
def checked(pages: ThePages, owner: TheVisitor, typed: Typed) -> Response:
    """The verdict on the form as filled in so far."""
    return HTMLResponse(render("_checked.html", checked=look_at(pages, read_spec(typed))))


@router.get("/new/preview.png")
@pooled("previews")
def preview(request: Request, pages: ThePages, owner: TheVisitor, spec: str, theme: Theme = "light") -> Response:
    """The first sample of a spec as a PNG."""
    if is_foreign(request):
        raise Refusal(403, "previews are for these pages")
    found, _ = check(pages.state, unpack(spec).model_dump(mode="json"))
    return Response(
        pages.previewer.picture(found, theme), media_type="image/png", headers={"Cache-Control": "private, max-age=600"}
    )


@router.get("/new/yaml")
def as_yaml(
    request: Request, pages: ThePages, owner: TheVisitor, preset: Annotated[str | None, Query()] = None,
    job: Annotated[str | None, Query()] = None,
) -> Response:  # fmt: skip
    """A spec as text, a preset with its comments."""
    if job is not None:
        text = spec_text(find_job(pages.state, owner, job)[1])
    else:
        text = preset_text(preset if preset in preset_names() else BEGIN["darcy"])
    return _text(request, text, {})


@router.post("/new/yaml")
@pooled("specs")
def send_yaml(request: Request, pages: ThePages, owner: TheVisitor, typed: Typed) -> Response:
    """Submit or check a spec that was written by hand, or go on with it in the form."""
    text, action = typed.get("spec", ""), typed.get("action", "submit")
    try:
        spec = parse(text)
        if action == "submit":
            return _submitted(pages, owner, spec, typed)
        if action == "form":
            return _form(request, pages, {**_filled_in(spec), NAME: typed.get(NAME, "")})
        found = look_at(pages, spec)
    except SpecError as error:
        found = Checked(error.faults)
    return _text(request, text, typed, found)


def _filled_in(spec: dict[str, Any]) -> dict[str, str]:
    """What the form holds for a spec. Raises SpecError where that would not be all of it."""
    meaning = validate(spec).sha256()
    typed = write_spec(spec)
    if validate(read_spec(typed)).sha256() != meaning:
        raise SpecError([Fault((), "the form has no fields for some of this; it can be submitted from here")])
    return typed


def _submitted(pages: PagesState, owner: Owner, spec: dict[str, Any], typed: Mapping[str, str]) -> Response:
    job = actions.submit(pages.state, owner, spec, name=typed.get(NAME, ""))
    return RedirectResponse(f"/jobs/{job.id}", 303)


def _text(request: Request, text: str, typed: Mapping[str, str], checked: Checked | None = None) -> Response:
    return show(
        request, "yaml.html", 422 if checked is not None and checked.faults else 200, text=text, checked=checked,
        name=typed.get(NAME, ""), draft=place_of(request, "/new/yaml"),
    )  # fmt: skip


def _form(
    request: Request, pages: PagesState, typed: Mapping[str, str], status: int = 200, preset: str | None = None
) -> Response:
    found = look_at(pages, read_spec(typed))
    return show(
        request, "new.html", status, fields=fields(typed, found.faults), checked=found, presets=preset_names(),
        preset=preset, sent=status != 200, name=typed.get(NAME, ""), draft=place_of(request, "/new"),
        switches=pages.state.ledger.switches(),
    )  # fmt: skip


def _yaml(spec: Mapping[str, Any]) -> str:
    text: str = yaml.safe_dump(dict(spec), sort_keys=False, default_flow_style=None, width=100, allow_unicode=True)
    return text
