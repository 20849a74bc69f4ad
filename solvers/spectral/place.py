"""Where spectral methods solve: periodic boxes."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from pdemill.solvers.box_shaped import BoxInTime
from pdemill.spec.domain import Box, choose_domain
from pdemill.spec.model import as_tuple, refusal


def _points(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise refusal("should be the points per axis, such as [64, 64]")
    return as_tuple(value)


class PeriodicPlace(BoxInTime):
    """A periodic box of 1, 2 or 3 axes; the solution is stored at the points x_j = j L / n, j = 0 .. n-1, of every
    axis, n as ``resolution`` says. All sides are periodic, which need not be said."""

    resolution: Annotated[
        tuple[Annotated[int, Field(ge=8)], ...], Field(min_length=1, max_length=3), BeforeValidator(_points)
    ]
    domain: Annotated[Box, BeforeValidator(lambda value: choose_domain(value, Box))] = Box()

    @property
    def joined(self) -> tuple[bool, ...]:
        return (True,) * self.dimension
