"""A formula of the coordinates and of sampled scalars."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field as Limits
from pydantic import field_validator, model_validator

from pdemill.draws import Draw
from pdemill.points import MOST_AXES, Array, Points
from pdemill.solvers.formulas import (
    CONSTANTS,
    COORDINATES,
    MAX_LENGTH,
    MAX_SCALARS,
    TIME,
    Refused,
    check,
    names_in,
    parsed,
    value_of,
)
from pdemill.solvers.scalars import Scalars, refuse_taken
from pdemill.spec.field import AnyScalar, Field, Function, Scalar
from pdemill.spec.model import refuse


class Expression(Field):
    """A formula such as ``a * sin(pi * x) + 1`` with x, y, z (from four dimensions on x1, x2, ...), pi, e, and the
    scalars of ``where``; in coefficients, sources and data of sides of equations in time on boxes also t, the time,
    unless ``where`` gives t a value.

    Operators + - * / **; functions sin cos tan exp log sqrt tanh abs sign min max atan2. The formula is
    parsed and walked node by node; nothing is ever handed to Python's evaluator.
    """

    field: Literal["expression"]
    formula: Annotated[str, Limits(min_length=1, max_length=MAX_LENGTH)]
    where: dict[str, AnyScalar] = Limits(default_factory=dict, max_length=MAX_SCALARS)
    ordered: ClassVar[tuple[str, ...]] = ("where",)
    most_axes: ClassVar[int] = MOST_AXES

    @field_validator("where")
    @classmethod
    def _names(cls, where: dict[str, Scalar]) -> dict[str, Scalar]:
        refuse_taken(where, (*COORDINATES, *CONSTANTS))
        return where

    @model_validator(mode="after")
    def _parses(self) -> Expression:
        try:
            check(self._tree, {*COORDINATES, *CONSTANTS, TIME, *self.where})
        except Refused as fault:
            raise refuse(("formula",), str(fault), self.formula) from None
        return self

    @cached_property
    def _tree(self) -> ast.expr:
        return parsed(self.formula)

    @property
    def is_random(self) -> bool:
        return any(scalar.is_random for scalar in self.where.values())

    @property
    def drawn_numbers(self) -> int | None:
        return self.numbers_of_parts()

    @property
    def in_time(self) -> bool:
        return TIME in names_in(self._tree) and TIME not in self.where

    @property
    def of_time_alone(self) -> bool:
        return self.in_time and not names_in(self._tree) & set(COORDINATES)

    def parts(self) -> Iterator[tuple[tuple[str, ...], Field]]:
        for name, scalar in self.where.items():
            yield ("where", name), scalar

    def objection(self, dimension: int, axes: tuple[str, ...]) -> str | None:
        used = names_in(self._tree)
        missing = (used & set(COORDINATES)) - set(axes)
        return f"uses {', '.join(sorted(missing))}, but the domain has only {', '.join(axes)}" if missing else None

    @property
    def is_smooth(self) -> bool:
        return not self._calls({"abs", "sign", "min", "max"})

    @property
    def jumps(self) -> bool:
        return self._calls({"sign"})

    def _calls(self, functions: set[str]) -> bool:
        return any(isinstance(node, ast.Name) and node.id in functions for node in ast.walk(self._tree))

    def realise(self, draw: Draw) -> Function:
        drawn = Scalars.drawn(self.where, draw)
        numbers: dict[str, Any] = {**CONSTANTS, TIME: 0.0}

        def evaluate(points: Points) -> Array | float:
            names: Mapping[str, Any] = numbers | dict(points.coordinates) | drawn.values(points)
            with np.errstate(all="ignore"):
                value = value_of(self._tree, names)
            return np.asarray(np.broadcast_to(value, points.shape), dtype=float)

        return Function(evaluate, self.is_random, drawn.features, drawn.parameters, in_time=self.in_time)
