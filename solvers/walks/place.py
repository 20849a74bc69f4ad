"""Where walks solve: points of domains that need no mesh."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from pdemill.points import MOST_AXES
from pdemill.spec.domain import Box, Coordinate, Polygon, choose_domain, signed_area
from pdemill.spec.field import Scalar
from pdemill.spec.model import Model, as_tuple, refusal, refuse
from pdemill.spec.problem import Problem
from pdemill.spec.shapes import SHAPES, Domain, Shape

MOST_POINTS = 1_000_000
Count = Annotated[int, Field(ge=1, le=MOST_POINTS)]


class RandomPoints(Model):
    """``random`` points per sample, uniform in the domain; with ``shared`` the same ones for every sample."""

    random: Count
    shared: bool = False


class GridPoints(Model):
    """The centres of ``grid`` equal cells of the bounding box, those that lie in the domain."""

    grid: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(max_length=MOST_AXES), BeforeValidator(as_tuple)]


class ListedPoints(Model):
    """The points themselves."""

    list: Annotated[
        tuple[Annotated[tuple[Coordinate, ...], BeforeValidator(as_tuple)], ...],
        Field(min_length=1, max_length=100_000),
        BeforeValidator(as_tuple),
    ]


_CHOICES: dict[str, type[Model]] = {"random": RandomPoints, "grid": GridPoints, "list": ListedPoints}


def _choose_points(value: Any) -> Any:
    if isinstance(value, tuple(_CHOICES.values())):
        return value
    found = [name for name in _CHOICES if isinstance(value, Mapping) and name in value]
    if len(found) != 1:
        raise refusal("should be {random: 1024}, {grid: [32, 32]} or {list: [[x, y], ...]}")
    return _CHOICES[found[0]].model_validate(dict(value))


Wanted = Annotated[RandomPoints | GridPoints | ListedPoints, BeforeValidator(_choose_points)]


def _domain(value: Any) -> Any:
    return choose_domain(value, Box, Polygon, *SHAPES)


class PointPlace(Problem):
    """Points of any domain that walks know.

    ``sensors``: so many points, evenly over the boundary, at which data on the sides is stored as an input.
    """

    pointwise: ClassVar[bool] = True
    solved_by: ClassVar[Literal["systems", "walks"]] = "walks"
    domain: Annotated[Domain, BeforeValidator(_domain)]
    points: Wanted
    sensors: Annotated[int, Field(ge=0, le=10_000)] = 128

    @property
    def dimension(self) -> int:
        match self.domain:
            case Box(lengths=lengths):
                return len(lengths or ())
            case Polygon():
                return 2
            case Shape() as shape:
                return shape.axes
        raise TypeError("no such domain")

    @property
    def sides(self) -> tuple[str, ...]:
        return self.domain.side_names(self.dimension) if isinstance(self.domain, Box) else self.domain.side_names()

    @property
    def flat_sides(self) -> bool:
        return isinstance(self.domain, Box)

    @property
    def size(self) -> int:
        match self.points:
            case RandomPoints(random=count):
                return count
            case GridPoints(grid=cells):
                return prod(cells)
            case ListedPoints(list=points):
                return len(points)

    @property
    def shared_points(self) -> bool:
        """Whether every sample has the same points."""
        return not self.random_domain and not (isinstance(self.points, RandomPoints) and not self.points.shared)

    @property
    def random_domain(self) -> bool:
        """Whether the domain is drawn for every sample."""
        return any(scalar.is_random for _, scalar in self.measures())

    def measures(self) -> Iterator[tuple[tuple[str, ...], Scalar]]:
        """The scalars that shape the domain, with their paths below ``problem``."""
        if isinstance(self.domain, Shape):
            for path, scalar in self.domain.scalars():
                yield ("domain", *map(str, path)), scalar

    @property
    def volume(self) -> float:
        match self.domain:
            case Box(lengths=lengths):
                return prod(lengths or ())
            case Polygon(outline=outline, holes=holes):
                return abs(signed_area(outline)) - sum(abs(signed_area(hole)) for hole in holes)
        raise TypeError("the volume of a drawn domain is not known beforehand")

    def measure(self, side: str) -> float:
        raise TypeError("pointwise problems hold u on a side, and need no balance")

    def check_domain(self) -> None:
        if isinstance(self.domain, Box) and self.dimension < 2:
            raise refuse(("domain", "lengths"), "gives the number of axes here: 2 to 20 lengths", self.domain.lengths)
        match self.points:
            case GridPoints(grid=cells) if len(cells) != self.dimension:
                raise refuse(("points", "grid"), f"has {len(cells)} entries for {self.dimension} axes", cells)
            case ListedPoints(list=points):
                for number, point in enumerate(points):
                    if len(point) != self.dimension:
                        message = f"has {len(point)} coordinates in {self.dimension} dimensions"
                        raise refuse(("points", "list", number), message, point)
                    if self.domain.excludes(point):
                        raise refuse(("points", "list", number), "is not inside the domain", point)
        if self.size > MOST_POINTS:
            raise refuse(("points",), f"{self.size:,} are more than {MOST_POINTS:,}", None)
        if not isinstance(self.points, RandomPoints) and self.random_domain:
            raise refuse(("points",), "must be random where the domain is drawn for every sample", None)
        if not any(condition.essential for condition in self.conditions.values()):
            raise refuse(("boundary",), "walks end on dirichlet sides: set at least one", None)
