"""A law: a formula of the unknowns, besides coordinates and sampled scalars."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from pydantic import Field as Limits
from pydantic import field_validator, model_validator

from pdemill.draws import Draw
from pdemill.points import Array, Points
from pdemill.solvers.formulas import (
    CONSTANTS,
    COORDINATES,
    FUNCTIONS,
    MAX_LENGTH,
    MAX_SCALARS,
    Refused,
    check,
    names_in,
    parsed,
    value_of,
)  # fmt: skip
from pdemill.spec.field import AnyScalar, Field, Function, Scalar, choose_field
from pdemill.spec.field import fields as known_fields
from pdemill.spec.model import refuse
from pdemill.spec.registry import Slot

UNKNOWNS = ("u", "v", "w")
"""Names that stand for unknowns in laws."""
FREE = (*COORDINATES, *CONSTANTS, *UNKNOWNS)


@dataclass(frozen=True)
class LawFunction(Function):
    """One draw of a law. ``at(points, unknowns)``: its values where the unknowns have these values. It is no function
    of space alone, and has no channel of inputs; its numbers are parameters."""

    at: Callable[[Points, Mapping[str, Array]], Array] = lambda points, unknowns: np.empty(0)


class Law(Field):
    """A formula of the unknowns: ``{law: "u**3 - a*u", where: {a: {uniform: [0.5, 1]}}}``, with the coordinates x, y,
    z, pi, e, and the scalars of ``where``; operators and functions as in ``expression``."""

    law: Annotated[str, Limits(min_length=1, max_length=MAX_LENGTH)]
    where: dict[str, AnyScalar] = Limits(default_factory=dict, max_length=MAX_SCALARS)

    @field_validator("where")
    @classmethod
    def _names(cls, where: dict[str, Scalar]) -> dict[str, Scalar]:
        for name in where:
            if not name.isidentifier() or name in (*FREE, *FUNCTIONS):
                raise refuse((name,), "is not a free name", name)
        return where

    @model_validator(mode="after")
    def _parses(self) -> Law:
        try:
            check(self._tree, {*FREE, *self.where})
        except Refused as fault:
            raise refuse(("law",), str(fault), self.law) from None
        return self

    @cached_property
    def _tree(self) -> ast.expr:
        return parsed(self.law)

    @property
    def unknowns(self) -> frozenset[str]:
        """The unknowns that it uses."""
        return frozenset(names_in(self._tree) & set(UNKNOWNS))

    @property
    def is_random(self) -> bool:
        return any(scalar.is_random for scalar in self.where.values())

    def parts(self) -> Iterator[tuple[tuple[str, ...], Field]]:
        for name, scalar in self.where.items():
            yield ("where", name), scalar

    def objection(self, dimension: int, axes: tuple[str, ...]) -> str | None:
        missing = (names_in(self._tree) & set(COORDINATES)) - set(axes)
        return f"uses {', '.join(sorted(missing))}, but the domain has only {', '.join(axes)}" if missing else None

    def realise(self, draw: Draw) -> LawFunction:
        drawn = {name: scalar.realise(draw.at(name)) for name, scalar in self.where.items()}
        parameters = {name: value for name, f in drawn.items() for value in f.parameters.values()}
        constants: dict[str, Any] = dict(CONSTANTS)

        def at(points: Points, unknowns: Mapping[str, Array]) -> Array:
            names = constants | dict(points.coordinates) | {n: f(points) for n, f in drawn.items()} | dict(unknowns)
            with np.errstate(all="ignore"):
                return np.asarray(np.broadcast_to(value_of(self._tree, names), points.shape), dtype=float)

        def features(points: Points) -> Array:
            return np.concatenate([np.empty(0), *[f.features(points) for f in drawn.values()]])

        def nowhere(points: Points) -> Array:
            raise TypeError("a law has values where the unknowns have some")

        return LawFunction(nowhere, self.is_random, features, parameters, at=at)


class _ReactionSlot(Slot):
    def _validate(self, value: object) -> object:
        if isinstance(value, Law) or (isinstance(value, dict) and "law" in value):
            return Law.model_validate(value)
        return choose_field(value)


AnyLaw = Annotated[Field, _ReactionSlot(known_fields, Field, "Law")]
"""A law, or a field or number as elsewhere."""
