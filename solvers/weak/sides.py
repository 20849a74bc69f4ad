"""What holds on the sides of a weak form: values that are given, by component, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import GetJsonSchemaHandler, RootModel, ValidationError, model_serializer, model_validator
from pydantic_core import CoreSchema, PydanticCustomError

from pdemill.points import axis_names
from pdemill.spec.condition import Condition
from pdemill.spec.field import Field, choose_field
from pdemill.spec.model import refusal, refuse

NATURAL, PERIODIC = "natural", "periodic"
FORM: dict[str, Any] = {
    "anyOf": [
        {"const": NATURAL, "type": "string"},
        {"const": PERIODIC, "type": "string"},
        {
            "type": "object",
            "additionalProperties": {
                "anyOf": [
                    {"const": NATURAL, "type": "string"},
                    {
                        "type": "object",
                        "required": ["dirichlet"],
                        "additionalProperties": False,
                        "properties": {
                            "dirichlet": {
                                "anyOf": [
                                    {"x-slot": "Value"},
                                    {"type": "array", "items": {"anyOf": [{"x-slot": "Value"}, {"type": "null"}]}},
                                ]
                            }
                        },
                    },
                ]
            },
        },
    ]
}


class GivenValues(Condition):
    """Values of unknowns on a side, ``{u: {dirichlet: g}}``; of vectors one per component, null where it is free.
    Unknowns that are not named are free, as all are on a side that is ``natural``."""

    form: ClassVar[str] = "{u: {dirichlet: g}}"
    registered: ClassVar[bool] = False
    given: dict[str, tuple[Field | None, ...]]
    vectors: frozenset[str]

    @property
    def fixes_level(self) -> bool:
        return bool(self.given)

    @classmethod
    def kind(cls) -> str:
        return "given"

    def data(self) -> Iterator[tuple[tuple[str, ...], Field]]:
        for _, channel, value in self.entries():
            yield (channel,), value

    def entries(self) -> Iterator[tuple[str, str, Field]]:
        """The unknown, the channel and the field of everything that is given."""
        for name, values in self.given.items():
            axes = axis_names(len(values)) if name in self.vectors else ()
            for place, value in enumerate(values):
                if value is not None:
                    yield name, f"{name}_{axes[place]}" if axes else name, value

    def in_order(self, unknowns: tuple[str, ...]) -> GivenValues:
        """The same with what is given in the order of the unknowns."""
        known = {name: self.given[name] for name in unknowns if name in self.given}
        return self.model_copy(update={"given": {**known, **self.given}})

    def place(self, name: str) -> tuple[str, ...]:
        """Where the values of an unknown stand below the side."""
        return (name, "dirichlet")

    def path(self, channel: str) -> tuple[str | int, ...]:
        """Where the data of a channel stand below the side."""
        for name, values in self.given.items():
            if name == channel:
                return self.place(name)
            for place, axis in enumerate(axis_names(len(values))):
                if name in self.vectors and f"{name}_{axis}" == channel:
                    return (*self.place(name), place)
        raise LookupError(channel)

    @model_serializer
    def _as_written(self) -> Any:
        if not self.given:
            return PERIODIC if self.paired else NATURAL

        def entry(value: Field | None) -> Any:
            return None if value is None else value.model_dump(mode="json")

        return {
            name: {"dirichlet": [entry(v) for v in values] if name in self.vectors else entry(values[0])}
            for name, values in self.given.items()
        }


class JoinedSide(GivenValues):
    """A side that is glued to the opposite one, ``periodic``: all unknowns are the same there."""

    form: ClassVar[str] = PERIODIC
    registered: ClassVar[bool] = False
    paired: ClassVar[bool] = True


class FormSides(RootModel[dict[str, GivenValues]]):
    """By side: ``natural``, where the form alone says what holds, ``periodic``, of opposite sides of a box, or the
    values that are given there, by unknown. ``default`` stands for the sides that are not named."""

    example: ClassVar[str] = f"{NATURAL}, or what is given there"
    """What a side may say, in words."""

    @model_validator(mode="before")
    @classmethod
    def _by_side(cls, value: Any) -> Any:
        if isinstance(value, cls):
            return value.root
        if not isinstance(value, Mapping):
            raise refusal(f"should say what holds where, such as {cls._example()}")
        return {side: cls._side(str(side), given) for side, given in value.items()}

    @classmethod
    def _example(cls) -> str:
        return f"{{left: {{u: {{dirichlet: 0.0}}}}, default: {NATURAL}}}"

    @classmethod
    def _side(cls, side: str, value: Any) -> GivenValues:
        """What is said of a side."""
        return _given(side, value)

    def on(self, side: str) -> GivenValues | None:
        """What is said of a side."""
        return self.root.get(side) or self.root.get("default")

    def resolved(self, sides: tuple[str, ...], unknowns: tuple[str, ...]) -> dict[str, Condition]:
        """The condition on every side, by name, with what is given in the order of the unknowns."""
        nothing = GivenValues(given={}, vectors=frozenset())
        return {side: (self.on(side) or nothing).in_order(unknowns) for side in sides}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": FORM, "title": "FormSides", "description": cls.__doc__}


def _given(side: str, value: Any) -> GivenValues:
    if isinstance(value, GivenValues):
        return value
    if value == PERIODIC:
        return JoinedSide(given={}, vectors=frozenset())
    if value == NATURAL:
        return GivenValues(given={}, vectors=frozenset())
    if not isinstance(value, Mapping) or not value:
        raise refuse(
            (side,),
            f"should be {NATURAL}, {PERIODIC}, or say which unknowns are given: {{u: {{dirichlet: 0.0}}}}",
            value,
        )
    given, vectors = dict[str, tuple[Field | None, ...]](), set[str]()
    for name, stated in value.items():
        path = (side, str(name))
        if name == "dirichlet":
            raise refuse(path, "needs the unknown that is given: {u: {dirichlet: 0.0}}", stated)
        if stated == NATURAL:
            continue
        if not isinstance(stated, Mapping) or set(stated) != {"dirichlet"}:
            instead = f"fluxes and exchange are terms of the form on ds('{side}')"
            raise refuse(path, f"should be {{dirichlet: g}} or {NATURAL}; {instead}", stated)
        data = stated["dirichlet"]
        if isinstance(data, list | tuple):
            vectors.add(str(name))
            entries = [field_at((*path, "dirichlet", i), entry, True) for i, entry in enumerate(data)]
            if all(entry is None for entry in entries):
                raise refuse((*path, "dirichlet"), f"gives no component: write {NATURAL}", data)
            given[str(name)] = tuple(entries)
        else:
            given[str(name)] = (field_at((*path, "dirichlet"), data, False),)
    return GivenValues(given=given, vectors=frozenset(vectors))


def field_at(path: tuple[str | int, ...], value: Any, free: bool) -> Field | None:
    """The field that a value stands for, which is at a path; None for null, where that is ``free``."""
    if value is None and free:
        return None
    try:
        return choose_field(value)
    except PydanticCustomError as fault:
        raise refuse(path, fault.message(), value) from None
    except ValidationError as fault:
        first = fault.errors(include_url=False)[0]
        raise refuse((*path, *first["loc"]), first["msg"], value) from None
