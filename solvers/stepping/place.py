"""Where equations in time are stepped through on grids: boxes with any sides."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Annotated

from pydantic import BeforeValidator, Field

from pdemill.solvers.box_shaped import BoxInTime
from pdemill.spec.boundary import opposite_paired
from pdemill.spec.domain import BOX_SIDES, Box, choose_domain
from pdemill.spec.field import Scalar
from pdemill.spec.model import as_tuple
from pdemill.spec.properties import Properties


class BoxInTimePlace(BoxInTime):
    """A box of 1, 2 or 3 axes, divided into equal cells; the solution is stored at their centres. Where no side is
    named all are periodic; where some are, u = 0 on the others."""

    resolution: Annotated[
        tuple[Annotated[int, Field(ge=4)], ...], Field(min_length=1, max_length=3), BeforeValidator(as_tuple)
    ]
    domain: Annotated[Box, BeforeValidator(lambda value: choose_domain(value, Box))] = Box()

    @property
    def joined(self) -> tuple[bool, ...]:
        return tuple(self.conditions[low].paired for low, _ in BOX_SIDES[: self.dimension])

    @property
    def compact(self) -> bool:
        return self.symmetric

    @cached_property
    def properties(self) -> Properties:
        """Those of what is linear in the equation, with a shift: it is definite, and constant where no coefficient of
        it is random, whatever the rest is."""
        known = super().properties
        linear = [value for name in self.linear_fields for value in self.values(name)]
        sides = self.conditions.values()
        constant = not any(value.is_random or value.in_time for value in linear)
        constant = constant and not any(side.moves_operator for side in sides)
        flat = all(isinstance(value, Scalar) or value.of_time_alone for value in linear)
        flat = flat and not any(side.in_operator for side in sides)
        return replace(known, definite=self.symmetric, constant=constant, separable=self.compact and flat)

    @property
    def linear_fields(self) -> tuple[str, ...]:
        """The fields that enter the matrix."""
        return self.operator_fields

    def check_domain(self) -> None:
        super().check_domain()
        opposite_paired(self.conditions, BOX_SIDES[: self.dimension])


class WavePlace(BoxInTimePlace):
    """A box of 1, 2 or 3 axes, divided into equal cells; the solution is stored at their centres. Where no side is
    named all are periodic; where some are, u = 0 on the others."""
