"""Libraries that only some need: brought by an extra of pdemill, loaded when they are."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pdemill.errors import MissingExtra


def library(module: str, extra: str, purpose: str) -> Any:
    """The module of an extra. Raises MissingExtra, which says what needs it and how to install it."""
    try:
        return import_module(module)
    except ImportError:
        raise MissingExtra(f"{purpose} needs {module}: pip install 'pdemill[{extra}]'") from None
