"""Where spectral methods solve: periodic boxes."""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from pdemill.solvers.box_shaped import BoxShaped
from pdemill.spec.boundary import Boundary
from pdemill.spec.condition import Condition
from pdemill.spec.domain import Box, choose_domain
from pdemill.spec.evolution import Evolution
from pdemill.spec.model import as_tuple, refusal, refuse

MAX_UNKNOWNS = 50_000_000
"""Of one sample at one time."""


def _points(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise refusal("should be the points per axis, such as [64, 64]")
    return as_tuple(value)


class PeriodicPlace(BoxShaped, Evolution):
    """A periodic box of 1, 2 or 3 axes; the solution is stored at the points x_j = j L / n, j = 0 .. n-1, of every
    axis, n as ``resolution`` says. All sides are periodic, which need not be said."""

    solved_by: ClassVar[Literal["systems", "walks", "steps"]] = "steps"
    resolution: Annotated[
        tuple[Annotated[int, Field(ge=8)], ...], Field(min_length=1, max_length=3), BeforeValidator(_points)
    ]
    domain: Annotated[Box, BeforeValidator(lambda value: choose_domain(value, Box))] = Box()

    @property
    def size(self) -> int:
        return len(self.channels) * len(self.times) * prod(self.resolution)

    @property
    def joined(self) -> tuple[bool, ...]:
        return (True,) * self.dimension

    @cached_property
    def conditions(self) -> dict[str, Condition]:
        stated = self.boundary if self.boundary.root else Boundary.model_validate({"default": "periodic"})
        return stated.resolved(self.sides)

    def check_domain(self) -> None:
        if prod(self.resolution) > MAX_UNKNOWNS:
            raise refuse(("resolution",), f"{prod(self.resolution):,} points are more than {MAX_UNKNOWNS:,}", None)
        self.check_lengths()
