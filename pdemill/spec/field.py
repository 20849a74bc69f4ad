"""The base of fields: a field is a random function of space, drawn by name, the same at every resolution."""

from __future__ import annotations

import json
import math
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, get_args

import numpy as np
from pydantic import AfterValidator

from pdemill.draws import Draw
from pdemill.points import AXES, Array, Points
from pdemill.spec.model import Model, refusal
from pdemill.spec.registry import Registry, Slot

if TYPE_CHECKING:
    from pdemill.spec.problem import Problem


@dataclass(frozen=True)
class Function:
    """One draw of a field.

    ``evaluate`` maps points to values (a number when the function is constant in space);
    ``features`` gives the few numbers by which draws are compared when they are ordered, scaled to a
    total variance of about one;
    ``parameters`` are the named numbers that define the draw, where there are few;
    ``origin`` is the name of the spec's field that it came from, where that is known;
    ``in_time`` tells whether its values depend on the coordinate t as well, which is 0 where points have none.
    """

    evaluate: Callable[[Points], Array | float]
    random: bool = False
    features: Callable[[Points], Array] = lambda points: np.empty(0)
    parameters: Mapping[str, float] = field(default_factory=dict)
    origin: str = ""
    in_time: bool = False
    of_space: ClassVar[bool] = True
    """Whether points alone give its values."""
    _values: dict[int, tuple[Points, Array]] = field(default_factory=dict, compare=False, repr=False)

    def __call__(self, points: Points) -> Array | float:
        """Values at ``points``, evaluated once per draw and set of points."""
        known = self._values.get(id(points))
        if known is not None and known[0] is points:
            return known[1]
        values = self.evaluate(points)
        if isinstance(values, np.ndarray) and (points.lasting or (points.of_sample and self.random)):
            self._values[id(points)] = points, values
        return values

    def map(self, transform: Callable[[Array | float], Array | float]) -> Function:
        """This function followed by ``transform``."""
        return Function(
            lambda points: transform(self(points)),
            self.random,
            self.features,
            self.parameters,
            self.origin,
            self.in_time,
        )

    def at_time(self, t: float) -> Function:
        """This function as it is at the time t: one of space alone."""
        if not self.in_time:
            return self
        return Function(
            lambda points: self(points.at_time(t)), self.random, self.features, self.parameters, self.origin
        )


class Field(Model):
    """Base of all fields. A subclass is one file with its distribution and one method, ``realise``."""

    random: ClassVar[bool] = True
    seeded: ClassVar[bool] = True
    """Whether draws depend on the seed and the split; else on the number of the sample alone."""
    smooth: ClassVar[bool] = True
    """Whether draws have continuous derivatives wherever they are defined."""
    most_axes: ClassVar[int] = len(AXES)

    @abstractmethod
    def realise(self, draw: Draw) -> Function:
        """The function that this draw stands for."""

    def bounds(self) -> tuple[float, float] | None:
        """The smallest interval that holds every value, or None where the spec does not tell."""
        return None

    @property
    def is_random(self) -> bool:
        """Whether two samples can differ."""
        return self.random

    @property
    def drawn_numbers(self) -> int | None:
        """How many drawn numbers make a draw; None where a draw is more than that, or it is not known."""
        return None if self.is_random else 0

    @property
    def is_smooth(self) -> bool:
        """Whether the field and all that it is made of are smooth."""
        return self.smooth and all(part.is_smooth for _, part in self.parts())

    @property
    def jumps(self) -> bool:
        """Whether draws, or what they are made of, are known to jump somewhere."""
        return any(part.jumps for _, part in self.parts())

    @property
    def is_flat(self) -> bool:
        """Whether draws are known not to depend on the place."""
        return False

    @property
    def in_time(self) -> bool:
        """Whether its values depend on the coordinate t."""
        return False

    @property
    def of_time_alone(self) -> bool:
        """Whether they are known to depend on nothing else."""
        return False

    @property
    def has_channel(self) -> bool:
        """Whether its draws, where they are random, are stored as a channel: functions of space alone are."""
        return not self.in_time

    def fixed_mean(self) -> float | None:
        """The mean over a box that every draw shares, or None where draws differ or it is not known."""
        return None

    def objection(self, dimension: int, axes: tuple[str, ...]) -> str | None:
        """Why the field cannot be drawn on ``dimension`` free axes of a domain with ``axes``; None when it can."""
        if dimension > self.most_axes:
            return (
                f"exists in up to {self.most_axes} dimensions, and this is in {dimension}: give a number or expression"
            )
        return None if dimension else "a side of a one-dimensional domain is a point: give a number"

    def misfit(self, problem: Problem, splits: Mapping[str, int]) -> tuple[str, str] | None:
        """The key that does not fit the grid of a problem or the samples of the splits, and why; None where all do."""
        return None

    @property
    def array_id(self) -> str:
        """The id of the user's array that it takes its values from; empty where there is none."""
        return ""

    def row_of(self, split: str, sample: int) -> int:
        """The row of that array that a sample of a split takes."""
        raise LookupError("it takes its values from no array")

    @property
    def cells(self) -> tuple[int, ...] | None:
        """The cells along each axis that it has one value each for, where it is given by such values."""
        return None

    def nearest(self) -> Field:
        """The same field without values of its own between those that it is given by, as masks need it."""
        return self

    def extreme(self) -> str:
        """Where the lower bound is reached, in words, where that is known."""
        return ""

    def parts(self) -> Iterator[tuple[tuple[str, ...], Field]]:
        """The fields that this one is made of, with their paths below it."""
        yield from ()

    def numbers_of_parts(self) -> int | None:
        """``drawn_numbers`` of a field that draws nothing but what its parts do."""
        known = [part.drawn_numbers for _, part in self.parts()]
        return None if None in known else sum(one for one in known if one)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "field" in cls.model_fields:
            fields.add(get_args(cls.model_fields["field"].annotation)[0], cls)


class Scalar(Field):
    """A field that is one number per sample, written with its one key: ``{uniform: [0, 1]}``."""

    @property
    def is_flat(self) -> bool:
        return True

    @property
    def drawn_numbers(self) -> int | None:
        return int(self.is_random)

    def objection(self, dimension: int, axes: tuple[str, ...]) -> str | None:
        return None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        scalars.add(next(iter(cls.model_fields)), cls)


fields: Registry[Field] = Registry("field", "field")
scalars: Registry[Scalar] = Registry("scalar", "scalar")


def _choose(value: Any, kinds: str, hint: str = "") -> Field | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not abs(value) <= sys.float_info.max:
            raise refusal("should be a finite number")
        return scalars["constant"].model_validate({"constant": value})
    if isinstance(value, dict) and len(value) == 1 and (key := next(iter(value))) in scalars:
        return scalars[key].model_validate(value)
    if not isinstance(value, dict):
        raise refusal(f"should be a number or one of {kinds}{hint or _number(value)}")
    return None


def _number(text: Any) -> str:
    """How to write the number that a text holds."""
    try:
        value = float(text) if isinstance(text, str) else math.nan
    except ValueError:
        return ""
    return f": write {value!r} without quotes" if math.isfinite(value) else ""


def _form(text: Any) -> str:
    """How to write what a text in the place of a field seems to mean."""
    if not isinstance(text, str) or _number(text):
        return ""
    formula = json.dumps(text[:60].encode("utf-8", "replace").decode(), ensure_ascii=False)
    return f": write {{field: {text if text in fields else f'expression, formula: {formula}'}}}"


def choose_field(value: Any) -> Field:
    """The scalar or field that a value of a spec stands for."""
    if isinstance(value, Field):
        return value
    kinds = f"{', '.join(scalars)}, or a field ({', '.join(fields)})"
    return _choose(value, kinds, _form(value)) or fields.choose(value)


class _ScalarSlot(Slot):
    def _validate(self, value: Any) -> Any:
        if isinstance(value, Scalar):
            return value
        kinds = ", ".join(scalars)
        scalar = _choose(value, kinds)
        if scalar is None:
            raise refusal(f"should be a number or an object with one of the keys {kinds}")
        return scalar


class _ValueSlot(Slot):
    def _validate(self, value: Any) -> Any:
        return choose_field(value)


AnyScalar = Annotated[Scalar, _ScalarSlot(scalars, Scalar, "Scalar")]
AnyField = Annotated[Field, _ValueSlot(fields, Field, "Value")]


def positive(value: Field) -> Field:
    """The field, refused when it is known to reach zero or below."""
    bounds = value.bounds()
    if bounds is not None and bounds[0] <= 0:
        raise refusal(f"must be positive everywhere, but {_low(value)} (lognormal is always positive)")
    return value


def _not_negative(value: Field) -> Field:
    bounds = value.bounds()
    if bounds is not None and bounds[0] < 0:
        raise refusal(f"must not be negative, but {_low(value)}")
    return value


def _low(value: Field) -> str:
    """How low a field reaches, and where."""
    low, _ = value.bounds() or (math.nan, math.nan)
    place = value.extreme()
    return f"reaches down to {low:g}" + (f" in {place}" if place else "")


def at_least(value: Field) -> float:
    """A number that no value of the field is below; minus infinity where the spec does not tell."""
    bounds = value.bounds()
    return -math.inf if bounds is None else bounds[0]


PositiveField = Annotated[AnyField, AfterValidator(positive)]
NonNegativeField = Annotated[AnyField, AfterValidator(_not_negative)]
