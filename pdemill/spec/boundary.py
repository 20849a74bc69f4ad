"""Conditions on the sides of a domain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, GetJsonSchemaHandler, RootModel, model_serializer
from pydantic_core import CoreSchema

from pdemill.spec.field import AnyField, Field, NonNegativeField
from pdemill.spec.model import Model, refusal


class Dirichlet(Model):
    """u = g; ``{dirichlet: g}``."""

    dirichlet: AnyField


class Neumann(Model):
    """k du/dn = g with the outward normal n: the flux into the domain; ``{neumann: g}``."""

    neumann: AnyField


class RobinData(Model):
    """The two functions of a Robin condition."""

    coefficient: NonNegativeField
    value: AnyField


class Robin(Model):
    """a u + k du/dn = g with a >= 0; ``{robin: {coefficient: a, value: g}}``."""

    robin: RobinData


class Periodic(Model):
    """The side is glued to the opposite one; ``periodic``."""

    periodic: Literal[True] = True

    @model_serializer
    def _as_word(self) -> str:
        return "periodic"

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"const": "periodic", "type": "string"}


KINDS: dict[str, type[Model]] = {"dirichlet": Dirichlet, "neumann": Neumann, "robin": Robin, "periodic": Periodic}


def _choose(value: Any) -> Any:
    if isinstance(value, tuple(KINDS.values())):
        return value
    if value == "periodic":
        return Periodic()
    if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in KINDS:
        raise refusal("should be {dirichlet: g}, {neumann: g}, {robin: {coefficient: a, value: g}} or periodic")
    return KINDS[next(iter(value))].model_validate(value)


Condition = Annotated[Dirichlet | Neumann | Robin | Periodic, BeforeValidator(_choose)]


class Boundary(RootModel[dict[str, Condition]]):
    """Conditions by side name; ``default`` stands for every side that is not named (u = 0 if absent)."""

    def on(self, side: str) -> Dirichlet | Neumann | Robin | Periodic:
        """The condition on one side."""
        return self.root.get(side) or self.root.get("default") or Dirichlet.model_validate({"dirichlet": 0.0})

    def resolved(self, sides: tuple[str, ...]) -> dict[str, Dirichlet | Neumann | Robin | Periodic]:
        """The condition on every side, by name."""
        return {side: self.on(side) for side in sides}


def data_of(condition: Model) -> Iterator[tuple[tuple[str, ...], Field]]:
    """The fields in a condition, with their paths below it."""
    values: Mapping[str, Any] = dict(condition)
    for name, value in values.items():
        if isinstance(value, Field):
            yield (name,), value
        elif isinstance(value, RobinData):
            yield (name, "coefficient"), value.coefficient
            yield (name, "value"), value.value
