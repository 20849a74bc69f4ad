"""Two values, told apart by the sign of another field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np

from pdemill.draws import Draw
from pdemill.spec.field import AnyField, Field, Function
from pdemill.spec.model import Number


class Threshold(Field):
    """``high`` where the field ``of`` is at least ``at``, else ``low``."""

    field: Literal["threshold"]
    low: Number
    high: Number
    at: Number = 0.0
    of: AnyField
    smooth: ClassVar[bool] = False

    @property
    def is_random(self) -> bool:
        return self.of.is_random

    @property
    def in_time(self) -> bool:
        return self.of.in_time

    @property
    def jumps(self) -> bool:
        return True

    def realise(self, draw: Draw) -> Function:
        return self.of.realise(draw.at("of")).map(lambda level: np.where(level >= self.at, self.high, self.low))

    def bounds(self) -> tuple[float, float]:
        return min(self.low, self.high), max(self.low, self.high)

    def parts(self) -> Iterator[tuple[tuple[str, ...], Field]]:
        yield ("of",), self.of

    def objection(self, dimension: int, axes: tuple[str, ...]) -> str | None:
        return None
