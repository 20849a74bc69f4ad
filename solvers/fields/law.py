"""A law: a formula of the unknowns, besides coordinates and sampled scalars."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import (
    BeforeValidator,
    GetJsonSchemaHandler,
    WithJsonSchema,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic import Field as Limits
from pydantic_core import CoreSchema

from pdemill.draws import Draw
from pdemill.points import Array, Points
from pdemill.solvers.degrees import degree
from pdemill.solvers.derivatives import derivative
from pdemill.solvers.formulas import (
    CONSTANTS,
    COORDINATES,
    MAX_LENGTH,
    MAX_SCALARS,
    Refused,
    check,
    names_in,
    parsed,
    value_of,
)  # fmt: skip
from pdemill.solvers.scalars import Scalars, refuse_taken
from pdemill.spec.field import AnyScalar, Field, Function, Scalar, choose_field
from pdemill.spec.field import fields as known_fields
from pdemill.spec.model import refusal, refuse
from pdemill.spec.registry import Slot

UNKNOWNS = ("u", "v", "w")
"""Names that stand for unknowns in laws."""
Text = Annotated[str, Limits(min_length=1, max_length=MAX_LENGTH)]
TEXT: Any = {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH}
FREE = (*COORDINATES, *CONSTANTS, *UNKNOWNS)


def _listed(value: object) -> object:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


KNOWN: Mapping[str, tuple[tuple[str, ...], Mapping[str, float]]] = {
    "logistic": (("-a*u*(1 - u)",), {"a": 1.0}),
    "fisher_kpp": (("-a*u*(1 - u)",), {"a": 1.0}),
    "allen_cahn": (("a*(u**3 - u)",), {"a": 1.0}),
    "fitzhugh_nagumo": (("-(u - u**3 - k - v)", "-(u - v)"), {"k": 5e-3}),
    "freundlich": (
        ("(1 - porosity)/porosity*density*k*sign(u)*exp(n*log(abs(u)))",),
        {"porosity": 0.29, "density": 2880.0, "k": 3.5e-4, "n": 0.874},
    ),
    "gray_scott": (("u*v**2 - F*(1 - u)", "-u*v**2 + (F + K)*v"), {"F": 0.04, "K": 0.06}),
}
"""Laws by name: the formulas of the unknowns, and their numbers where the spec gives none.

logistic and fisher_kpp: Fisher 1937, Kolmogorov, Petrovsky and Piskunov 1937; allen_cahn: Allen and Cahn 1979;
fitzhugh_nagumo: FitzHugh 1961, Nagumo 1962, as Takamoto et al. 2022 (PDEBench) have it; freundlich: what porous media
sorb per volume of their pores (Freundlich 1907), with their numbers; gray_scott: Pearson 1993.
"""


@dataclass(frozen=True)
class LawFunction(Function):
    """One draw of a law. ``at(points, unknowns)``: its values [C, *shape] where the unknowns have these values;
    ``slope(points, unknowns, name)``: its derivatives with respect to one of them; ``degree``: the largest of its
    formulas as polynomials of the unknowns, None where one is none. It is no function of space alone, and has no
    channel of inputs; its numbers are parameters."""

    of_space: ClassVar[bool] = False
    at: Callable[[Points, Mapping[str, Array]], Array] = lambda points, unknowns: np.empty(0)
    slope: Callable[[Points, Mapping[str, Array], str], Array] = lambda points, unknowns, name: np.empty(0)
    degree: int | None = None


class Law(Field):
    """A formula of the unknowns, or one for each: ``{law: "u**3 - a*u", where: {a: {uniform: [0.5, 1]}}}``; with the
    coordinates x, y, z, pi, e, and the scalars of ``where``, which all formulas share. Operators and functions as in
    ``expression``. By name: logistic, fisher_kpp, allen_cahn, fitzhugh_nagumo, gray_scott; freundlich."""

    law: Annotated[
        tuple[Text, ...],
        Limits(min_length=1, max_length=len(UNKNOWNS)),
        BeforeValidator(_listed),
        WithJsonSchema({"anyOf": [TEXT, {"type": "array", "items": TEXT, "minItems": 1, "maxItems": len(UNKNOWNS)}]}),
    ]
    where: dict[str, AnyScalar] = Limits(default_factory=dict, max_length=MAX_SCALARS)
    ordered: ClassVar[tuple[str, ...]] = ("where",)

    @field_serializer("law")
    def _short(self, law: tuple[str, ...]) -> str | list[str]:
        return law[0] if len(law) == 1 else list(law)

    @field_validator("where")
    @classmethod
    def _names(cls, where: dict[str, Scalar]) -> dict[str, Scalar]:
        refuse_taken(where, FREE)
        return where

    @model_validator(mode="after")
    def _parses(self) -> Law:
        for number, tree in enumerate(self._trees):
            try:
                check(tree, {*FREE, *self.scalars})
            except Refused as fault:
                raise refuse(("law", number) if len(self.law) > 1 else ("law",), str(fault), self.law) from None
        if self.law[0] in KNOWN:
            for name in self.where.keys() - KNOWN[self.law[0]][1].keys():
                known = ", ".join(KNOWN[self.law[0]][1])
                raise refuse(("where", name), f"is no number of {self.law[0]}, which has {known}", None)
        return self

    @property
    def formulas(self) -> tuple[str, ...]:
        """One for each unknown."""
        return KNOWN[self.law[0]][0] if self.law[0] in KNOWN else self.law

    @cached_property
    def scalars(self) -> dict[str, Field]:
        """The numbers of the formulas."""
        given = KNOWN[self.law[0]][1] if self.law[0] in KNOWN else {}
        return {name: choose_field(value) for name, value in given.items()} | self.where

    @cached_property
    def _trees(self) -> list[ast.expr]:
        try:
            return [parsed(formula) for formula in self.formulas]
        except Refused as fault:
            raise refuse(("law",), str(fault), self.law) from None

    @cached_property
    def _slopes(self) -> dict[str, list[ast.expr]]:
        """The derivatives of all formulas, by the unknown."""
        return {name: [derivative(tree, name) for tree in self._trees] for name in UNKNOWNS[: len(self._trees)]}

    @cached_property
    def _degree(self) -> int | None:
        found = [degree(tree, UNKNOWNS) for tree in self._trees]
        known = [one for one in found if one is not None]
        return max(known) if len(known) == len(found) else None

    @property
    def is_random(self) -> bool:
        return any(scalar.is_random for scalar in self.where.values())

    @property
    def is_flat(self) -> bool:
        return not self._used & set(COORDINATES)

    @property
    def has_channel(self) -> bool:
        return False

    def parts(self) -> Iterator[tuple[tuple[str, ...], Field]]:
        for name, scalar in self.where.items():
            yield ("where", name), scalar

    def objection(self, dimension: int, axes: tuple[str, ...]) -> str | None:
        missing = (self._used & set(COORDINATES)) - set(axes)
        return f"uses {', '.join(sorted(missing))}, but the domain has only {', '.join(axes)}" if missing else None

    @property
    def _used(self) -> set[str]:
        return {name for tree in self._trees for name in names_in(tree)}

    @property
    def stray(self) -> list[str]:
        """The unknowns that it uses and has no formula for."""
        return sorted(self._used & set(UNKNOWNS[len(self._trees) :]))

    def realise(self, draw: Draw) -> LawFunction:
        drawn = Scalars.drawn(self.scalars, draw)
        constants: dict[str, Any] = dict(CONSTANTS)

        def values(trees: list[ast.expr], points: Points, unknowns: Mapping[str, Array]) -> Array:
            names = constants | dict(points.coordinates) | drawn.values(points) | dict(unknowns)
            with np.errstate(all="ignore"):
                parts = [np.broadcast_to(value_of(tree, names), points.shape) for tree in trees]
            return np.stack(parts).astype(float, copy=False)

        def at(points: Points, unknowns: Mapping[str, Array]) -> Array:
            return values(self._trees, points, unknowns)

        def slope(points: Points, unknowns: Mapping[str, Array], name: str) -> Array:
            return values(self._slopes[name], points, unknowns)

        def nowhere(points: Points) -> Array:
            raise TypeError("a law has values where the unknowns have some")

        return LawFunction(
            nowhere, self.is_random, drawn.features, drawn.parameters, at=at, slope=slope, degree=self._degree
        )


class _ReactionSlot(Slot):
    def _validate(self, value: object) -> object:
        if isinstance(value, Law) or (isinstance(value, dict) and "law" in value):
            return Law.model_validate(value)
        return choose_field(value)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [Law.model_json_schema(), {"x-slot": self.definition}]}


AnyLaw = Annotated[Field, _ReactionSlot(known_fields, Field, "Value")]
"""A law, or a field or number as elsewhere."""


def of_one_unknown(value: Field, instead: str) -> Law:
    """The value of a slot that must be a law of u alone."""
    if not isinstance(value, Law):
        raise refusal(f"should be a law, such as {{law: '1 + u**2'}}; {instead}")
    if len(value.formulas) > 1 or value.stray:
        raise refuse(("law",), "should be one formula, of u alone", None)
    return value
