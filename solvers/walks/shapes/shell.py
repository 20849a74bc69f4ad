"""The space between two spheres with one centre; in the plane, an annulus. Element 0 is ``inner``, 1 is ``outer``."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.walks.geometry import Geometry, implements, reach2, reach3, touch2, touch3
from pdemill.solvers.walks.shapes.lattice import shares
from pdemill.solvers.walks.shapes.spheres import in_shell, sphere_area, sphere_points


class ShellShape(NamedTuple):
    centre: Array
    inner: float
    outer: float


class Shell(Geometry):
    """inner < |x - centre| < outer; the dimension is the length of ``centre``, 2 or 3."""

    sides = ("inner", "outer")

    def __init__(self, centre: ArrayLike = (0.0, 0.0), inner: float = 0.5, outer: float = 1.0) -> None:
        middle = np.array(centre, np.float64)
        self.dimension = len(middle)
        if self.dimension not in (2, 3) or not 0.0 < inner < outer:
            raise SolverError("a shell needs two or three dimensions and 0 < inner < outer")
        self.shape = ShellShape(middle, float(inner), float(outer))
        self.lower, self.extent = middle - outer, np.full(self.dimension, 2.0 * outer)
        solid = [sphere_area(self.dimension, radius) * radius / self.dimension for radius in (inner, outer)]
        self.volume = solid[1] - solid[0]

    @property
    def diameter(self) -> float:
        return float(2.0 * self.shape.outer)

    def measure(self, side: str) -> float:
        return sphere_area(self.dimension, self.shape[1 + self.side_number(side)])

    def distance(self, points: ArrayLike) -> Array:
        r = np.linalg.norm(self.checked(points) - self.shape.centre, axis=1)
        return np.asarray(np.minimum(r - self.shape.inner, self.shape.outer - r))

    def boundary(self, count: int) -> tuple[Array, NDArray[np.intp]]:
        """As on spheres, first the inner one; both are equally dense."""
        parts = shares(np.array([self.measure(side) for side in self.sides]), count)
        spheres = [
            radius * sphere_points(self.dimension, n) for radius, n in zip(self.shape[1:], parts.tolist(), strict=True)
        ]
        return self.shape.centre + np.concatenate(spheres), np.repeat(np.arange(2), parts)

    def propose(self, uniforms: Array) -> Array:
        return np.asarray(self.shape.centre + in_shell(uniforms, self.shape.inner, self.shape.outer))


@implements(reach2, ShellShape)
def _reach2(shell: Any, x: Any, y: Any) -> Any:
    a, b = x - shell.centre[0], y - shell.centre[1]
    r = math.sqrt(a * a + b * b)
    return min(r - shell.inner, shell.outer - r), 0


@implements(touch2, ShellShape)
def _touch2(shell: Any, hint: Any, x: Any, y: Any) -> Any:
    a, b = x - shell.centre[0], y - shell.centre[1]
    r = math.sqrt(a * a + b * b)
    side = 1 if shell.outer - r < r - shell.inner else 0
    scale = (shell.outer if side else shell.inner) / r
    return shell.centre[0] + scale * a, shell.centre[1] + scale * b, side


@implements(reach3, ShellShape)
def _reach3(shell: Any, x: Any, y: Any, z: Any) -> Any:
    a, b, c = x - shell.centre[0], y - shell.centre[1], z - shell.centre[2]
    r = math.sqrt(a * a + b * b + c * c)
    return min(r - shell.inner, shell.outer - r), 0


@implements(touch3, ShellShape)
def _touch3(shell: Any, hint: Any, x: Any, y: Any, z: Any) -> Any:
    a, b, c = x - shell.centre[0], y - shell.centre[1], z - shell.centre[2]
    r = math.sqrt(a * a + b * b + c * c)
    side = 1 if shell.outer - r < r - shell.inner else 0
    scale = (shell.outer if side else shell.inner) / r
    return shell.centre[0] + scale * a, shell.centre[1] + scale * b, shell.centre[2] + scale * c, side
