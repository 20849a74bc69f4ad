"""The base of families: an equation whose coefficients are fields, and what may be said of its operator."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from inspect import get_annotations
from math import inf
from types import MappingProxyType
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from pydantic import Field as Option
from pydantic import model_validator

from pdemill.draws import Draw
from pdemill.errors import FamilyError, Path
from pdemill.points import axis_names
from pdemill.spec.boundary import Boundary
from pdemill.spec.condition import Condition
from pdemill.spec.discretiser import Discretiser
from pdemill.spec.domain import Box, Polygon
from pdemill.spec.field import Field, Function, Scalar
from pdemill.spec.model import Model, refuse
from pdemill.spec.parts import check_field
from pdemill.spec.properties import Properties
from pdemill.spec.registry import Registry
from pdemill.spec.solvable import refuse_undetermined
from pdemill.spec.taken import refuse_untaken
from pdemill.spec.terms import NOWHERE, Coefficient, Diagonal, Terms, Vector, checked_terms, placeholder
from pdemill.spec.unknowns import ScalarUnknown, Unknown

OF_ONE_PLACE = (
    "derives from the place of one discretiser, which will not be possible in the next release: derive it from "
    "pdemill.spec.problem.Problem"
)
__all__ = ["Coefficient", "Diagonal", "Problem", "Properties", "Terms", "Vector", "families"]


class Problem(Model):
    """Base of all families. A subclass is one file: fields of the equation and ``terms``. It says nothing of where it
    is solved: that is added by the place of a discretiser (``pdemill.spec.forms``).

    ``unknowns`` are what is solved for. ``operator_fields`` names the fields that enter the matrix, ``positive`` and
    ``not_negative`` those whose drawn values are checked for their sign; ``compatibility`` says what to do with a
    source that a singular problem (no Dirichlet or Robin side, no reaction) cannot balance.
    """

    family: str
    boundary: Boundary = Boundary({})
    compatibility: Literal["refuse", "project"] = "refuse"
    discretiser: str = Option(default="auto", exclude_if=lambda name: name == "auto")
    unknowns: ClassVar[tuple[Unknown, ...]]
    """The scalar u, where a family does not say otherwise."""
    per_unknown: ClassVar[tuple[str, ...]] = ()
    """The fields that may be lists of one for each unknown; all other lists have one for each axis."""
    symmetric: ClassVar[bool] = True
    linear: ClassVar[bool] = True
    """Whether its matrices are the same whatever u is."""
    operator_fields: ClassVar[tuple[str, ...]] = ()
    positive: ClassVar[tuple[str, ...]] = ()
    not_negative: ClassVar[tuple[str, ...]] = ()
    limits: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType({})
    """The open intervals that drawn values of fields are checked for."""
    discretised_by: ClassVar[type[Discretiser] | None] = None
    """Set by the place of a discretiser."""
    evolves: ClassVar[bool] = False
    """Whether it is an equation in time."""
    written: ClassVar[bool] = False
    """Whether its equations are texts of the spec."""
    weak: ClassVar[bool] = False
    """Whether it is a weak form, without terms: only discretisers of weak forms take it."""
    pointwise: ClassVar[bool] = False
    """Whether u is wanted at points, not on a grid or mesh."""
    solved_by: ClassVar[Literal["systems", "walks", "steps"]] = "systems"
    """The kind of method that can solve it."""

    @abstractmethod
    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        """The equation of one sample, from the drawn functions of the named fields."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Number of space dimensions."""

    @property
    @abstractmethod
    def sides(self) -> tuple[str, ...]:
        """The names of the sides of the domain."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of unknowns per sample, exact or (meshes) estimated."""

    @property
    def system_size(self) -> int:
        """Number of unknowns of one linear system."""
        return self.size

    @property
    def cells(self) -> tuple[int, ...]:
        """Cells along each axis of a grid; empty where the unknowns form none."""
        return ()

    @property
    def inclusions(self) -> int:
        """How many inclusions its cells may lie in."""
        return 0

    @property
    def structured(self) -> bool:
        """Whether the unknowns form a grid."""
        return bool(self.cells)

    def measures(self) -> Iterator[tuple[tuple[str, ...], Scalar]]:
        """The scalars that shape the domain, with their paths below ``problem``."""
        yield from ()

    def obstacle_levels(self, draw: Draw) -> dict[str, Function]:
        """One draw of what is cut out of its domain, by path: functions that are negative inside."""
        return {}

    @property
    def flat_sides(self) -> bool:
        """Whether data on a side is a function of the other axes alone."""
        return self.structured

    def side_axes(self, side: str) -> int:
        """Number of axes that data on a side is a function of."""
        return self.dimension - 1 if self.flat_sides else self.dimension

    @property
    @abstractmethod
    def volume(self) -> float:
        """Length, area or volume of the domain."""

    @abstractmethod
    def measure(self, side: str) -> float:
        """Size of a side: 1 for a point, else its length or area."""

    @property
    def definite(self) -> bool:
        """Whether the operator is known to be positive (semi)definite."""
        return self.symmetric

    @property
    def negative_eigenvalues(self) -> float:
        """About how many eigenvalues of the operator are negative; infinite where nothing tells."""
        return 0.0 if self.definite else inf

    @property
    def damped(self) -> bool:
        """Whether a reaction term c > 0 makes the operator regular whatever the sides."""
        return False

    @classmethod
    def place_of(cls) -> type[Discretiser]:
        """The discretiser in whose place problems of this class are solved."""
        assert cls.discretised_by is not None
        return cls.discretised_by

    @property
    def discretisation(self) -> type[Discretiser]:
        """The discretiser that was chosen."""
        return self.place_of()

    @property
    def solved_for(self) -> tuple[Unknown, ...]:
        """``unknowns`` of the family, where a spec does not say otherwise."""
        return getattr(type(self), "unknowns", (ScalarUnknown("u"),))

    @cached_property
    def channels(self) -> tuple[str, ...]:
        """The names of the channels of a solution, one per component of the unknowns."""
        return tuple(name for unknown in self.solved_for for name in unknown.channels(self.dimension))

    @cached_property
    def conditions(self) -> dict[str, Condition]:
        """The condition on every side."""
        return self.boundary.resolved(self.sides)

    @property
    def singular(self) -> bool:
        """Whether constants solve the homogeneous problem."""
        return not self.damped and not any(condition.fixes_level for condition in self.conditions.values())

    @cached_property
    def properties(self) -> Properties:
        """The facts that methods may rely on."""
        values = [value for name in self.operator_fields for value in self.values(name)]
        kinds = self.conditions.values()
        constant = self.linear and not any(v.is_random for v in values) and not any(c.moves_operator for c in kinds)
        flat = self.linear and all(isinstance(v, Scalar) for v in values) and not any(c.in_operator for c in kinds)
        return Properties(
            self.symmetric, self.definite, constant, self.dimension, self.cells, self.joined, self.compact,
            self.compact and flat, self.drawn_numbers if self.linear else None,
        )  # fmt: skip

    @property
    def drawn_numbers(self) -> int | None:
        """How many drawn numbers make a sample; None where a field, an obstacle or the domain is drawn."""
        shapes = (*(s for _, s in self.measures()), *(v for path, v in self.slots() if path[0] == "domain"))
        known = [v.drawn_numbers for v in (*(v for _, v in self.slots()), *(v for *_, v in self.side_slots()))]
        return None if None in known or any(v.is_random for v in shapes) else sum(one for one in known if one)

    @property
    def preconditioned(self) -> Properties:
        """The facts about the matrices that multigrid is given: the same, unless others stand for them."""
        return self.properties

    @property
    def convective_flux(self) -> str:
        """How a discretiser is to take convection, by name; ``auto``: as it sees fit."""
        return "auto"

    @property
    def joined(self) -> tuple[bool, ...]:
        """For each axis of a grid, whether its ends are joined."""
        return ()

    @property
    def compact(self) -> bool:
        """Whether each cell of a grid is coupled with the next ones along the axes alone, by entries <= 0."""
        return False

    @property
    def walkable(self) -> Box | Polygon | None:
        """The domain as the walks of audits know it; None where they do not."""
        return None

    def resolved(self) -> dict[str, Any]:
        """The parts of the problem that can be written in more than one way, in one way."""
        return {"boundary": {side: c.model_dump(mode="json") for side, c in self.conditions.items()}}

    def values(self, name: str) -> tuple[Field, ...]:
        """The fields held by an attribute, one or one per axis."""
        value = getattr(self, name)
        if isinstance(value, Diagonal):
            return value.diagonal
        return value if isinstance(value, tuple) else (value,)

    def entry_names(self, name: str) -> tuple[str, ...]:
        """What the entries of a list of fields belong to: axes, or unknowns."""
        return tuple(one.name for one in self.solved_for) if name in self.per_unknown else axis_names(self.dimension)

    def slots(self) -> Iterator[tuple[tuple[str | int, ...], Field]]:
        """Every field of the equation with its path below ``problem``."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Field):
                yield (name,), value
            elif isinstance(value, Diagonal):
                for axis, entry in enumerate(value.diagonal):
                    yield (name, "diagonal", axis), entry
            elif isinstance(value, tuple) and value and isinstance(value[0], Field):
                for axis, entry in enumerate(value):
                    yield (name, axis), entry

    def side_slots(self) -> tuple[tuple[str, tuple[str, ...], Field], ...]:
        """Every field on a side: its side, its path below the condition, the field."""
        return self._side_slots

    @cached_property
    def _side_slots(self) -> tuple[tuple[str, tuple[str, ...], Field], ...]:
        return tuple(
            (side, path, value) for side, condition in self.conditions.items() for path, value in condition.data()
        )

    def side_path(self, side: str) -> Path:
        """Where the spec says what holds on a side."""
        return ("boundary", side if side in self.boundary.root else "default")

    def stated(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        """``terms``, whose mistakes are those of whoever wrote the family."""
        try:
            found = self.terms(drawn)
        except (AttributeError, TypeError, ValueError) as error:
            if type(error) not in (AttributeError, TypeError, ValueError):  # such as a sample that is not valid
                raise
            raise FamilyError(f"terms() of {self.family} fails: {error}") from error
        return checked_terms(found, self.family, self.dimension)

    def asked(self) -> Iterator[tuple[str, tuple[Function, ...], Path]]:
        """Every term that this problem has, with the path of the field that brings it in; terms that are the number 0
        are left out."""
        for term, functions in self._stand_ins.present():
            if term not in self.zero_terms:
                yield term, functions, (functions[0].origin or "family",)

    @cached_property
    def _stand_ins(self) -> Terms:
        """The terms, made of functions that know which field they come from, and which fields are the number 0."""
        return self.stated(lambda name: placeholder(name, [self._is_zero(value) for value in self.values(name)]))

    @cached_property
    def zero_terms(self) -> frozenset[str]:
        """The terms that are the number 0 in every sample and for all unknowns: made of fields that are, each by one
        function of its values."""
        present = list(self._stand_ins.present())
        there = {name for name, functions in present if not all(map(self._vanishes, functions))}
        return frozenset(name for name, _ in present) - there

    def _vanishes(self, stand_in: Function) -> bool:
        if not stand_in.origin or not all(map(self._is_zero, self.values(stand_in.origin))):
            return False
        try:
            return bool(np.ndim(value := stand_in(NOWHERE)) == 0 and value == 0.0)
        except (ArithmeticError, AttributeError, TypeError, ValueError):
            return False

    def sources(self, functions: tuple[Function, ...]) -> Iterator[Field]:
        """The fields that functions of a term come from, as far as these tell."""
        for name in dict.fromkeys(function.origin for function in functions if function.origin):
            yield from self.values(name)

    @staticmethod
    def _is_zero(value: Field) -> bool:
        return value.bounds() == (0.0, 0.0)

    def check_domain(self) -> None:
        """Refuse a domain and resolution that do not fit together."""

    @model_validator(mode="after")
    def _sides_exist(self) -> Problem:
        self.check_domain()
        for side in self.boundary.root:
            if side != "default" and side not in self.sides:
                raise refuse(("boundary", side), f"no such side; this domain has {', '.join(self.sides)}", side)
        return self

    @model_validator(mode="after")
    def _dimensions_fit(self) -> Problem:
        axes = axis_names(self.dimension)
        for path, value in self.slots():
            check_field(path, value, self.dimension, axes)
            if len(path) > 1 and not self._complete(path[0]):
                of = "unknown" if path[0] in self.per_unknown else "axis"
                raise refuse(path[:-1], f"needs {len(self.entry_names(str(path[0])))} entries, one per {of}", None)
        for side, path, value in self.side_slots():
            check_field((*self.side_path(side), *path), value, self.side_axes(side), axes)
        return self

    def _complete(self, name: str | int) -> bool:
        """Whether a list of fields has all its entries; what else fields are part of counts as complete."""
        if not isinstance(getattr(self, str(name)), Diagonal | tuple):
            return True
        return len(self.values(str(name))) == len(self.entry_names(str(name)))

    @model_validator(mode="after")
    def _is_taken(self) -> Problem:
        refuse_untaken(self)
        return self

    @model_validator(mode="after")
    def _balanced(self) -> Problem:
        refuse_undetermined(self)
        return self

    def integrates_to_zero(self) -> bool:
        """Whether source and fluxes through sides are known to be in balance."""
        if "source" not in type(self).model_fields:
            return False
        loads = [(value, self.volume) for value in self.values("source")]
        loads += [(c.flux, self.measure(side)) for side, c in self.conditions.items() if c.flux is not None]
        integrals = [mean * size if (mean := self._mean(value)) is not None else None for value, size in loads]
        known = [integral for integral in integrals if integral is not None]
        return len(known) == len(integrals) and abs(sum(known)) <= 1e-12 * sum(map(abs, known))

    def _mean(self, value: Field) -> float | None:
        """The mean that all draws share; fields know it over boxes only."""
        low, high = value.bounds() or (0.0, 1.0)
        return value.fixed_mean() if self.structured or low == high else None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "family" not in get_annotations(cls):
            return
        name = cls.family_name()
        if cls.discretised_by is not None:
            warnings.warn(f"{cls.__name__} {OF_ONE_PLACE}", FutureWarning, stacklevel=4)
            bound[name, cls.discretised_by.name] = cls
        if cls.discretised_by is None or name not in families:
            families.add(name, cls)

    @classmethod
    def family_name(cls) -> str:
        """The name of the family in a spec."""
        return str(get_args(cls.model_fields["family"].annotation)[0])


families: Registry[Problem] = Registry("family", "family")
bound: dict[tuple[str, str], type[Problem]] = {}
"""Families that are written for one discretiser, by their name and its."""
