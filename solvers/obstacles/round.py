"""Disks and balls."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from pdemill.draws import Draw
from pdemill.points import Array
from pdemill.spec.obstacle import Outline, Rim, Shape, drawn_number, wavy
from pdemill.spec.shapes import Length


class Round(Shape):
    """Base of both."""

    radius: Length = Field(default=0.25, validate_default=True)

    def outline(self, draw: Draw) -> Outline:
        radius = drawn_number(self.radius, draw.at("radius"))

        def level(offsets: tuple[Array, ...]) -> Array:
            return np.asarray(sum(x * x for x in offsets) - radius * radius)

        return Outline(level, radius, {"radius": radius} if self.radius.is_random else {})


class DiskObstacle(Round):
    """|x - centre| < radius in the plane. Its boundary runs through cells: first order in their size."""

    shape: Literal["disk"]

    def rim(self, draw: Draw) -> Rim:
        return wavy(self.radius, (), draw)

    def axes(self, dimension: int) -> str | None:
        return None if dimension == 2 else f"a disk is in 2 dimensions, and this is in {dimension}"


class BallObstacle(Round):
    """|x - centre| < radius in space. Its boundary runs through cells: first order in their size."""

    shape: Literal["ball"]

    def axes(self, dimension: int) -> str | None:
        return None if dimension == 3 else f"a ball is in 3 dimensions, and this is in {dimension}"
