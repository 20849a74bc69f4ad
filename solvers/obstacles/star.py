"""Stars: disks whose radius is a trigonometric sum."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from pdemill.draws import Draw
from pdemill.points import Array
from pdemill.solvers.instance import InvalidSample
from pdemill.spec.model import as_tuple
from pdemill.spec.obstacle import Outline, Rim, Shape, wavy
from pdemill.spec.shapes import MOST_HARMONICS, Harmonic, Length

ANGLES = 720
"""Directions in which the least and the largest radius are looked for."""


class StarObstacle(Shape):
    """r(t) < radius (1 + sum of ``harmonics``), t the polar angle seen from the centre; in the plane.

    A draw whose radius reaches zero is a failed sample. Its boundary runs through cells: first order in their size.
    """

    shape: Literal["star"]
    radius: Length = Field(default=0.25, validate_default=True)
    harmonics: Annotated[
        tuple[Harmonic, ...], Field(min_length=1, max_length=MOST_HARMONICS), BeforeValidator(as_tuple)
    ]

    def axes(self, dimension: int) -> str | None:
        return None if dimension == 2 else f"a star is in 2 dimensions, and this is in {dimension}"

    def rim(self, draw: Draw) -> Rim:
        return wavy(self.radius, self.harmonics, draw)

    def outline(self, draw: Draw) -> Outline:
        rim, radius = self.rim(draw)
        around = rim(np.linspace(0.0, 2.0 * np.pi, ANGLES, endpoint=False))

        def level(offsets: tuple[Array, ...]) -> Array:
            if around.min() <= 0.0:
                raise InvalidSample("the radius of a star-shaped obstacle reaches zero")
            x, y = offsets
            return np.asarray(np.hypot(x, y) - rim(np.arctan2(y, x)))

        return Outline(level, float(around.max()), {"radius": radius} if self.radius.is_random else {})
