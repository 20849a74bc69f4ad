"""All fields of a problem, those that others are made of among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pdemill.errors import Path
from pdemill.spec.field import Field
from pdemill.spec.model import refuse

if TYPE_CHECKING:
    from pdemill.spec.problem import Problem


def all_fields(problem: Problem) -> Iterator[tuple[Path, Field]]:
    """Every field of the equation and of its sides, with its path below ``problem``."""
    for path, value in problem.slots():
        yield from with_parts(path, value)
    for side, path, value in problem.side_slots():
        yield from with_parts((*problem.side_path(side), *path), value)


def array_ids(problem: Problem) -> list[str]:
    """The ids of the users' arrays that a problem takes values from."""
    return sorted({field.array_id for _, field in all_fields(problem)} - {""})


def with_parts(path: Path, value: Field) -> Iterator[tuple[Path, Field]]:
    """A field and all that it is made of, with their paths; ``path`` is its own."""
    yield path, value
    for below, part in value.parts():
        yield from with_parts((*path, *below), part)


def check_field(path: Path, value: Field, dimension: int, axes: tuple[str, ...]) -> None:
    """Refuse a field, or a part of it, that cannot be drawn on so many free axes of a domain with ``axes``."""
    for below, part in with_parts(path, value):
        if complaint := part.objection(dimension, axes):
            raise refuse(below, complaint, part)
