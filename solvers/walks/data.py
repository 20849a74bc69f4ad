"""Data that walks collect: those on the sides and the source, evaluated where they ended and passed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array, CloudPoints
from pdemill.solvers.instance import Instance
from pdemill.solvers.walks.geometry import Geometry
from pdemill.spec.field import Function

AT_ONCE = 65_536
"""Places at which a function is evaluated in one go."""


class Data:
    """The functions of one sample on one domain. Places are [n, d], sides [n] count into ``geometry.sides``."""

    def __init__(self, sample: Instance, geometry: Geometry) -> None:
        self.geometry = geometry
        self.held = tuple(sample.problem.conditions[side].essential for side in geometry.sides)
        self._sides = [next(iter(sample.condition(side)[1].values())) for side in geometry.sides]
        self._source = sample.terms.source
        self._flat = sample.problem.flat_sides

    def on_sides(self, places: Array, sides: NDArray[np.integer]) -> Array:
        """u on Dirichlet sides, k du/dn on Neumann sides; 0 where the side is -1."""
        values = np.zeros(len(places))
        for number, function in enumerate(self._sides):
            chosen = np.flatnonzero(sides == number)
            if chosen.size:
                fixed = number // 2 if self._flat else None
                values[chosen] = self.evaluate(function, places[chosen], fixed)
        return values

    def source(self, places: Array) -> Array:
        """f."""
        return self.evaluate(self._source, places)

    @property
    def source_is_zero(self) -> bool:
        """Whether f is the number 0."""
        value = self._source(self.cloud(self.geometry.somewhere))
        return not isinstance(value, np.ndarray) and value == 0.0

    def evaluate(self, function: Function, places: Array, fixed: int | None = None) -> Array:
        """A function at places inside, or on the two sides of a box across axis ``fixed``."""
        values = np.empty(len(places))
        for begin in range(0, len(places), AT_ONCE):
            part = slice(begin, begin + AT_ONCE)
            values[part] = function(self.cloud(places[part], fixed))
        return values

    def cloud(self, places: Array, fixed: int | None = None) -> CloudPoints:
        """Places as functions take them."""
        lower, extent = (tuple(map(float, end)) for end in (self.geometry.lower, self.geometry.extent))
        return CloudPoints(np.ascontiguousarray(places.T), lower, extent, fixed, lasting=False)
