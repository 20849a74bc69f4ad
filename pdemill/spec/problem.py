"""What a family is: an equation whose coefficients are fields, and what may be said of its operator."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, get_args

from numpy.typing import NDArray
from pydantic import BeforeValidator, model_validator
from pydantic import Field as Limits

from pdemill.points import axis_names
from pdemill.spec.boundary import Boundary, Condition, Dirichlet, Neumann, Periodic, Robin, data_of
from pdemill.spec.field import AnyField, Field, Function, PositiveField, choose_field, fields, positive
from pdemill.spec.model import Model, as_tuple, refuse
from pdemill.spec.registry import Registry, Slot


class Diagonal(Model):
    """A diagonal tensor: one positive field per axis; ``{diagonal: [k_x, k_y]}``."""

    diagonal: Annotated[tuple[PositiveField, ...], Limits(min_length=1), BeforeValidator(as_tuple)]

    @property
    def is_random(self) -> bool:
        return any(entry.is_random for entry in self.diagonal)


class _CoefficientSlot(Slot):
    def _validate(self, value: Any) -> Any:
        if isinstance(value, Diagonal) or (isinstance(value, dict) and "diagonal" in value):
            return Diagonal.model_validate(value)
        return positive(choose_field(value))


Coefficient = Annotated[Diagonal | Field, _CoefficientSlot(fields, Field, "Coefficient")]
Vector = Annotated[tuple[AnyField, ...], Limits(min_length=1), BeforeValidator(as_tuple)]


@dataclass(frozen=True)
class Terms:
    """The coefficients of -div(k grad u) + b . grad u + c u = f for one sample.

    ``diffusion`` k is one function, or one per axis for a diagonal tensor; ``convection`` b is one function
    per axis; an absent b or c is zero.
    """

    diffusion: tuple[Function, ...]
    source: Function
    convection: tuple[Function, ...] = ()
    reaction: Function | None = None


@dataclass(frozen=True)
class Properties:
    """What is known of the operator of every sample before any is drawn; solvers are admitted by it."""

    symmetric: bool
    definite: bool
    singular: bool
    constant: bool
    dimension: int
    structured: bool


class Problem(Model):
    """Base of all families. A subclass is one file: fields of the equation and ``terms``.

    ``operator_fields`` names the fields that enter the matrix, ``positive`` and ``not_negative`` those whose drawn
    values are checked for their sign; ``compatibility`` says what to do with a source that a singular problem (no
    Dirichlet or Robin side, no reaction) cannot balance.
    """

    family: str
    boundary: Boundary = Boundary({})
    compatibility: Literal["refuse", "project"] = "refuse"
    pointwise: ClassVar[bool] = False
    """Whether u is wanted at points, not on a grid or mesh."""
    symmetric: ClassVar[bool] = True
    operator_fields: ClassVar[tuple[str, ...]] = ()
    positive: ClassVar[tuple[str, ...]] = ()
    not_negative: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        """The equation of one sample, from the drawn functions of the named fields."""

    @abstractmethod
    def discretise(self, stored: Mapping[str, NDArray[Any]] | None = None) -> Any:
        """The grid or mesh of a job; ``stored`` holds the arrays of the store if there is one already."""

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
    def unknowns(self) -> int:
        """Number of unknowns per sample, exact or (meshes) estimated."""

    @property
    @abstractmethod
    def structured(self) -> bool:
        """Whether the unknowns form a grid."""

    @property
    def flat_sides(self) -> bool:
        """Whether data on a side is a function of the other axes alone."""
        return self.structured

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
    def damped(self) -> bool:
        """Whether a reaction term c > 0 makes the operator regular whatever the sides."""
        return False

    @cached_property
    def conditions(self) -> dict[str, Condition]:
        """The condition on every side."""
        return self.boundary.resolved(self.sides)

    @property
    def singular(self) -> bool:
        """Whether constants solve the homogeneous problem."""
        return not self.damped and not any(map(_holds, self.conditions.values()))

    @cached_property
    def properties(self) -> Properties:
        """What solvers may rely on."""
        moving = any(value.is_random for name in self.operator_fields for value in self.values(name))
        moving |= any(
            path[-1] == "coefficient" and value.is_random
            for condition in self.conditions.values()
            for path, value in data_of(condition)
        )
        return Properties(self.symmetric, self.definite, self.singular, not moving, self.dimension, self.structured)

    def resolved(self) -> dict[str, Any]:
        """The parts of the problem that can be written in more than one way, in one way."""
        return {"boundary": {side: c.model_dump(mode="json") for side, c in self.conditions.items()}}

    def values(self, name: str) -> tuple[Field, ...]:
        """The fields held by an attribute, one or one per axis."""
        value = getattr(self, name)
        if isinstance(value, Diagonal):
            return value.diagonal
        return value if isinstance(value, tuple) else (value,)

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
            (side, path, value) for side, condition in self.conditions.items() for path, value in data_of(condition)
        )

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
        free = self.dimension - 1 if self.flat_sides else self.dimension
        for path, value in self.slots():
            self._check_field(path, value, self.dimension, axes)
            if len(path) > 1 and not self._per_axis(path[0]):
                raise refuse(path[:-1], f"needs {self.dimension} entries, one per axis", None)
        for side, path, value in self.side_slots():
            where = side if side in self.boundary.root else "default"
            self._check_field(("boundary", where, *path), value, free, axes)
        return self

    def _per_axis(self, name: str | int) -> bool:
        return len(self.values(str(name))) == self.dimension

    @staticmethod
    def _check_field(path: tuple[str | int, ...], value: Field, dimension: int, axes: tuple[str, ...]) -> None:
        if complaint := value.objection(dimension, axes):
            raise refuse(path, complaint, value)
        for below, part in value.parts():
            Problem._check_field((*path, *below), part, dimension, axes)

    @model_validator(mode="after")
    def _balanced(self) -> Problem:
        if not self.singular:
            return self
        if not self.symmetric:
            raise refuse(
                ("boundary",),
                "with convection, no reaction and no Dirichlet or Robin side, u is fixed only up to "
                "a constant: set a Dirichlet or Robin side, or a positive reaction",
                None,
            )
        if self.compatibility == "refuse" and not self._integrates_to_zero():
            raise refuse(
                ("source",),
                "u is not fixed on any side, so source and boundary fluxes must integrate to zero: set a Dirichlet "
                "or Robin side, give a source that integrates to zero (gaussian with boundary neumann or periodic), "
                "or set problem.compatibility to 'project' to subtract the mean of every source",
                None,
            )
        return self

    def _integrates_to_zero(self) -> bool:
        loads = [(value, self.volume) for value in self.values("source")]
        for side, condition in self.conditions.items():
            if isinstance(condition, Neumann):
                loads.append((condition.neumann, self.measure(side)))
            elif isinstance(condition, Robin):
                loads.append((condition.robin.value, self.measure(side)))
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
        annotation = cls.model_fields["family"].annotation
        if annotation is not str:
            (pointwise if cls.pointwise else families).add(get_args(annotation)[0], cls)


families: Registry[Problem] = Registry("family", "family")
pointwise: Registry[Problem] = Registry("family with points", "family")
"""The pointwise forms of families: those that ``points`` asks for."""


class _ProblemSlot(Slot):
    def _validate(self, value: Any) -> Any:
        if isinstance(value, Mapping) and "points" in value and "resolution" in value:
            raise refuse(("points",), "give either points (values at points) or resolution (whole fields)", None)
        if isinstance(value, Mapping) and "points" in value:
            whole = [name for name in families if name not in set(pointwise) and name == value.get("family")]
            if whole:
                known = ", ".join(pointwise)
                raise refuse(("points",), f"{whole[0]} gives whole fields only; pointwise families are {known}", None)
        registry = pointwise if isinstance(value, Mapping) and "points" in value else families
        return value if isinstance(value, Problem) else registry.choose(value)


AnyProblem = Annotated[Problem, _ProblemSlot(families, Problem, "Problem")]


def _holds(condition: Condition) -> bool:
    """Whether a side fixes the level of u: a Robin side whose coefficient is always zero does not."""
    if isinstance(condition, Robin):
        return condition.robin.coefficient.bounds() != (0.0, 0.0)
    return isinstance(condition, Dirichlet)


def opposite_periodic(conditions: dict[str, Condition], pairs: tuple[tuple[str, str], ...]) -> None:
    """Refuse a periodic side whose opposite is not periodic."""
    for low, high in pairs:
        periodic = isinstance(conditions[low], Periodic), isinstance(conditions[high], Periodic)
        if periodic[0] != periodic[1]:
            side, other = (low, high) if periodic[0] else (high, low)
            raise refuse(("boundary", side), f"is periodic, so {other} must be periodic too", None)
