"""Loading what entry points name: the solvers, the service, and the parts of other distributions."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from pdemill.errors import PdemillError

OURS = ("solvers", "workers", "service")
"""Top-level packages beside this one."""
HOME = Path(__file__).resolve().parents[1]


def load(entry: EntryPoint) -> Any:
    """What an entry point names. Raises PdemillError where a module of somebody else's has the name of one of ours."""
    try:
        return entry.load()
    except ImportError as error:
        other = next(filter(None, map(_stranger, OURS)), None)
        if other is None:
            raise
        name, place = other
        raise PdemillError(
            f"{place} is imported as {name!r}, which is a package of pdemill: rename it, or take its folder off the "
            "path (python -P, or start elsewhere)"
        ) from error


def _stranger(name: str) -> tuple[str, str] | None:
    """The name and place of a module that is imported in place of ours."""
    module = sys.modules.get(name)
    if module is None:
        return None
    places = [module.__file__] if getattr(module, "__file__", None) else list(getattr(module, "__path__", []))
    strange = [place for place in places if place and not Path(place).resolve().is_relative_to(HOME / name)]
    return (name, strange[0]) if strange else None
