"""Many obstacles of one kind at random places."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from pdemill.draws import Draw
from pdemill.points import Array, Points
from pdemill.solvers.instance import InvalidSample
from pdemill.spec.field import Function
from pdemill.spec.model import AsNumber, as_tuple, refuse
from pdemill.spec.obstacle import AnyObstacle, Obstacle, Outline, Shape, offsets

MOST_SCATTERED = 1000
TRIES = 1000
"""Places that are tried for an obstacle that keeps a distance."""

Count = Annotated[int, Field(ge=1, le=MOST_SCATTERED)]


def _range(value: Any) -> Any:
    return (value, value) if isinstance(value, int) and not isinstance(value, bool) else as_tuple(value)


class ScatteredObstacle(Obstacle):
    """Obstacles like ``of``, each drawn anew, at places that are uniform in the box.

    ``count``: how many, a number or [least, most], each as likely. They may overlap and reach through sides, unless
    ``apart`` says how far the circles (in space: spheres) around them must stay from each other and from the sides; a
    draw that finds no such place for one of them is a failed sample.
    """

    shape: Literal["scattered"]
    of: AnyObstacle
    count: Annotated[tuple[Count, Count], BeforeValidator(_range)]
    apart: Annotated[float, Field(ge=0), AsNumber] | None = None

    @model_validator(mode="after")
    def _fits(self) -> ScatteredObstacle:
        if self.count[0] > self.count[1]:
            raise refuse(("count",), "should be [least, most]", self.count)
        if not isinstance(self.of, Shape):
            raise refuse(("of", "shape"), f"{self.of.shape} has no centre, and cannot be scattered", None)
        if self.of.centre is not None:
            raise refuse(("of", "centre"), "is drawn: leave it out", None)
        return self

    @property
    def is_random(self) -> bool:
        return True

    def objection(self, dimension: int) -> tuple[tuple[str | int, ...], str] | None:
        found = self.of.objection(dimension)
        return None if found is None else (("of", *found[0]), found[1])

    def realise(self, draw: Draw, lengths: tuple[float, ...]) -> Function:
        @cache
        def placed() -> list[tuple[tuple[float, ...], Outline]]:
            return list(self._placed(draw, np.array(lengths)))

        def evaluate(points: Points) -> Array:
            found = np.full(points.shape, np.inf)
            for centre, outline in placed():
                np.minimum(found, outline.level(offsets(points, centre)), out=found)
            return found

        return Function(evaluate, True)

    def _placed(self, draw: Draw, lengths: Array) -> list[tuple[tuple[float, ...], Outline]]:
        assert isinstance(self.of, Shape)
        low, high = self.count
        count = low + int(draw.at("count").uniform(1)[0] * (high - low + 1))
        found: list[tuple[tuple[float, ...], Outline]] = []
        for number in range(count):
            own = draw.at(number)
            outline = self.of.outline(own.at("of"))
            tries = 1 if self.apart is None else TRIES
            places = own.at("centre").uniform(tries * len(lengths)).reshape(tries, -1) * lengths
            free = np.ones(tries, dtype=bool) if self.apart is None else self._free(places, outline, found, lengths)
            if not free.any():
                raise InvalidSample(
                    f"there is no room for {count} scattered obstacles: ask for fewer, for smaller ones, or for less "
                    "distance (apart)"
                )
            found.append((tuple(places[int(free.argmax())].tolist()), outline))
        return found

    def _free(
        self, places: Array, outline: Outline, others: list[tuple[tuple[float, ...], Outline]], lengths: Array
    ) -> Any:
        """Which places are far enough from the sides and from what was placed before."""
        assert self.apart is not None
        room = outline.reach + self.apart
        free = ((places >= room) & (places <= lengths - room)).all(axis=1)
        for centre, other in others:
            free &= np.linalg.norm(places - np.array(centre), axis=1) >= room + other.reach
        return free
