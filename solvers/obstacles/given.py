"""Obstacles that are given by a field: masks and signed distances, of users' arrays or drawn."""

from __future__ import annotations

from typing import Literal

from pdemill.draws import Draw
from pdemill.points import Array
from pdemill.spec.field import AnyField, Function
from pdemill.spec.obstacle import Obstacle

THRESHOLD = 0.5


class SolidObstacle(Obstacle):
    """Where ``mask`` is above 0.5: 1 in the obstacle, 0 elsewhere. An array on cells cuts whole cells, and so their
    parts on finer grids: its boundary lies on faces, and the equation is that around these cells."""

    shape: Literal["solid"]
    mask: AnyField

    @property
    def of_grid(self) -> bool:
        return self.mask.cells is not None

    def realise(self, draw: Draw, lengths: tuple[float, ...]) -> Function:
        return self.mask.nearest().realise(draw.at("mask")).map(_below)

    def on_faces(self, lengths: tuple[float, ...], cells: tuple[int, ...]) -> bool:
        return self.mask.cells is not None and all(n % m == 0 for n, m in zip(cells, self.mask.cells, strict=True))


def _below(values: Array | float) -> Array | float:
    return THRESHOLD - values


class LevelObstacle(Obstacle):
    """Where ``distance`` is negative: a signed distance to the obstacle, or any function with its sign. First order in
    the cell size."""

    shape: Literal["level"]
    distance: AnyField

    def realise(self, draw: Draw, lengths: tuple[float, ...]) -> Function:
        return self.distance.realise(draw.at("distance"))
