"""Polygons within the box."""

from __future__ import annotations

from typing import Literal

import numpy as np

from pdemill.draws import Draw
from pdemill.points import Array, Points
from pdemill.spec.domain import Loop
from pdemill.spec.field import Function
from pdemill.spec.obstacle import Obstacle


class PolygonObstacle(Obstacle):
    """The inside of a polygon in the plane; ``outline`` lists its corners in order, in either direction. First order in
    the cell size."""

    shape: Literal["polygon"]
    outline: Loop

    def objection(self, dimension: int) -> tuple[tuple[str | int, ...], str] | None:
        return None if dimension == 2 else (("shape",), f"a polygon is in 2 dimensions, and this is in {dimension}")

    def realise(self, draw: Draw, lengths: tuple[float, ...]) -> Function:
        def evaluate(points: Points) -> Array:
            x, y = (points.coordinates[name] for name in points.free)
            inside = np.zeros(points.shape, dtype=bool)
            for (x0, y0), (x1, y1) in zip(self.outline, self.outline[1:] + self.outline[:1], strict=True):
                if y0 != y1:  # a ray along x crosses this edge
                    inside ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
            return np.where(inside, -1.0, 1.0)

        return Function(evaluate)
