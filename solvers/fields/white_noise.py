"""Independent normal numbers on a grid of their own."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator
from pydantic import Field as Limits

from pdemill.draws import Draw
from pdemill.points import Array, Points
from pdemill.spec.field import Field, Function
from pdemill.spec.model import Number, Positive

MOST_CELLS = 2**24
BLOCKS = 4
"""Blocks per axis whose means are features."""
ROUNDING = 1e-9
"""Part of a cell within which a point belongs to the cell after it."""
Cells = Annotated[int, Limits(ge=1, le=MOST_CELLS)]


def _cells(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class WhiteNoise(Field):
    """mean + std * xi with xi ~ N(0, 1) independent in every cell of a grid of its own, which does not follow that of
    the problem: ``resolution`` cells along each free axis, a number or one per axis.

    ``between``: constant in every cell, or linear along every axis between the centres of its cells (and constant
    beyond the outermost ones).
    """

    field: Literal["white_noise"]
    resolution: Annotated[
        Cells | Annotated[tuple[Cells, ...], Limits(min_length=1, max_length=3)], BeforeValidator(_cells)
    ]
    std: Positive = 1.0
    mean: Number = 0.0
    between: Literal["constant", "linear"] = "constant"
    smooth: ClassVar[bool] = False

    @property
    def jumps(self) -> bool:
        return self.between == "constant"

    def _shape(self, dimension: int) -> tuple[int, ...]:
        return self.resolution if isinstance(self.resolution, tuple) else (self.resolution,) * dimension

    def objection(self, dimension: int, axes: tuple[str, ...]) -> str | None:
        if dimension and len(shape := self._shape(dimension)) != dimension:
            return f"resolution: has {len(shape)} entries, and there are {dimension} free axes"
        if dimension and prod(shape) > MOST_CELLS:
            return f"resolution: gives more than {MOST_CELLS:,} cells"
        return super().objection(dimension, axes)

    def realise(self, draw: Draw) -> Function:
        def table(points: Points) -> Array:
            shape = self._shape(points.dimension)
            return draw.normal(prod(shape)).reshape(shape)

        def constant(points: Points) -> Array:
            values = table(points)
            places = [points.fraction(name) * cells for name, cells in zip(points.free, values.shape, strict=True)]
            return np.asarray(values[tuple(_index(place, n) for place, n in zip(places, values.shape, strict=True))])

        def linear(points: Points) -> Array:
            values = table(points)
            along = []
            for name, cells in zip(points.free, values.shape, strict=True):
                place = np.clip(points.fraction(name) * cells - 0.5, 0.0, cells - 1.0)
                low = np.minimum(place.astype(np.intp), max(cells - 2, 0))
                along.append(((low, 1.0 - (place - low)), (np.minimum(low + 1, cells - 1), place - low)))
            total: Any = 0.0
            for corner in product(*along):
                total = total + prod((weight for _, weight in corner), start=values[tuple(at for at, _ in corner)])
            return np.asarray(total)

        def evaluate(points: Points) -> Array:
            found = constant(points) if self.between == "constant" else linear(points)
            return np.broadcast_to(self.mean + self.std * found, points.shape)

        return Function(evaluate, True, lambda points: _block_means(table(points)))


def _index(place: Array, cells: int) -> Any:
    return np.clip(np.floor(place + ROUNDING).astype(np.intp), 0, cells - 1)


def _block_means(values: Array) -> Array:
    """Means over some blocks, scaled to a total variance of one."""
    for axis, cells in enumerate(values.shape):
        blocks = min(BLOCKS, cells)
        starts = np.arange(blocks) * cells // blocks
        sizes = np.diff(np.append(starts, cells)).reshape(-1, *(1,) * (values.ndim - axis - 1))
        values = np.add.reduceat(values, starts, axis=axis) / np.sqrt(sizes * blocks)
    return values.ravel()
