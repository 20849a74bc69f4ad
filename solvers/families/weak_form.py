"""Equations that users write as weak forms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, WithJsonSchema, field_validator, model_validator
from pydantic import Field as Limits

from pdemill.points import axis_names
from pdemill.solvers.families.poisson import ZERO_FUNCTION
from pdemill.solvers.weak.checking import MOST_DEGREE
from pdemill.solvers.weak.constraints import Constraint
from pdemill.solvers.weak.form import Coefficient, Misread, Unknown, WeakForm
from pdemill.solvers.weak.reading import MAX_LENGTH
from pdemill.solvers.weak.sides import FormSides, GivenValues
from pdemill.spec.boundary import opposite_paired
from pdemill.spec.condition import Condition
from pdemill.spec.domain import BOX_SIDES, Box
from pdemill.spec.field import AnyField, Field, Function, Scalar, choose_field
from pdemill.spec.model import Model, as_tuple, refuse
from pdemill.spec.parts import check_field
from pdemill.spec.problem import Problem, Terms
from pdemill.spec.properties import Properties
from pdemill.spec.unknowns import ScalarUnknown, VectorUnknown
from pdemill.spec.unknowns import Unknown as SolvedFor

MOST_UNKNOWNS, MOST_COEFFICIENTS, MOST_DEFINITIONS = 4, 20, 30
SAME_NAME = "another channel is called {} too, by its name and axis or its side: call one of them otherwise"
Name = Annotated[str, Limits(pattern="^[A-Za-z][A-Za-z0-9_]{0,30}$")]
Text = Annotated[str, Limits(min_length=1, max_length=MAX_LENGTH)]


class UnknownOfForm(Model):
    """``element`` of its values, ``shape``, and the name of its ``test`` function, which is v where there is but one
    unknown."""

    element: Literal["P1", "P2"] = "P1"
    shape: Literal["scalar", "vector"] = "scalar"
    test: Name | None = None


def _listed(value: Any) -> Any:
    return as_tuple(value) if isinstance(value, list) else (choose_field(value),)


VALUE: Any = {"x-slot": "Value"}
Values = Annotated[
    tuple[AnyField, ...],
    Limits(min_length=1, max_length=3),
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [VALUE, {"type": "array", "items": VALUE, "minItems": 1, "maxItems": 3}]}),
]


class WeakFormProblem(Problem):
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
    cellwise: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = ()
    degree: Annotated[int, Limits(ge=1, le=MOST_DEGREE)] | None = None
    boundary: FormSides  # type: ignore[assignment]
    constraints: dict[Name, Constraint] = Limits(default_factory=dict, exclude_if=lambda value: not value)
    linear: ClassVar[bool] = False
    symmetric: ClassVar[bool] = False
    weak: ClassVar[bool] = True

    @field_validator("unknowns", mode="before")
    @classmethod
    def _elements(cls, value: Any) -> Any:
        """``u: P2`` is short for ``u: {element: P2}``."""
        if not isinstance(value, dict):
            return value
        return {name: {"element": one} if isinstance(one, str) else one for name, one in value.items()}

    @property
    def solved_for(self) -> tuple[SolvedFor, ...]:
        kinds = {"scalar": ScalarUnknown, "vector": VectorUnknown}
        return tuple(kinds[one.shape](name) for name, one in self.unknowns.items())

    @cached_property
    def weak_form(self) -> WeakForm:
        """The form as it is compiled."""
        d, order = self.dimension, 2 if any(one.element == "P2" for one in self.unknowns.values()) else 1
        single = len(self.unknowns) == 1
        unknowns = tuple(
            Unknown(name, int(one.element[1]), d if one.shape == "vector" else 0, one.test or ("v" if single else ""))
            for name, one in self.unknowns.items()
        )
        coefficients = tuple(
            Coefficient(name, self._where(name), order, len(values) if len(values) > 1 else 0)
            for name, values in self.coefficients.items()
        )
        return WeakForm(d, self.sides, unknowns, coefficients, self.definitions, self.form, self.degree)

    def _where(self, name: str) -> str:
        if all(isinstance(value, Scalar) for value in self.coefficients[name]):
            return "constant"
        jumps = any(value.jumps for value in self.coefficients[name])
        return "cells" if jumps or name in self.cellwise else "nodes"

    @model_validator(mode="after")
    def _reads(self) -> WeakFormProblem:
        for name, one in self.unknowns.items():
            if one.test is None and len(self.unknowns) > 1:
                raise refuse(("unknowns", name, "test"), "is missing: each of several unknowns has its own", None)
        for place, name in enumerate(self.cellwise):
            if name not in self.coefficients:
                raise refuse(("cellwise", place), f"there is no coefficient {name!r:.40}", name)
        if self.compatibility != "refuse":
            raise refuse(("compatibility",), "means nothing for weak forms: leave it out", self.compatibility)
        try:
            self.weak_form.check()
        except Misread as fault:
            raise refuse(fault.path, fault.message) from None
        return self

    @model_validator(mode="after")
    def _sides_exist(self) -> WeakFormProblem:
        self.check_domain()
        for side in self.sides:
            if self.boundary.on(side) is None:
                raise refuse(("boundary", side), "is missing: say natural, or what is given there, or default", None)
        for side, condition in self.boundary.root.items():
            if side != "default" and side not in self.sides:
                raise refuse(("boundary", side), f"no such side; this domain has {', '.join(self.sides)}", side)
            self._fits(side, condition)
        return self

    @model_validator(mode="after")
    def _sides_are_joined(self) -> WeakFormProblem:
        paired = [side for side in self.sides if self.conditions[side].paired]
        if paired and not isinstance(self.domain, Box):
            raise refuse(("boundary", paired[0]), "can be periodic on boxes only", None)
        opposite_paired(self.conditions, BOX_SIDES[: self.dimension] if paired else ())
        for one in self.weak_form.integrals:
            if one.side in paired:
                raise refuse(("form",), f"has an integral over {one.side}, which is periodic, and no boundary", None)
        return self

    @model_validator(mode="after")
    def _constraints_fit(self) -> WeakFormProblem:
        for name, constraint in self.constraints.items():
            if name not in self.unknowns:
                raise refuse(("constraints", name), f"no such unknown; there are {', '.join(self.unknowns)}", None)
            key = "value" if constraint.mean is None else "mean"
            vector = self.unknowns[name].shape == "vector"
            if vector != constraint.of_vector or len(constraint.levels) != (self.dimension if vector else 1):
                what = (
                    f"needs {self.dimension} entries in brackets, null where it is free" if vector else "needs a number"
                )
                raise refuse(("constraints", name, key), what, None)
            if all(level is None for level in constraint.levels):
                raise refuse(("constraints", name, key), "fixes nothing: leave it out", None)
            if constraint.at is not None and len(constraint.at) != self.dimension:
                raise refuse(("constraints", name, "at"), f"needs {self.dimension} entries", None)
            for side in self.sides:
                given = getattr(self.conditions[side], "given", {}).get(name, (None,) * len(constraint.levels))
                if any(v is not None and level is not None for v, level in zip(given, constraint.levels, strict=True)):
                    raise refuse(("constraints", name), f"is too much: {name} is given on {side}", None)
        return self

    def _fits(self, side: str, condition: GivenValues) -> None:
        for name, values in condition.given.items():
            if name not in self.unknowns:
                raise refuse(("boundary", side, name), f"no such unknown; there are {', '.join(self.unknowns)}", name)
            vector = self.unknowns[name].shape == "vector"
            wanted = self.dimension if vector else 1
            if vector != (name in condition.vectors) or len(values) != wanted:
                what = f"needs {wanted} entries in brackets, null where it is free" if vector else "should be one value"
                raise refuse(("boundary", side, name, "dirichlet"), what, None)

    @model_validator(mode="after")
    def _dimensions_fit(self) -> WeakFormProblem:
        axes = axis_names(self.dimension)
        for name, values in self.coefficients.items():
            if len(values) not in (1, self.dimension):
                raise refuse(("coefficients", name), f"needs 1 or {self.dimension} entries", None)
        for path, value in self.slots():
            check_field(path, value, self.dimension, axes)
        for side, path, value in self.side_slots():
            condition = self.conditions[side]
            assert isinstance(condition, GivenValues)
            check_field((*self.side_path(side), *condition.path(path[-1])), value, self.dimension, axes)
        return self

    @model_validator(mode="after")
    def _channels_differ(self) -> WeakFormProblem:
        """Values are drawn, given and stored by the names of channels: no two may be the same."""
        axes, taken = axis_names(self.dimension), set[str]()
        for name, unknown in zip(self.unknowns, self.solved_for, strict=True):
            for channel in unknown.channels(self.dimension):
                if channel in taken:
                    raise refuse(("unknowns", name), SAME_NAME.format(channel))
                taken.add(channel)
        taken = set()
        for path, _ in self.slots():
            channel = f"{path[1]}_{axes[int(path[2])]}" if len(path) > 2 else str(path[1])
            if channel in taken:
                raise refuse(path, SAME_NAME.format(channel))
            taken.add(channel)
        for side, path, _ in self.side_slots():
            if (channel := f"{side}_{path[-1]}") in taken:
                raise refuse((*self.side_path(side), path[-1]), SAME_NAME.format(channel))
            taken.add(channel)
        return self

    @property
    def singular(self) -> bool:
        return False  # which is found when it is opened

    @property
    def definite(self) -> bool:
        return False

    @cached_property
    def properties(self) -> Properties:
        moving = any(v.is_random for name in self.weak_form.in_operator for v in self.coefficients[name])
        return Properties(False, False, self.weak_form.linear and not moving, self.dimension)

    @cached_property
    def conditions(self) -> dict[str, Condition]:
        return self.boundary.resolved(self.sides)

    def values(self, name: str) -> tuple[Field, ...]:
        return self.coefficients[name] if name in self.coefficients else super().values(name)

    def slots(self) -> Iterator[tuple[tuple[str | int, ...], Field]]:
        for name, values in self.coefficients.items():
            for place, value in enumerate(values):
                yield ("coefficients", name, *((place,) if len(values) > 1 else ())), value

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        for name in self.coefficients:
            drawn(name)
        return Terms((ZERO_FUNCTION,), ZERO_FUNCTION, form=ZERO_FUNCTION)
