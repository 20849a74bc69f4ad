"""Box grids: finite volumes, one unknown per cell."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Annotated, Any, ClassVar

from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from pdemill.solvers.box_shaped import BoxShaped
from pdemill.solvers.discretisers.whole_fields import WholeFields
from pdemill.solvers.operators.box import BoxGrid
from pdemill.solvers.operators.convection import WEIGHTS
from pdemill.solvers.place import WholeFieldPlace
from pdemill.spec.boundary import opposite_paired
from pdemill.spec.discretiser import Takes
from pdemill.spec.domain import BOX_SIDES, Box, Polygon, choose_domain
from pdemill.spec.evolution import is_in_time
from pdemill.spec.model import as_tuple, refusal, refuse
from pdemill.spec.problem import Problem

MAX_UNKNOWNS = 50_000_000
PREVIEW_CELLS = {1: 512, 2: 64, 3: 16}
"""Cells along the longest axis; a sample is the same function on every grid."""


def asks_for_mesh(problem: Mapping[str, Any]) -> bool:
    """Whether a problem, validated or not, names the size of a mesh, or a domain that needs one."""
    domain, resolution = problem.get("domain"), problem.get("resolution")
    outlined = isinstance(domain, Mapping) and (domain.get("shape") == "polygon" or "outline" in domain)
    return outlined or isinstance(domain, Polygon) or isinstance(resolution, Mapping) or hasattr(resolution, "h")


def _cells(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        cells = value if isinstance(value, int) and not isinstance(value, bool) else 64
        raise refusal(f"should be the cells per axis, such as [{cells}, {cells}], or {{h: 0.05}} for a mesh")
    return as_tuple(value)


class BoxPlace(BoxShaped, WholeFieldPlace):
    """A box of 1, 2 or 3 axes, divided into equal cells."""

    resolution: Annotated[
        tuple[Annotated[int, Field(ge=4)], ...], Field(min_length=1, max_length=3), BeforeValidator(_cells)
    ]
    domain: Annotated[Box, BeforeValidator(lambda value: choose_domain(value, Box))] = Box()

    @property
    def size(self) -> int:
        return len(self.channels) * prod(self.resolution)

    @property
    def compact(self) -> bool:
        return self.symmetric and len(self.channels) == 1

    @property
    def walkable(self) -> Box:
        return self.domain

    @property
    def joined(self) -> tuple[bool, ...]:
        return tuple(self.conditions[low].paired for low, _ in BOX_SIDES[: self.dimension])

    def discretise(self, stored: Mapping[str, NDArray[Any]] | None = None) -> BoxGrid:
        grid = self.resolution, self.lengths, self.joined, self.properties, self.singular
        return BoxGrid(*grid, self.convective_flux)

    def check_domain(self) -> None:
        if self.size > MAX_UNKNOWNS:
            raise refuse(("resolution",), f"{self.size:,} cells are more than {MAX_UNKNOWNS:,}", self.resolution)
        self.check_lengths()
        opposite_paired(self.conditions, BOX_SIDES[: self.dimension])


class OnBox(WholeFields):
    """Second-order finite volumes on box grids; see ``pdemill.solvers.operators.box``."""

    name: ClassVar[str] = "box"
    points: ClassVar[str] = "cells"
    where: ClassVar[str] = "on box grids"
    place = BoxPlace
    takes: ClassVar[Takes] = Takes(
        terms=frozenset({"diffusion", "convection", "reaction", "source"}),
        conditions=frozenset({"dirichlet", "neumann", "robin", "periodic"}),
        fluxes=frozenset({"auto", *WEIGHTS}),
    )

    @classmethod
    def suits(cls, problem: Mapping[str, Any]) -> bool:
        return "points" not in problem and not asks_for_mesh(problem) and not is_in_time(problem)

    @classmethod
    def misfit(cls, problem: Mapping[str, Any]) -> str | None:
        return None if cls.suits(problem) else "box needs a box as domain, and its cells: resolution: [n_x, n_y]"

    @classmethod
    def preview(cls, problem: Problem, data: dict[str, Any]) -> None:
        cells = data["problem"]["resolution"]
        scale = min(1.0, PREVIEW_CELLS[len(cells)] / max(cells))
        data["problem"]["resolution"] = [max(4, round(number * scale)) for number in cells]
        data["solver"] = {"method": "direct"}
