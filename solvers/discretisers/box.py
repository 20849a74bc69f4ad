"""Box grids: finite volumes, one unknown per cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from math import prod
from typing import Annotated, Any, ClassVar, cast

from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from pdemill.draws import Draw
from pdemill.errors import Path
from pdemill.kept import SIDE
from pdemill.solvers.box_shaped import BoxShaped
from pdemill.solvers.discretisers.whole_fields import WholeFields
from pdemill.solvers.operators.box import BoxGrid
from pdemill.solvers.operators.convection import WEIGHTS
from pdemill.solvers.operators.cut_box import CutBoxGrid
from pdemill.solvers.place import WholeFieldPlace
from pdemill.spec.boundary import Neumann, opposite_paired
from pdemill.spec.condition import Condition
from pdemill.spec.discretiser import Takes
from pdemill.spec.domain import BOX_SIDES, Box, Polygon, choose_domain
from pdemill.spec.evolution import is_in_time
from pdemill.spec.field import Field as SomeField
from pdemill.spec.field import Function
from pdemill.spec.model import as_tuple, refusal, refuse
from pdemill.spec.obstacle import BoxWithout, objection_on
from pdemill.spec.problem import Problem
from pdemill.spec.properties import Properties

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


class WholeBoxPlace(BoxShaped, WholeFieldPlace):
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
    def walkable(self) -> Box | None:
        return self.domain

    @property
    def joined(self) -> tuple[bool, ...]:
        return tuple(self.conditions[low].paired for low, _ in BOX_SIDES[: self.dimension])

    def discretise(self, stored: Mapping[str, NDArray[Any]] | None = None) -> BoxGrid:
        grid = self.resolution, self.lengths, self.joined, self.properties, self.singular
        return BoxGrid(*grid, self.convective_flux)

    @property
    def own_grid(self) -> bool:
        """Whether a family brought a grid of its own."""
        return type(self).discretise not in (WholeBoxPlace.discretise, BoxPlace.discretise)

    def check_domain(self) -> None:
        if self.size > MAX_UNKNOWNS:
            raise refuse(("resolution",), f"{self.size:,} cells are more than {MAX_UNKNOWNS:,}", self.resolution)
        self.check_lengths()
        opposite_paired(self.conditions, BOX_SIDES[: self.dimension])


class BoxPlace(WholeBoxPlace):
    """A box of 1, 2 or 3 axes, divided into equal cells, with or without obstacles. These make one more side, on which
    nothing flows where the spec does not say otherwise; ``default`` stands for the sides of the box alone."""

    domain: Annotated[BoxWithout, BeforeValidator(lambda value: choose_domain(value, BoxWithout))] = BoxWithout()

    @property
    def sides(self) -> tuple[str, ...]:
        return (*super().sides, SIDE) if self.domain.without else super().sides

    @cached_property
    def conditions(self) -> dict[str, Condition]:
        found = self.boundary.resolved(super().sides)
        own = self.boundary.root.get(SIDE) or Neumann.model_validate({"neumann": 0.0})
        return {**found, SIDE: own} if self.domain.without else found

    def side_path(self, side: str) -> Path:
        return ("boundary", SIDE) if side == SIDE else super().side_path(side)

    def side_axes(self, side: str) -> int:
        return self.dimension if side == SIDE else super().side_axes(side)

    @cached_property
    def properties(self) -> Properties:
        found = super().properties
        if not self.domain.without:
            return found
        moving = any(obstacle.is_random for obstacle in self.domain.without)
        numbers = None if moving else found.numbers
        return replace(found, separable=False, constant=found.constant and not moving, numbers=numbers)

    @property
    def walkable(self) -> Box | None:
        return None if self.domain.without else self.domain

    def slots(self) -> Iterator[tuple[tuple[str | int, ...], SomeField]]:
        yield from super().slots()
        for number, obstacle in enumerate(self.domain.without):
            for path, value in obstacle.slots():
                yield ("domain", "without", number, *path), value

    def obstacle_levels(self, draw: Draw) -> dict[str, Function]:
        found = {}
        for number, obstacle in enumerate(self.domain.without):
            draws = draw.at("domain/without").at(number)
            found[f"domain.without.{number}"] = obstacle.realise(draws, self.lengths)
        return found

    def resolved(self) -> dict[str, Any]:
        found = super().resolved()
        if self.domain.without:
            found["domain"]["without"] = self.domain.model_dump(mode="json")["without"]
        return found

    def discretise(self, stored: Mapping[str, NDArray[Any]] | None = None) -> BoxGrid:
        if not self.domain.without:
            return super().discretise(stored)
        grid = self.resolution, self.lengths, self.joined, self.properties, self.singular
        return CutBoxGrid(*grid, self.convective_flux, obstacles=self.domain.without)

    def check_domain(self) -> None:
        super().check_domain()
        if not self.domain.without:
            return
        if type(self).discretise is not BoxPlace.discretise:
            raise refuse(("domain", "without"), f"{self.family} has a grid of its own, which knows no obstacles", None)
        for number, obstacle in enumerate(self.domain.without):
            if complaint := obstacle.objection(self.dimension):
                raise refuse(("domain", "without", number, *complaint[0]), complaint[1], None)
        if misfit := objection_on(self.conditions[SIDE]):
            raise refuse(("boundary", SIDE), misfit, None)

    def integrates_to_zero(self) -> bool:
        """What a source integrates to over the cells that are kept is not known."""
        return not self.domain.without and super().integrates_to_zero()


class OnBox(WholeFields):
    """Second-order finite volumes on box grids; see ``pdemill.solvers.operators.box``."""

    name: ClassVar[str] = "box"
    points: ClassVar[str] = "cells"
    where: ClassVar[str] = "on box grids"
    place = cast(type[WholeBoxPlace], BoxPlace)
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
