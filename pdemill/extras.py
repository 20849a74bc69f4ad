"""Libraries that only some need: brought by an extra of pdemill, loaded when they are."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from pdemill.errors import MissingExtra


def missing(module: str, extra: str, purpose: str) -> MissingExtra | None:
    """What to raise where the module of an extra is not installed; it is not loaded to find out."""
    if find_spec(module) is not None:
        return None
    return MissingExtra(f"{purpose} needs {module}: pip install 'pdemill[{extra}]'")


def library(module: str, extra: str, purpose: str) -> Any:
    """The module of an extra. Raises MissingExtra, which says what needs it and how to install it."""
    try:
        return import_module(module)
    except ImportError:
        raise MissingExtra(f"{purpose} needs {module}: pip install 'pdemill[{extra}]'") from None
