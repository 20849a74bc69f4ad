"""Equations that users write as weak forms."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, WithJsonSchema, field_validator
from pydantic import Field as Limits

from pdemill.errors import Path
from pdemill.solvers.families.of_form import Known, Name, ProblemOfForm, Text, UnknownOfForm, Written
from pdemill.spec.field import AnyField, choose_field
from pdemill.spec.model import as_tuple

MOST_UNKNOWNS, MOST_COEFFICIENTS, MOST_DEFINITIONS = 4, 20, 30


def _listed(value: Any) -> Any:
    return as_tuple(value) if isinstance(value, list) else (choose_field(value),)


VALUE: Any = {"x-slot": "Value"}
Values = Annotated[
    tuple[AnyField, ...],
    Limits(min_length=1, max_length=3),
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [VALUE, {"type": "array", "items": VALUE, "minItems": 1, "maxItems": 3}]}),
]


class WeakFormProblem(ProblemOfForm):
    """R(u; v) = 0 for all v: your own steady equation as a weak form.

    ``form`` is a text in the notation of UFL, such as ``k*inner(grad(u), grad(v))*dx - f*v*dx``: the unknowns, their
    test functions, the coefficients, x, y, z, the vector X, the outward normal n, numbers and functions of them; every
    term holds a test function once and ends with a measure, ``dx`` for the domain, ``ds`` for its boundary,
    ``ds('left')`` for a side. ``definitions`` are names for parts of it. A coefficient is a field, or a list of one per
    component of a vector; those that jump, and those in ``cellwise``, have one value in each cell. Fluxes and exchange
    through sides are terms of the form; ``boundary`` says where unknowns are given. ``degree`` of the quadrature is
    estimated where it is not set. Whether the form is linear is found from it; Newton's iteration solves what is not.
    Input: the coefficients and data on sides, those that are random. Output: one channel for each component of each
    unknown. Order 2 of P1 elements, 3 of P2, for smooth solutions.
    """

    family: Literal["weak_form"]
    unknowns: dict[Name, UnknownOfForm] = Limits(min_length=1, max_length=MOST_UNKNOWNS)  # type: ignore[misc,assignment]
    form: Text
    definitions: dict[Name, Text] = Limits(default_factory=dict, max_length=MOST_DEFINITIONS)
    coefficients: dict[Name, Values] = Limits(default_factory=dict, max_length=MOST_COEFFICIENTS)
    ordered: ClassVar[tuple[str, ...]] = ("unknowns", "coefficients", "outputs")
    form_place: ClassVar[Path] = ("form",)

    @field_validator("unknowns", mode="before")
    @classmethod
    def _elements(cls, value: Any) -> Any:
        """``u: P2`` is short for ``u: {element: P2}``."""
        if not isinstance(value, dict):
            return value
        return {name: {"element": one} if isinstance(one, str) else one for name, one in value.items()}

    @cached_property
    def equation(self) -> Written:
        known = (Known(name, name, ("coefficients", name), values) for name, values in self.coefficients.items())
        return Written(self.unknowns, self.form, tuple(known), self.definitions)
