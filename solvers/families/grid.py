"""The base of families on box grids."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Annotated, Any

from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from pdemill.spec.domain import BOX_SIDES, Box, choose_domain
from pdemill.spec.model import as_tuple, refuse
from pdemill.spec.problem import Problem, opposite_periodic
from solvers.operators.box import BoxGrid

MAX_UNKNOWNS = 50_000_000


class GridProblem(Problem):
    """A problem on a box of 1, 2 or 3 axes, divided into equal cells."""

    resolution: Annotated[
        tuple[Annotated[int, Field(ge=4)], ...], Field(min_length=1, max_length=3), BeforeValidator(as_tuple)
    ]
    domain: Annotated[Box, BeforeValidator(lambda value: choose_domain(value, Box))] = Box()

    @property
    def dimension(self) -> int:
        return len(self.resolution)

    @property
    def sides(self) -> tuple[str, ...]:
        return self.domain.side_names(self.dimension)

    @property
    def unknowns(self) -> int:
        return prod(self.resolution)

    @property
    def structured(self) -> bool:
        return True

    def discretise(self, stored: Mapping[str, NDArray[Any]] | None = None) -> BoxGrid:
        return BoxGrid.of(self, self.resolution, tuple(self.domain.sizes(self.dimension).values()))

    def check_domain(self) -> None:
        if self.unknowns > MAX_UNKNOWNS:
            raise refuse(("resolution",), f"{self.unknowns:,} cells are more than {MAX_UNKNOWNS:,}", self.resolution)
        lengths = self.domain.lengths
        if lengths is not None and len(lengths) != self.dimension:
            raise refuse(
                ("domain", "lengths"), f"has {len(lengths)} entries, but resolution has {self.dimension} axes", lengths
            )
        opposite_periodic(self.conditions, BOX_SIDES[: self.dimension])

    def resolved(self) -> dict[str, Any]:
        sizes = self.domain.sizes(self.dimension)
        return super().resolved() | {"domain": {"shape": "box", "lengths": list(sizes.values())}}

    @property
    def volume(self) -> float:
        return prod(self.domain.sizes(self.dimension).values())

    def measure(self, side: str) -> float:
        axis = next(axis for axis, pair in enumerate(BOX_SIDES) if side in pair)
        return self.volume / list(self.domain.sizes(self.dimension).values())[axis]
