"""A random value on every tile of a box."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field as Limits
from pydantic import model_validator

from pdemill.draws import Draw
from pdemill.points import Array, Points
from pdemill.spec.field import Field, Function
from pdemill.spec.model import Pair, refuse

INSIDE = 1e-9
"""How far before its edge a point counts as on the next tile, in tiles."""


class Tiles(Field):
    """Constant on each of n x n x .. equal tiles, the values uniform in ``values``, less their mean.

    count: n, tiles per axis. The mean is taken off since a vorticity on a periodic box has none. The initial vorticity
    of NS-PwC of Poseidon (Herde et al. 2024, appendix B). With jumps: a grid knows the edges up to its spacing.
    """

    field: Literal["tiles"]
    count: Annotated[int, Limits(ge=2, le=64)] = 10
    values: Pair = (-1.0, 1.0)
    smooth: ClassVar[bool] = False

    @model_validator(mode="after")
    def _ordered(self) -> Tiles:
        if self.values[0] > self.values[1]:
            raise refuse(("values",), f"needs lo <= hi, got {list(self.values)}", None)
        return self

    @property
    def jumps(self) -> bool:
        return True

    def realise(self, draw: Draw) -> Function:
        low, high = self.values

        def levels(points: Points) -> Array:
            table = draw.uniform(self.count**points.dimension).reshape((self.count,) * points.dimension)
            return np.asarray((high - low) * (table - table.mean()))

        def evaluate(points: Points) -> Array:
            places = [
                np.floor(points.fraction(name) * self.count + INSIDE).astype(int) % self.count for name in points.free
            ]
            return np.array(np.broadcast_to(levels(points)[tuple(places)], points.shape))

        def features(points: Points) -> Array:
            """The coefficients of the longest wave along every axis."""
            table, turns = levels(points), np.exp(2j * np.pi * np.arange(self.count) / self.count)
            sums = [np.moveaxis(table, axis, -1).reshape(-1, self.count).sum(axis=0) for axis in range(table.ndim)]
            waves = np.array(sums) @ turns
            size = (high - low) * np.sqrt(table.size * table.ndim / 12.0)
            return np.asarray(np.concatenate([np.real(waves), np.imag(waves)]) / max(float(size), 1e-300))

        return Function(evaluate, True, features)

    def fixed_mean(self) -> float:
        return 0.0
