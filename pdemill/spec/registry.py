"""Registers of the parts that a spec chooses by name: fields, conditions, families, discretisers, methods.

A part registers itself when its module is imported. The modules are found through the entry-point
group ``pdemill.catalogue``: each entry names a module whose import brings its parts in, so that
another distribution adds a family, a field or a solver without a change here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points
from threading import RLock
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from pdemill.spec.model import Model, refusal, refuse

registers: list[Register[Any]] = []
"""All of them."""
_lock = RLock()
_loading = False
_loaded = False


def load_catalogue() -> None:
    """Import every module of the entry-point group ``pdemill.catalogue``, once; other threads wait meanwhile."""
    global _loading, _loaded
    if _loaded:
        return
    with _lock:
        if _loaded or _loading:
            return
        _loading = True
        try:
            for entry in entry_points(group="pdemill.catalogue"):
                entry.load()
            _loaded = True
        finally:
            _loading = False


class Register[M](Mapping[str, type[M]]):
    """Named classes of one kind, for example all discretisers."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._members: dict[str, type[M]] = {}
        registers.append(self)

    def add(self, name: str, member: type[M]) -> None:
        if name in self._members and self._members[name] is not member:
            raise TypeError(f"the {self.kind} {name!r} is defined twice")
        self._members[name] = member

    def __getitem__(self, name: str) -> type[M]:
        load_catalogue()
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        load_catalogue()
        return iter(sorted(self._members))

    def __len__(self) -> int:
        load_catalogue()
        return len(self._members)

    def snapshot(self) -> dict[str, type[M]]:
        """The members now, for ``restore``."""
        load_catalogue()
        return dict(self._members)

    def restore(self, members: dict[str, type[M]]) -> None:
        """Go back to the members of a snapshot."""
        self._members = dict(members)

    def pick(self, name: Any, tag: str, *others: str) -> type[M]:
        """The member called ``name``, which a spec holds under the key ``tag``; ``others`` could stand there too."""
        if not isinstance(name, str) or name not in self:
            close = get_close_matches(str(name), list(self), n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            choices = ", ".join([*others, *self])
            raise refuse((tag,), f"unknown {self.kind} {name!r}; {hint}choose one of {choices}", name)
        return self[name]


class Registry[M: Model](Register[M]):
    """Named models of one kind, for example all fields; ``tag`` is the key that holds the name."""

    def __init__(self, kind: str, tag: str) -> None:
        super().__init__(kind)
        self.tag = tag

    def choose(self, value: Any) -> M:
        """The member that ``value[tag]`` names, validated from ``value``."""
        if not isinstance(value, Mapping):
            example = value if isinstance(value, str) and value in self else next(iter(self), "...")
            raise refusal(f"should be an object with the key {self.tag!r}, such as {{{self.tag}: {example}}}")
        if self.tag not in value:
            raise refuse((self.tag,), f"is missing; choose one of {', '.join(self)}", value)
        return self.pick(value[self.tag], self.tag).model_validate(dict(value))


class Slot:
    """Annotation for a place in a spec that holds one member of a registry."""

    def __init__(self, registry: Registry[Any], base: type[Model], definition: str) -> None:
        self.registry, self.base, self.definition = registry, base, definition

    def _validate(self, value: Any) -> Any:
        return value if isinstance(value, self.base) else self.registry.choose(value)

    @staticmethod
    def _dump(value: Any) -> Any:
        if isinstance(value, tuple):
            return [entry.model_dump(mode="json") for entry in value]
        return value.model_dump(mode="json")

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        dump = core_schema.plain_serializer_function_ser_schema(self._dump)
        return core_schema.no_info_plain_validator_function(self._validate, serialization=dump)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"x-slot": self.definition}
