"""Equations that users write."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, WithJsonSchema, field_serializer, field_validator, model_validator
from pydantic import Field as Limits

from pdemill.solvers.families.poisson import ZERO, ZERO_FUNCTION
from pdemill.solvers.families.reaction_diffusion import Fields, for_each
from pdemill.solvers.formulas import MAX_LENGTH, MAX_SCALARS
from pdemill.solvers.scalars import refuse_taken
from pdemill.solvers.symbolic.equations import Equations
from pdemill.solvers.symbolic.reading import TAKEN
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import AnyScalar, Field, Function, Scalar
from pdemill.spec.problem import Terms
from pdemill.spec.unknowns import ScalarUnknown, Unknown

MOST = 3
Text = Annotated[str, Limits(min_length=1, max_length=MAX_LENGTH)]
TEXT: Any = {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH}


def _listed(value: object) -> object:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


class Spectral(Evolution):
    """Your own equation in time on a periodic box, such as u_t = -0.5*d(u**2, x) - d(u, x, 2) - d(u, x, 4).

    ``equations`` is one text, or a list of up to three, one for each unknown.
    On the right stand + - * / **, the unknowns, the numbers of ``where``, functions of numbers, ``d(expression, x)``,
    ``d(expression, x, 2)`` and ``lap(expression)``, x, y, z the axes: a polynomial of the unknowns and their
    derivatives, up to degree 5 and order 8, with coefficients that do not vary in space. ``initial`` and ``source``,
    which is added on the right, are one for all unknowns or lists of one for each. Input: the initial state and the
    sources, those that are random; the numbers of ``where`` are parameters. Output: the unknowns at the stored times.
    Default: source 0.
    """

    family: Literal["spectral"]
    equations: Annotated[
        tuple[Text, ...],
        Limits(min_length=1, max_length=MOST),
        BeforeValidator(_listed),
        WithJsonSchema({"anyOf": [TEXT, {"type": "array", "items": TEXT, "minItems": 1, "maxItems": MOST}]}),
    ]
    where: dict[str, AnyScalar] = Limits(default_factory=dict, max_length=MAX_SCALARS)
    initial: Fields  # type: ignore[assignment]
    source: Fields = ZERO
    ordered: ClassVar[tuple[str, ...]] = ("where",)
    linear: ClassVar[bool] = False
    written: ClassVar[bool] = True
    operator_fields: ClassVar[tuple[str, ...]] = ("equations",)
    per_unknown: ClassVar[tuple[str, ...]] = ("initial", "source")

    @field_serializer("equations")
    def _short(self, equations: tuple[str, ...]) -> str | list[str]:
        return equations[0] if len(equations) == 1 else list(equations)

    @field_validator("where")
    @classmethod
    def _names(cls, where: dict[str, Scalar]) -> dict[str, Scalar]:
        refuse_taken(where, tuple(TAKEN))
        return where

    @model_validator(mode="after")
    def _reads(self) -> Spectral:
        self._read.check()
        return self

    @cached_property
    def _read(self) -> Equations:
        return Equations(texts=self.equations, where=self.where, dimension=self.dimension)

    @property
    def solved_for(self) -> tuple[Unknown, ...]:
        return tuple(map(ScalarUnknown, self._read.unknowns))

    @property
    def initial_names(self) -> tuple[str, ...]:
        names = self._read.unknowns
        return tuple(f"initial_{name}" for name in names) if len(self.values("initial")) > 1 else ("initial",)

    def values(self, name: str) -> tuple[Field, ...]:
        return (self._read,) if name == "equations" else super().values(name)

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        count = len(self._read.unknowns)
        initial, source = (for_each(drawn(name), count) for name in ("initial", "source"))
        nothing = (ZERO_FUNCTION,)
        others = tuple(Terms(nothing, f, initial=u) for u, f in zip(initial[1:], source[1:], strict=True))
        (equations,) = drawn("equations")
        return Terms(nothing, source[0], equations=equations, initial=initial[0], others=others)
