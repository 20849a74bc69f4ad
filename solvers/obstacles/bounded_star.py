"""Shapes whose radius stays between two numbers, whatever is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from pdemill.draws import Draw
from pdemill.points import Array
from pdemill.spec.field import AnyScalar
from pdemill.spec.model import Positive, as_tuple, refuse
from pdemill.spec.obstacle import Outline, Rim, Shape, drawn_number, waves
from pdemill.spec.shapes import MOST_HARMONICS, Harmonic

ANGLES = 720
"""Directions over which the mean radius is taken."""


class BoundedStarObstacle(Shape):
    """r(t) < least + (most - least) / (1 + exp(level + sum of ``harmonics``)), t the polar angle seen from the centre;
    in the plane. Its boundary runs through the cells of grids: first order in their size."""

    shape: Literal["bounded_star"]
    least: Positive
    most: Positive
    level: AnyScalar = Field(default=0.0, validate_default=True)
    harmonics: Annotated[tuple[Harmonic, ...], Field(max_length=MOST_HARMONICS), BeforeValidator(as_tuple)] = ()

    @model_validator(mode="after")
    def _ordered(self) -> BoundedStarObstacle:
        if self.least >= self.most:
            raise refuse(("most",), f"should be above least, {self.least:g}", self.most)
        return self

    def axes(self, dimension: int) -> str | None:
        return None if dimension == 2 else f"a star is in 2 dimensions, and this is in {dimension}"

    def rim(self, draw: Draw) -> Rim:
        level, wave = drawn_number(self.level, draw.at("level")), waves(self.harmonics, draw)
        size = self.most - self.least

        def radius(angle: Array) -> Array:
            return np.asarray(self.least + 0.5 * size * (1.0 - np.tanh(0.5 * (level + wave(angle)))))

        return Rim(radius, float(radius(np.linspace(0.0, 2.0 * np.pi, ANGLES, endpoint=False)).mean()))

    def outline(self, draw: Draw) -> Outline:
        radius, _ = self.rim(draw)

        def level(offsets: tuple[Array, ...]) -> Array:
            x, y = offsets
            return np.asarray(np.hypot(x, y) - radius(np.arctan2(y, x)))

        return Outline(level, self.most, dict(self._levels(draw)))

    def _levels(self, draw: Draw) -> Iterator[tuple[str, Any]]:
        if self.level.is_random:
            yield "level", drawn_number(self.level, draw.at("level"))
