"""Balls of any dimension; in two dimensions, disks. One element, one side: ``boundary``."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.walks.geometry import (
    MOST_DIMENSIONS,
    Geometry,
    implements,
    reach,
    reach2,
    reach3,
    touch,
    touch2,
    touch3,
)
from pdemill.solvers.walks.shapes.spheres import in_shell, sphere_area, sphere_points


class BallShape(NamedTuple):
    centre: Array
    radius: float


class Ball(Geometry):
    """The ball |x - centre| < radius; the dimension is the length of ``centre``."""

    sides = ("boundary",)
    convex = True

    def __init__(self, centre: ArrayLike = (0.0, 0.0), radius: float = 1.0) -> None:
        middle = np.array(centre, np.float64)
        self.dimension = len(middle)
        if not 2 <= self.dimension <= MOST_DIMENSIONS or not 0.0 < radius < np.inf:
            raise SolverError(f"a ball needs 2 to {MOST_DIMENSIONS} dimensions and a positive radius")
        self.shape = BallShape(middle, float(radius))
        self.lower, self.extent = middle - radius, np.full(self.dimension, 2.0 * radius)
        self.volume = sphere_area(self.dimension, radius) * radius / self.dimension

    @property
    def diameter(self) -> float:
        return float(2.0 * self.shape.radius)

    def measure(self, side: str) -> float:
        self.side_number(side)
        return sphere_area(self.dimension, self.shape.radius)

    def distance(self, points: ArrayLike) -> Array:
        return np.asarray(self.shape.radius - np.linalg.norm(self.checked(points) - self.shape.centre, axis=1))

    def boundary(self, count: int) -> tuple[Array, NDArray[np.intp]]:
        points = self.shape.centre + self.shape.radius * sphere_points(self.dimension, count)
        return points, np.zeros(count, np.intp)

    def propose(self, uniforms: Array) -> Array:
        return np.asarray(self.shape.centre + in_shell(uniforms, 0.0, self.shape.radius))


@implements(reach2, BallShape)
def _reach2(ball: Any, x: Any, y: Any) -> Any:
    a, b = x - ball.centre[0], y - ball.centre[1]
    return ball.radius - math.sqrt(a * a + b * b), 0


@implements(touch2, BallShape)
def _touch2(ball: Any, hint: Any, x: Any, y: Any) -> Any:
    a, b = x - ball.centre[0], y - ball.centre[1]
    scale = ball.radius / math.sqrt(a * a + b * b)
    return ball.centre[0] + scale * a, ball.centre[1] + scale * b, 0


@implements(reach3, BallShape)
def _reach3(ball: Any, x: Any, y: Any, z: Any) -> Any:
    a, b, c = x - ball.centre[0], y - ball.centre[1], z - ball.centre[2]
    return ball.radius - math.sqrt(a * a + b * b + c * c), 0


@implements(touch3, BallShape)
def _touch3(ball: Any, hint: Any, x: Any, y: Any, z: Any) -> Any:
    a, b, c = x - ball.centre[0], y - ball.centre[1], z - ball.centre[2]
    scale = ball.radius / math.sqrt(a * a + b * b + c * c)
    return ball.centre[0] + scale * a, ball.centre[1] + scale * b, ball.centre[2] + scale * c, 0


@implements(reach, BallShape)
def _reach(ball: Any, x: Any) -> Any:
    square = 0.0
    for i in range(len(x)):
        square += (x[i] - ball.centre[i]) ** 2
    return ball.radius - math.sqrt(square), 0


@implements(touch, BallShape)
def _touch(ball: Any, hint: Any, x: Any) -> Any:
    square = 0.0
    for i in range(len(x)):
        square += (x[i] - ball.centre[i]) ** 2
    scale = ball.radius / math.sqrt(square)
    for i in range(len(x)):
        x[i] = ball.centre[i] + scale * (x[i] - ball.centre[i])
    return 0
