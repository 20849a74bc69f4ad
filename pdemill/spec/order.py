"""Where the order of keys means something: names of channels and of parameters stand in it in stores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, RootModel

from pdemill.errors import Path
from pdemill.spec.field import Field
from pdemill.spec.model import Model


def orders_of(part: Any, path: Path = ()) -> Iterator[tuple[Path, list[str]]]:
    """The keys that a part of a spec gives in an order which shows, and which is another one than that of their names,
    with where they stand. Single fields that are the same in all samples do not show."""
    for name, value in _parts(part):
        if isinstance(part, Model) and name in part.ordered:
            shown = [key for key, entry in value.items() if _shows(entry)]
            if shown != sorted(shown):
                yield (*path, name), shown
        yield from orders_of(value, (*path, name))


def _parts(part: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(part, RootModel):
        yield from _parts(part.root)
    elif isinstance(part, BaseModel):
        yield from ((name, getattr(part, name)) for name in type(part).model_fields)
    elif isinstance(part, Mapping):
        yield from part.items()
    elif isinstance(part, tuple) and part and isinstance(part[0], BaseModel):
        yield from enumerate(part)


def _shows(entry: Any) -> bool:
    if isinstance(entry, tuple) and entry:
        return any(map(_shows, entry))
    return not isinstance(entry, Field) or entry.is_random
