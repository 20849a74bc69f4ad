"""What the sides of a ready family say, in its own words: values of unknowns, loads, and words for what is common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import GetJsonSchemaHandler, model_serializer
from pydantic_core import CoreSchema

from pdemill.solvers.weak.sides import PERIODIC, FormSides, GivenValues, field_at
from pdemill.spec.condition import Condition
from pdemill.spec.field import Field, choose_field
from pdemill.spec.model import refuse

VALUE: dict[str, Any] = {"x-slot": "Value"}


@dataclass(frozen=True)
class Load:
    """A key of sides: ``term`` is integrated over the side, with the load in the place of ``{0}``; it has one value per
    axis if ``vector``, and does nothing to components of the unknown ``on`` that are given there."""

    term: str
    on: str
    vector: bool = True


@dataclass(frozen=True)
class Word:
    """A word for a side: unknowns that are ``zero`` there, and a ``term`` that is integrated over it; ``stretched``:
    what that is in a box with layers of waves."""

    zero: tuple[str, ...] = ()
    term: str = ""
    stretched: str = ""


class Said(GivenValues):
    """Values of unknowns, and ``loads`` by key, on a side; or what the word ``called`` stands for."""

    form: ClassVar[str] = "what its family knows"
    loads: dict[str, tuple[Field, ...]]
    called: str = ""

    def place(self, name: str) -> tuple[str, ...]:
        return (name,)

    @model_serializer
    def _as_written(self) -> Any:
        if self.called or self.paired:
            return self.called or PERIODIC
        told = dict[str, Any]()
        for name, values in {**self.given, **self.loads}.items():
            entries = [None if value is None else value.model_dump(mode="json") for value in values]
            told[name] = entries if name in self.vectors or len(entries) > 1 else entries[0]
        return told


class JoinedSaid(Said):
    """A side that is glued to the opposite one, ``periodic``."""

    paired: ClassVar[bool] = True


class SaidSides(FormSides):
    """By side: what holds on it, or ``periodic``, of opposite sides of a box. ``default`` stands for the sides that are
    not named."""

    unknowns: ClassVar[Mapping[str, bool]]
    """The unknowns that may be given on sides, and whether they are vectors."""
    loads: ClassVar[Mapping[str, Load]]
    words: ClassVar[Mapping[str, Word]]

    @classmethod
    def _example(cls) -> str:
        return f"{{default: {next(iter(cls.words))}}}"

    @model_serializer
    def _as_written(self) -> Any:
        return {side: said.model_dump(mode="json") for side, said in self.root.items()}

    @classmethod
    def _side(cls, side: str, value: Any) -> Said:
        if isinstance(value, Said):
            return value
        if value == PERIODIC:
            return JoinedSaid(given={}, vectors=frozenset(), loads={})
        if isinstance(value, str) and value in cls.words:
            return Said(given={}, vectors=frozenset(), loads={}, called=value)
        keys = [f"{{{name}: {'[...]' if vector else '...'}}}" for name, vector in cls._keys().items()]
        if not isinstance(value, Mapping) or not value:
            raise refuse((side,), f"should be one of {', '.join([*cls.words, *keys, PERIODIC])}", value)
        parts: dict[str, tuple[Any, ...]] = {}
        for name, stated in value.items():
            if name not in cls._keys():
                raise refuse((side, str(name)), f"is not known here; there are {', '.join(cls._keys())}", stated)
            parts[name] = _entries((side, name), stated, cls._keys()[name], name in cls.unknowns)
        given: dict[str, tuple[Field | None, ...]] = {name: parts[name] for name in cls.unknowns if name in parts}
        return Said(
            given=given,
            vectors=frozenset(name for name in parts if cls.unknowns.get(name)),
            loads={name: parts[name] for name in cls.loads if name in parts},
        )

    @classmethod
    def _keys(cls) -> dict[str, bool]:
        return {**cls.unknowns, **{name: load.vector for name, load in cls.loads.items()}}

    def expanded(self, sides: tuple[str, ...], dimension: int) -> dict[str, Condition]:
        """The condition on every side, words for unknowns that are 0 as such values."""
        return {side: self._expanded(self.on(side), dimension) for side in sides}

    def _expanded(self, said: GivenValues | None, dimension: int) -> Condition:
        if not isinstance(said, Said):
            return Said(given={}, vectors=frozenset(), loads={})
        zero = self.words[said.called].zero if said.called else ()
        if not zero:
            return said
        given: dict[str, tuple[Field | None, ...]] = {
            name: (choose_field(0.0),) * (dimension if self.unknowns[name] else 1) for name in zero
        }
        vectors = frozenset(name for name in zero if self.unknowns[name])
        return Said(given=given, vectors=vectors, loads={})

    def terms(self, sides: tuple[str, ...]) -> Iterator[tuple[str, str, str, tuple[Field, ...]]]:
        """What sides bring into the form: the side, the key of a load or a word, its term, and the load."""
        for side in sides:
            said = self.on(side)
            if not isinstance(said, Said):
                continue
            if said.called and self.words[said.called].term:
                yield side, said.called, self.words[said.called].term, ()
            for name, entries in said.loads.items():
                yield side, name, self.loads[name].term, entries

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        keys = {name: _listed(name in cls.unknowns) if vector else VALUE for name, vector in cls._keys().items()}
        said = {"type": "object", "properties": keys, "additionalProperties": False, "minProperties": 1}
        side = {"anyOf": [{"type": "string", "enum": [*cls.words, PERIODIC]}, said]}
        return {"type": "object", "additionalProperties": side, "title": cls.__name__, "description": cls.__doc__}


def _listed(free: bool) -> dict[str, Any]:
    """The schema of a value per axis, which may be null if ``free``."""
    return {"type": "array", "items": {"anyOf": [VALUE, {"type": "null"}]} if free else VALUE}


def _entries(path: tuple[str, str], stated: Any, vector: bool, free: bool) -> tuple[Any, ...]:
    """The fields under a key: one, or one per axis, of which those that are ``free`` may be null."""
    if not vector:
        return (field_at(path, stated, False),)
    if not isinstance(stated, list | tuple) or not stated:
        raise refuse(path, "needs a value per axis, in brackets" + (", null where it is free" if free else ""), stated)
    entries = tuple(field_at((*path, place), entry, free) for place, entry in enumerate(stated))
    if all(entry is None for entry in entries):
        raise refuse(path, "gives no component: leave it out", stated)
    return entries
