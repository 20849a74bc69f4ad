"""Templates: every value is escaped, and one that is missing is an error."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pdemill import __version__
from pdemill.service.pages import formats

STATIC = Path(__file__).parent / "static"


@cache
def environment() -> Environment:
    """The templates with their filters."""
    made = Environment(
        loader=PackageLoader("pdemill.service.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    for name in ("count", "figure", "rate", "duration", "size", "moment"):
        made.filters[name] = getattr(formats, name)
    made.globals |= {"version": __version__, "static": static}
    return made


@cache
def static(name: str) -> str:
    """The address of a static file, which changes when the file does."""
    return f"/static/{name}?{sha256((STATIC / name).read_bytes()).hexdigest()[:8]}"


def render(template: str, **values: Any) -> str:
    """A template filled in."""
    return environment().get_template(template).render(values)
