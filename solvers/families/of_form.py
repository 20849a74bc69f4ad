"""The base of families that are weak forms: what a form and its coefficients mean for a problem."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, GetJsonSchemaHandler, model_validator
from pydantic import Field as Limits
from pydantic_core import CoreSchema

from pdemill.errors import Path
from pdemill.points import axis_names
from pdemill.solvers.families.poisson import ZERO_FUNCTION
from pdemill.solvers.weak.checking import MOST_DEGREE
from pdemill.solvers.weak.constraints import Constraint
from pdemill.solvers.weak.form import Coefficient, Misread, Reaction, Unknown, WeakForm
from pdemill.solvers.weak.layers import Layers
from pdemill.solvers.weak.reading import MAX_LENGTH
from pdemill.solvers.weak.sides import FormSides, GivenValues
from pdemill.spec.condition import Condition
from pdemill.spec.field import Field, Function, Scalar
from pdemill.spec.model import Model, Number, as_tuple, refuse
from pdemill.spec.parts import check_field
from pdemill.spec.problem import Problem, Terms
from pdemill.spec.properties import Properties
from pdemill.spec.unknowns import ScalarUnknown, VectorUnknown
from pdemill.spec.unknowns import Unknown as SolvedFor

SAME_NAME = "another channel is called {} too, by its name and axis or its side: call one of them otherwise"
MOST_OUTPUTS = 20
Name = Annotated[str, Limits(pattern="^[A-Za-z][A-Za-z0-9_]{0,30}$")]
Text = Annotated[str, Limits(min_length=1, max_length=MAX_LENGTH)]


class UnknownOfForm(Model):
    """``element`` of its values, ``shape``, and the name of its ``test`` function, which is v where there is but one
    unknown. ``P2`` is short for ``{element: P2}``."""

    element: Literal["P1", "P2"] = "P1"
    shape: Literal["scalar", "vector"] = "scalar"
    test: Name | None = None

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"enum": ["P1", "P2"]}, handler(schema)]}


class ReactionOfSide(Model):
    """What a side, ``reaction``, does to hold the component ``of`` of an unknown, such as ``velocity_x``, at the values
    that are given there: the form with a test function that is ``scale`` at its nodes."""

    reaction: str
    of: str
    scale: Number = 1.0

    def meant(self) -> Reaction:
        return Reaction(self.reaction, self.of, self.scale)


@dataclass(frozen=True)
class Known:
    """A coefficient: its ``symbol`` in the form, the ``name`` of its draws and channels, its place in a spec, and its
    fields, one or one per axis; the ``side`` that it is a load on."""

    symbol: str
    name: str
    place: Path
    fields: tuple[Field, ...]
    side: str = ""


@dataclass(frozen=True)
class Written:
    """An equation as a weak form: ``text`` of unknowns, coefficients and ``definitions``."""

    unknowns: Mapping[str, UnknownOfForm]
    text: str
    coefficients: tuple[Known, ...] = ()
    definitions: Mapping[str, str] = field(default_factory=dict)


class ProblemOfForm(Problem):
    """Base of the families that are weak forms. A subclass says by ``equation`` which form it is."""

    boundary: FormSides  # type: ignore[assignment]
    cellwise: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = ()
    degree: Annotated[int, Limits(ge=1, le=MOST_DEGREE)] | None = None
    constraints: dict[Name, Constraint] = Limits(default_factory=dict, exclude_if=lambda value: not value)
    outputs: dict[Name, Text | ReactionOfSide] = Limits(
        default_factory=dict, max_length=MOST_OUTPUTS, exclude_if=lambda outputs: not outputs
    )
    ordered: ClassVar[tuple[str, ...]] = ("outputs",)
    linear: ClassVar[bool] = False
    symmetric: ClassVar[bool] = False
    weak: ClassVar[bool] = True
    form_place: ClassVar[Path] = ("family",)
    """Where a spec says what the form is."""

    @property
    def quadrature(self) -> int | None:
        """The degree of all quadratures; None where it is estimated for each."""
        return self.degree

    @property
    def levels(self) -> Mapping[str, Constraint]:
        """What fixes unknowns that the form determines but for constants."""
        return self.constraints

    @property
    def layers(self) -> Layers | None:
        """Where waves die out; None where they do not."""
        return None

    @property
    @abstractmethod
    def equation(self) -> Written:
        """The equation as a weak form."""

    @property
    def solved_for(self) -> tuple[SolvedFor, ...]:
        kinds = {"scalar": ScalarUnknown, "vector": VectorUnknown}
        return tuple(kinds[one.shape](name) for name, one in self.equation.unknowns.items())

    @cached_property
    def weak_form(self) -> WeakForm:
        """The form as it is compiled."""
        told, d = self.equation, self.dimension
        order = 2 if any(one.element == "P2" for one in told.unknowns.values()) else 1
        single = len(told.unknowns) == 1
        unknowns = tuple(
            Unknown(name, int(one.element[1]), d if one.shape == "vector" else 0, one.test or ("v" if single else ""))
            for name, one in told.unknowns.items()
        )
        coefficients = tuple(
            Coefficient(one.symbol, self._where(one), order, len(one.fields) if len(one.fields) > 1 else 0, one.name)
            for one in told.coefficients
        )
        definitions = told.definitions
        outputs = {name: one if isinstance(one, str) else one.meant() for name, one in self.outputs.items()}
        return WeakForm(d, self.sides, unknowns, coefficients, definitions, told.text, self.quadrature, outputs)

    def _where(self, one: Known) -> str:
        if all(isinstance(value, Scalar) for value in one.fields):
            return "constant"
        jumps = any(value.jumps for value in one.fields)
        return "cells" if jumps or one.name in self.cellwise else "nodes"

    @cached_property
    def _known(self) -> dict[str, Known]:
        return {one.name: one for one in self.equation.coefficients}

    def coefficient_place(self, symbol: str) -> Path:
        """Where a spec gives the coefficient that a form calls so."""
        return next(one.place for one in self.equation.coefficients if one.symbol == symbol)

    @model_validator(mode="after")
    def _reads(self) -> ProblemOfForm:
        for name, one in self.equation.unknowns.items():
            if one.test is None and len(self.equation.unknowns) > 1:
                raise refuse(("unknowns", name, "test"), "is missing: each of several unknowns has its own", None)
        for place, name in enumerate(self.cellwise):
            if name not in self._known:
                raise refuse(("cellwise", place), f"there is no coefficient {name!r:.40}", name)
        if self.compatibility != "refuse":
            raise refuse(("compatibility",), "means nothing for weak forms: leave it out", self.compatibility)
        try:
            self.weak_form.check()
        except Misread as fault:
            raise self._misread(fault) from None
        return self

    def _misread(self, fault: Misread) -> Exception:
        """The error for a form that cannot be read."""
        return refuse(fault.path, fault.message)

    @model_validator(mode="after")
    def _sides_exist(self) -> ProblemOfForm:
        self.check_domain()
        for side in self.sides:
            if self.boundary.on(side) is None:
                raise refuse(("boundary", side), f"is missing: say {self.boundary.example}, or default", None)
        for side, condition in self.boundary.root.items():
            if side != "default" and side not in self.sides:
                raise refuse(("boundary", side), f"no such side; this domain has {', '.join(self.sides)}", side)
            self._fits(side, condition)
        return self

    @model_validator(mode="after")
    def _no_terms_on_joined_sides(self) -> ProblemOfForm:
        for one in self.weak_form.integrals:
            if one.side and self.conditions[one.side].paired:
                what = f"has an integral over {one.side}, which is periodic, and no boundary"
                raise refuse(self.form_place, what, None)
        for name, sides in self.weak_form.output_sides.items():
            for side in sorted(sides):
                if side in self.conditions and self.conditions[side].paired:
                    raise refuse(("outputs", name), f"is of {side}, which is periodic, and no boundary", None)
        return self

    @model_validator(mode="after")
    def _constraints_fit(self) -> ProblemOfForm:
        unknowns = self.equation.unknowns
        for name, constraint in self.constraints.items():
            if name not in unknowns:
                raise refuse(("constraints", name), f"no such unknown; there are {', '.join(unknowns)}", None)
            constraint.fit(("constraints", name), self.dimension, unknowns[name].shape == "vector")
            for side, condition in self.conditions.items():
                assert isinstance(condition, GivenValues)
                given = condition.given.get(name, (None,) * len(constraint.levels))
                if any(v is not None and level is not None for v, level in zip(given, constraint.levels, strict=True)):
                    raise refuse(("constraints", name), f"is too much: {name} is given on {side}", None)
        return self

    def _fits(self, side: str, condition: GivenValues) -> None:
        """Refuse what a side says where it does not fit the unknowns."""
        unknowns = self.equation.unknowns
        for name, values in condition.given.items():
            if name not in unknowns:
                raise refuse(("boundary", side, name), f"no such unknown; there are {', '.join(unknowns)}", name)
            vector = unknowns[name].shape == "vector"
            wanted = self.dimension if vector else 1
            if vector != (name in condition.vectors) or len(values) != wanted:
                what = f"needs {wanted} entries in brackets, null where it is free" if vector else "should be one value"
                raise refuse(("boundary", side, *condition.place(name)), what, None)

    @model_validator(mode="after")
    def _dimensions_fit(self) -> ProblemOfForm:
        axes = axis_names(self.dimension)
        for one in self.equation.coefficients:
            if len(one.fields) not in (1, self.dimension):
                raise refuse(one.place, f"needs 1 or {self.dimension} entries", None)
        for path, value in self.slots():
            check_field(path, value, self.dimension, axes)
        for side, path, value in self.side_slots():
            condition = self.conditions[side]
            assert isinstance(condition, GivenValues)
            check_field((*self.side_path(side), *condition.path(path[-1])), value, self.dimension, axes)
        return self

    @model_validator(mode="after")
    def _reactions_hold_something(self) -> ProblemOfForm:
        given = {side: {path[-1] for path, _ in condition.data()} for side, condition in self.conditions.items()}
        for name, one in self.outputs.items():
            if isinstance(one, str):
                continue
            if one.reaction not in given:
                raise refuse(("outputs", name, "reaction"), f"no such side; there are {', '.join(given)}", one.reaction)
            if one.of not in given[one.reaction]:
                held = ", ".join(sorted(given[one.reaction])) or "nothing"
                raise refuse(("outputs", name, "of"), f"is not given on {one.reaction}, where {held} is", one.of)
        return self

    @model_validator(mode="after")
    def _channels_differ(self) -> ProblemOfForm:
        """Values are drawn, given and stored by the names of channels: no two may be the same."""
        axes, taken = axis_names(self.dimension), set[str]()
        for name, unknown in zip(self.equation.unknowns, self.solved_for, strict=True):
            for channel in unknown.channels(self.dimension):
                if channel in taken:
                    raise refuse(("unknowns", name), SAME_NAME.format(channel))
                taken.add(channel)
        taken = set()
        for one in self.equation.coefficients:
            for place in range(len(one.fields)):
                channel = f"{one.name}_{axes[place]}" if len(one.fields) > 1 else one.name
                if channel in taken:
                    raise refuse(self._entry(one, place), SAME_NAME.format(channel))
                taken.add(channel)
        for side, path, _ in self.side_slots():
            if (channel := f"{side}_{path[-1]}") in taken:
                raise refuse((*self.side_path(side), path[-1]), SAME_NAME.format(channel))
            taken.add(channel)
        return self

    @staticmethod
    def _entry(one: Known, place: int) -> Path:
        return (*one.place, place) if len(one.fields) > 1 else one.place

    @property
    def singular(self) -> bool:
        return False  # which is found when it is opened

    @property
    def definite(self) -> bool:
        return False

    @cached_property
    def properties(self) -> Properties:
        inside = self.weak_form.in_operator
        moving = any(v.is_random for one in self.equation.coefficients if one.symbol in inside for v in one.fields)
        moving = moving or self.moves  # type: ignore[attr-defined]
        linear = self.weak_form.linear
        return Properties(
            False, False, linear and not moving, self.dimension, numbers=self.drawn_numbers if linear else None
        )

    @cached_property
    def conditions(self) -> dict[str, Condition]:
        return self.boundary.resolved(self.sides, tuple(self.equation.unknowns))

    def values(self, name: str) -> tuple[Field, ...]:
        return self._known[name].fields if name in self._known else super().values(name)

    def slots(self) -> Iterator[tuple[tuple[str | int, ...], Field]]:
        for one in self.equation.coefficients:
            for place, value in enumerate(one.fields):
                yield self._entry(one, place), value

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        for name in self._known:
            drawn(name)
        return Terms((ZERO_FUNCTION,), ZERO_FUNCTION, form=ZERO_FUNCTION)
