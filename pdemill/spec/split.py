"""The splits of a spec: how many samples each has, and what of the problem is another one in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any

from pydantic import (
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    model_serializer,
)
from pydantic import ValidationError as Invalid
from pydantic_core import CoreSchema, InitErrorDetails, core_schema

from pdemill.errors import Path
from pdemill.spec.design import AnyDesign
from pdemill.spec.field import Field as RandomField
from pdemill.spec.field import scalars
from pdemill.spec.model import Model, refusal
from pdemill.spec.problem import Diagonal, Problem

Count = Annotated[int, Field(ge=1, strict=True)]
_COUNT: TypeAdapter[int] = TypeAdapter(Count)


class Split(Model):
    """``samples``: how many; ``problem``: what differs from the spec's ``problem``, by its keys: fields of the equation
    and data of sides, never what decides on the arrays; ``design``: how the numbers of samples are placed, instead of
    being drawn."""

    samples: Count
    problem: dict[str, Any] = Field(default_factory=dict, exclude_if=lambda problem: not problem)
    design: AnyDesign | None = Field(default=None, exclude_if=lambda design: design is None)

    @model_serializer(mode="wrap")
    def _short(self, dump: SerializerFunctionWrapHandler) -> Any:
        """A split that only has samples is their number."""
        found = dump(self)
        return self.samples if found == {"samples": self.samples} else found


class _SplitSlot:
    """A number of samples, or a mapping."""

    @staticmethod
    def _validate(value: Any) -> Split:
        if isinstance(value, Split):
            return value
        if isinstance(value, Mapping):
            return Split.model_validate(value)
        return Split(samples=_COUNT.validate_python(value))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._validate, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "integer", "minimum": 1}, handler(schema)]}


AnySplit = Annotated[Split, _SplitSlot()]


def merged(base: Any, other: Any, path: Path = ()) -> Any:
    """A part of a spec with what ``other`` says instead, key by key. A mapping that says which field, condition or
    number it is takes the place of the whole, as everything does that is no mapping."""
    if not isinstance(base, Mapping) or not isinstance(other, Mapping) or _is_whole(base, other, path):
        return other
    return {**base, **{key: merged(base[key], v, (*path, key)) if key in base else v for key, v in other.items()}}


def _is_whole(base: Mapping[str, Any], other: Mapping[str, Any], path: Path) -> bool:
    names = ("field", "law", "diagonal", "method", "shape")
    if any(key in other for key in names) or (path[:1] == ("boundary",) and len(path) == 2):
        return True
    return any(len(part) == 1 and next(iter(part)) in scalars for part in (base, other)) and bool(path)


def moved(error: Invalid, path: Path, kept: Collection[str] = (), keys: Collection[str] | None = None) -> Invalid:
    """An error of a spec that was made of another, at the ``path`` that made it: what is of its problem, or of these
    ``keys`` of it, stands below that, what is of parts ``kept`` below their names there. All else is told of."""
    found = []
    for item in error.errors(include_url=False):
        loc = tuple(item["loc"])
        own = loc[:1] == ("problem",) and (keys is None or (len(loc) > 1 and loc[1] in keys))
        inside, below = own or loc[0] in kept, loc[1:] if own else loc
        place = (*path, *below) if inside else loc if loc[:2] == path[:2] else path
        message = item["msg"].removeprefix("Input ").removeprefix("Value error, ")
        told = message if place != path else f"{'.'.join(map(str, loc))}: {message}"
        known = place != path and item["type"] in ("missing", "extra_forbidden", "finite_number")
        kind: Any = item["type"] if known else refusal(told)
        found.append(InitErrorDetails(type=kind, loc=place, input=item["input"]))
    return Invalid.from_exception_data("spec", found)


def unlike(base: Problem, other: Problem) -> tuple[Path, str] | None:
    """What of a split's problem would give it other arrays than those of the spec's: where, and why; None where nothing
    does."""
    if base.family != other.family:
        return ("family",), "cannot be another one in a split"
    mine, theirs = base.discretisation, other.discretisation
    if mine is not theirs:
        return (), f"would be solved by {called(theirs)}, and the problem of the spec is by {called(mine)}"
    for name in type(base).model_fields:
        if name == "boundary" or _holds_fields(getattr(base, name)) or _holds_fields(getattr(other, name)):
            continue
        if getattr(base, name) != getattr(other, name):
            return (name,), "cannot be another one in a split: fields of the equation and data of sides can"
    if (complaint := mine.unlike(base, other)) is not None:
        return complaint
    drawn, here = dict(_drawn(base)), dict(_drawn(other))
    for path in {**drawn, **here}:
        if path not in drawn or path not in here:
            return (
                path,
                "is not alike in the problem of the spec: of sides the data can be other ones, not the conditions",
            )
        if drawn[path] != here[path]:
            told = "is drawn" if drawn[path] else "is not drawn"
            return path, f"{told} in the problem of the spec: all splits have the same channels"
    return None


def called(by: Any) -> str:
    return f"{by.name} ({by.where})" if getattr(by, "where", "") else str(by.name)


def _holds_fields(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(_holds_fields(entry) for entry in value.values())
    if isinstance(value, tuple):
        return bool(value) and all(isinstance(entry, RandomField) for entry in value)
    return isinstance(value, RandomField | Diagonal)


def _drawn(problem: Problem) -> Iterator[tuple[Path, bool]]:
    """The fields of a problem, and whether they are drawn."""
    for path, value in problem.slots():
        yield path, value.is_random
    for side, path, value in problem.side_slots():
        yield (*problem.side_path(side), *path), value.is_random
