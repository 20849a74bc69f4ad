"""Control variates: a known smooth v, so that walks estimate only the difference u - v.

With Lv = -∇·(k ∇v) + c v, u(x) = v(x) + E[w (g - v)(exit) + w' (f - Lv)(source)] for any v whatever: a v near u lowers
the variance and changes no expectation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from pdemill.points import Array
from pdemill.solvers.compiled import compiled
from pdemill.solvers.instance import InvalidSample
from pdemill.solvers.methods.direct import Direct
from pdemill.solvers.operators.box import BoxGrid
from pdemill.solvers.walks.data import Data
from pdemill.solvers.walks.equation import Equation
from pdemill.solvers.walks.geometry import Geometry
from pdemill.solvers.walks.sample import PointSample
from pdemill.solvers.walks.tables import Spline
from pdemill.spec.problem import Properties

CELLS = {2: 64, 3: 24}
SOURCES = {2: 96, 3: 400}
NODES_PER_SOURCE = 4
AWAY = 5.0
"""Distance of the sources from the boundary, in their own spacings."""


class Control(ABC):
    """A smooth function v."""

    @abstractmethod
    def value(self, places: Array) -> Array:
        """v at places [n, d], inside or on the boundary."""

    @abstractmethod
    def applied(self, places: Array) -> Array | float:
        """Lv at places [n, d]."""


class OnGrid(Control):
    """The quintic spline through values at the centres of a box's cells."""

    def __init__(self, grid: BoxGrid, values: Array, equation: Equation) -> None:
        axes = [grid.points.coordinates[name].ravel() for name in grid.axes]
        self._spline = Spline(axes, values.reshape(grid.shape))
        self._equation = equation

    def value(self, places: Array) -> Array:
        return self._spline(places)

    def applied(self, places: Array) -> Array:
        spline = self._spline
        return self._equation.applied(places, spline(places), spline.gradient(places), spline.laplacian(places))

    def gradient(self, places: Array) -> Array:
        """∇v at places [n, d], [n, d]."""
        return self._spline.gradient(places)


def solved_on_grid(data: Data, equation: Equation, properties: Properties, sample: PointSample) -> OnGrid:
    """The solution of a sample on a box grid of CELLS per axis, as a control variate."""
    geometry = data.geometry
    shape = (CELLS[geometry.dimension],) * geometry.dimension
    grid = BoxGrid(shape, tuple(map(float, geometry.extent)), (False,) * geometry.dimension, properties)
    system = grid.assemble(sample)
    solution = Direct(method="direct").solver().solve(system, None)
    if not solution.result.ok:
        raise InvalidSample(f"the grid solution that walks start from failed: {solution.result.value}")
    return OnGrid(grid, solution.value, equation)


class Harmonic(Control):
    """A constant and point sources outside the domain, fitted to data on the boundary: Lv = 0.

    v(x) = a + Σ_j b_j φ(|x - s_j|), φ = ln r in the plane and 1/r in space (method of fundamental solutions;
    Fairweather and Karageorghis 1998). By the maximum principle |u - v| is largest on the boundary.
    """

    def __init__(self, sources: Array, coefficients: Array) -> None:
        self._sources, self._coefficients = sources, coefficients

    def value(self, places: Array) -> Array:
        out = np.empty(len(places))
        _sum_of_sources(np.ascontiguousarray(places), self._sources, self._coefficients, out)
        return out

    def applied(self, places: Array) -> float:
        return 0.0


class Sources:
    """Where the sources of a domain are, and how data on its boundary become their strengths."""

    def __init__(self, geometry: Geometry) -> None:
        count = SOURCES[geometry.dimension]
        rim, _ = geometry.boundary(count)
        spacing = (_area(geometry) / count) ** (1.0 / (geometry.dimension - 1))
        depth = min(AWAY * spacing, 0.3 * geometry.diameter)
        moved = rim + depth * _outward(geometry, rim)
        self.places = np.ascontiguousarray(moved[geometry.distance(moved) < -0.5 * depth])
        self._nodes, self._sides = geometry.boundary(NODES_PER_SOURCE * count)
        matrix = np.ones((len(self._nodes), 1 + len(self.places)))
        for number in range(len(self.places)):
            column = np.empty(len(self._nodes))
            _sum_of_sources(self._nodes, self.places[number : number + 1], np.array([0.0, 1.0]), column)
            matrix[:, 1 + number] = column
        self._fit = np.linalg.pinv(matrix, rcond=1e-10)

    def fitted(self, data: Data) -> Harmonic:
        """The harmonic function nearest to a sample's boundary data."""
        return Harmonic(self.places, self._fit @ data.on_sides(self._nodes, self._sides))


def _area(geometry: Geometry) -> float:
    return sum(geometry.measure(side) for side in geometry.sides)


def _outward(geometry: Geometry, rim: Array) -> Array:
    """Unit normals [n, d] at places on the boundary, by differences of the distance."""
    step = 1e-4 * geometry.diameter
    units = step * np.eye(geometry.dimension)
    slopes = np.stack([geometry.distance(rim - unit) - geometry.distance(rim + unit) for unit in units], axis=1)
    return np.asarray(slopes / np.maximum(np.linalg.norm(slopes, axis=1, keepdims=True), 1e-300))


@compiled(nogil=True)
def _sum_of_sources(places: Any, sources: Any, coefficients: Any, out: Any) -> None:
    """coefficients[0] + sum over j of coefficients[1 + j] times ln r or 1/r, for places [n, 2] or [n, 3]."""
    flat = places.shape[1] == 2
    for i in range(len(places)):
        total = coefficients[0]
        for j in range(len(sources)):
            square = 0.0
            for axis in range(places.shape[1]):
                square += (places[i, axis] - sources[j, axis]) ** 2
            total += coefficients[1 + j] * (0.5 * np.log(square) if flat else 1.0 / np.sqrt(square))
        out[i] = total
