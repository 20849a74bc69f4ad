"""Where spectral methods solve: periodic boxes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pdemill.solvers.box_shaped import BoxInTime
from pdemill.solvers.fields.constant import Constant
from pdemill.solvers.spectral.stretched import POWERS, stretched
from pdemill.spec.domain import Box, choose_domain
from pdemill.spec.field import AnyScalar, Function, positive
from pdemill.spec.model import as_tuple, refusal, refuse
from pdemill.spec.terms import NOWHERE, Terms

UNIT = Constant(constant=1.0)


def _points(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise refusal("should be the points per axis, such as [64, 64]")
    return as_tuple(value)


class PeriodicPlace(BoxInTime):
    """A periodic box of 1, 2 or 3 axes; the solution is stored at the points x_j = j L / n, j = 0 .. n-1, of every
    axis, n as ``resolution`` says. All sides are periodic, which need not be said.

    ``stretch`` s, a number or one drawn per sample: the box of a sample is the domain times s. Coordinates, stored ones
    and those of fields, stay those of the domain: x = s X.
    """

    resolution: Annotated[
        tuple[Annotated[int, Field(ge=8)], ...], Field(min_length=1, max_length=3), BeforeValidator(_points)
    ]
    domain: Annotated[Box, BeforeValidator(lambda value: choose_domain(value, Box))] = Box()

    stretch: Annotated[AnyScalar, AfterValidator(positive)] = Field(
        default=UNIT, exclude_if=lambda value: value == UNIT
    )

    @model_validator(mode="after")
    def _stretches(self) -> PeriodicPlace:
        if self.stretch == UNIT:
            return self
        unknowns = [name for one in self.solved_for for name in one.channels(self.dimension)]
        if derived := [name for name in self.channels if name not in unknowns]:
            raise refuse(("stretch",), f"takes outputs that are unknowns alone, and not {derived[0]}", None)
        return self

    def stated(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        found = super().stated(drawn)
        if self.stretch == UNIT:
            return found
        if unknown := next((name for name, _ in found.present() if name not in POWERS), None):
            raise refuse(("stretch",), f"does not know how {unknown} of {self.family} change with the box", None)
        (stretch,) = drawn("stretch")
        return stretched(found, float(stretch(NOWHERE)))

    @property
    def joined(self) -> tuple[bool, ...]:
        return (True,) * self.dimension
