"""Another field, brought to an interval."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from pydantic import model_validator

from pdemill.draws import Draw
from pdemill.points import Array, Points, TensorPoints
from pdemill.spec.field import AnyField, Field, Function, Scalar
from pdemill.spec.model import Number, refuse

SOUGHT = {1: 1024, 2: 256, 3: 64}
"""Points per axis among which the extremes are sought."""


class Rescaled(Field):
    """low + (high - low) (g - min g) / (max g - min g) of the field ``of`` g: from ``low`` to ``high``.

    The extremes are those at the centres of 1024, 256^2 or 64^3 equal cells of the box, whatever the grid of the
    problem, so that a sample is one function; between them g may go a little beyond.
    """

    field: Literal["rescaled"]
    of: AnyField
    low: Number = 0.0
    high: Number = 1.0

    @model_validator(mode="after")
    def _varies(self) -> Rescaled:
        if isinstance(self.of, Scalar):
            raise refuse(("of",), "is a number, and has no range in space", self.of)
        if not self.low < self.high:
            raise refuse(("high",), "must be above low", self.high)
        return self

    @property
    def is_random(self) -> bool:
        return self.of.is_random

    def parts(self) -> Iterator[tuple[tuple[str, ...], Field]]:
        yield ("of",), self.of

    def realise(self, draw: Draw) -> Function:
        inner = self.of.realise(draw.at("of"))
        known: dict[Any, tuple[float, float]] = {}

        def range_of(points: Points) -> tuple[float, float]:
            key = points.free, points.lower, points.extent
            if key not in known:
                values = inner.evaluate(_own(points))
                known[key] = float(np.min(values)), float(np.max(values))
            return known[key]

        def evaluate(points: Points) -> Array:
            least, most = range_of(points)
            with np.errstate(invalid="ignore", divide="ignore"):
                share = np.divide(np.subtract(inner(points), least), most - least)
            return np.asarray(np.broadcast_to(self.low + (self.high - self.low) * share, points.shape))

        return Function(evaluate, inner.random, inner.features, inner.parameters)


def _own(points: Points) -> TensorPoints:
    """The points of the search: over the same box, or the same side of one."""
    cells = SOUGHT[points.dimension]
    along = zip(points.free, points.lower, points.extent, strict=True)
    axes = {name: lower + (np.arange(cells) + 0.5) * length / cells for name, lower, length in along}
    lengths = dict(zip(points.free, points.extent, strict=True))
    fixed = {name: float(np.ravel(x)[0]) for name, x in points.coordinates.items() if name not in lengths}
    ones = dict.fromkeys(fixed, 1.0)
    origin = dict(zip(points.free, points.lower, strict=True))
    return TensorPoints(axes, lengths | ones, fixed, centres=True, origin=origin)
