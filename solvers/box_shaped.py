"""What places share that are boxes with a resolution, those of equations in time among them: sides, lengths, sizes."""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pdemill.spec.boundary import Boundary
from pdemill.spec.condition import Condition
from pdemill.spec.domain import BOX_SIDES, Box
from pdemill.spec.evolution import Evolution
from pdemill.spec.model import refuse
from pdemill.spec.problem import Problem

MAX_UNKNOWNS = 50_000_000
"""Of one sample at one time of an equation in time."""


class BoxShaped(Problem):
    """A box of 1, 2 or 3 axes; a subclass has the keys ``resolution`` and ``domain``."""

    if TYPE_CHECKING:
        resolution: tuple[int, ...]
        domain: Box

    @property
    def dimension(self) -> int:
        return len(self.resolution)

    @property
    def sides(self) -> tuple[str, ...]:
        return self.domain.side_names(self.dimension)

    @property
    def cells(self) -> tuple[int, ...]:
        return self.resolution

    @property
    def lengths(self) -> tuple[float, ...]:
        """The length of each axis."""
        return tuple(self.domain.sizes(self.dimension).values())

    @property
    def volume(self) -> float:
        return prod(self.lengths)

    def measure(self, side: str) -> float:
        axis = next(axis for axis, pair in enumerate(BOX_SIDES) if side in pair)
        return self.volume / self.lengths[axis]

    def resolved(self) -> dict[str, Any]:
        return super().resolved() | {"domain": {"shape": "box", "lengths": list(self.lengths)}}

    def check_lengths(self) -> None:
        """Refuse lengths that are not one per axis."""
        lengths = self.domain.lengths
        if lengths is not None and len(lengths) != self.dimension:
            raise refuse(
                ("domain", "lengths"), f"has {len(lengths)} entries, but resolution has {self.dimension} axes", lengths
            )


class BoxInTime(BoxShaped, Evolution):
    """A box of 1, 2 or 3 axes, whose sides are all periodic where none is named."""

    solved_by: ClassVar[Literal["systems", "walks", "steps"]] = "steps"

    @property
    def size(self) -> int:
        return len(self.channels) * len(self.times) * prod(self.resolution)

    @cached_property
    def conditions(self) -> dict[str, Condition]:
        stated = self.boundary if self.boundary.root else Boundary.model_validate({"default": "periodic"})
        return stated.resolved(self.sides)

    def check_domain(self) -> None:
        if (points := prod(self.resolution)) > MAX_UNKNOWNS:
            raise refuse(("resolution",), f"{points:,} points are more than {MAX_UNKNOWNS:,}", self.resolution)
        self.check_lengths()
