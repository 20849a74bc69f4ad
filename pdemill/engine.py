"""The way from the light library to the solvers: entry points of the group ``pdemill.engine``."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Any

from pdemill.errors import PdemillError


@cache
def engine(name: str) -> Any:
    """The function that the installed solvers offer under ``name``."""
    for entry in entry_points(group="pdemill.engine", name=name):
        return entry.load()
    raise PdemillError(f"this installation of pdemill has no solvers, so it cannot {name}; reinstall it")
