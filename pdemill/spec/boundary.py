"""Conditions on the sides of a domain: given values, given fluxes, exchange, and sides that are joined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import GetJsonSchemaHandler, RootModel, model_serializer, model_validator
from pydantic_core import CoreSchema

from pdemill.spec.condition import AnyCondition, Condition
from pdemill.spec.field import AnyField, Field, NonNegativeField
from pdemill.spec.model import Model, refusal, refuse


class Dirichlet(Condition):
    """u = g; ``{dirichlet: g}``."""

    form: ClassVar[str] = "{dirichlet: g}"
    essential: ClassVar[bool] = True
    dirichlet: AnyField


class Neumann(Condition):
    """k du/dn = g with the outward normal n: the flux into the domain; ``{neumann: g}``."""

    form: ClassVar[str] = "{neumann: g}"
    neumann: AnyField

    @property
    def flux(self) -> Field:
        return self.neumann


class RobinData(Model):
    """The two functions of a Robin condition."""

    coefficient: NonNegativeField
    value: AnyField


class Robin(Condition):
    """a u + k du/dn = g with a >= 0; ``{robin: {coefficient: a, value: g}}``."""

    form: ClassVar[str] = "{robin: {coefficient: a, value: g}}"
    in_operator: ClassVar[tuple[str, ...]] = ("coefficient",)
    robin: RobinData

    @property
    def fixes_level(self) -> bool:
        return self.robin.coefficient.bounds() != (0.0, 0.0)

    @property
    def flux(self) -> Field:
        return self.robin.value


class Periodic(Condition):
    """The side is glued to the opposite one; ``periodic``."""

    form: ClassVar[str] = "periodic"
    word: ClassVar[bool] = True
    paired: ClassVar[bool] = True
    periodic: Literal[True] = True

    @model_serializer
    def _as_word(self) -> str:
        return "periodic"

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"const": "periodic", "type": "string"}


class Absorbing(Condition):
    """k du/dn + (sqrt(k) / c) u_t = 0: waves leave through the side, those that meet it straight on without reflection;
    ``absorbing``."""

    form: ClassVar[str] = "absorbing"
    word: ClassVar[bool] = True
    absorbing: Literal[True] = True

    @model_serializer
    def _as_word(self) -> str:
        return "absorbing"

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"const": "absorbing", "type": "string"}


class Boundary(RootModel[dict[str, AnyCondition]]):
    """Conditions by side name; ``default`` stands for every side that is not named (u = 0 if absent)."""

    @model_validator(mode="before")
    @classmethod
    def _names_sides(cls, value: Any) -> Any:
        if not isinstance(value, Mapping | cls):
            raise refusal("should say what holds where, such as {default: {dirichlet: 0.0}, left: {neumann: 1.0}}")
        return value

    def on(self, side: str) -> Condition:
        """The condition on one side."""
        return self.root.get(side) or self.root.get("default") or Dirichlet.model_validate({"dirichlet": 0.0})

    def resolved(self, sides: tuple[str, ...]) -> dict[str, Condition]:
        """The condition on every side, by name."""
        return {side: self.on(side) for side in sides}


def opposite_paired(conditions: dict[str, Condition], pairs: tuple[tuple[str, str], ...]) -> None:
    """Refuse a periodic side whose opposite is not periodic."""
    for low, high in pairs:
        paired = conditions[low].paired, conditions[high].paired
        if paired[0] != paired[1]:
            side, other = (low, high) if paired[0] else (high, low)
            raise refuse(("boundary", side), f"is periodic, so {other} must be periodic too", None)
