"""Pipes whose centre line is drawn for every sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from pdemill.draws import Draw
from pdemill.points import Array
from pdemill.solvers.weak.shapes import Median
from pdemill.spec.field import AnyScalar, Scalar
from pdemill.spec.model import Model, Positive, as_tuple, refuse
from pdemill.spec.obstacle import drawn_number

MOST = 50
"""Places at which the height of a centre line is told."""
OVERSHOOT = 4.0 / 27.0
"""The largest value of Hermite's cubics of slope 1 at one end, in units of the length of a piece."""
LARGE = 1e50
PLACES = 1001
"""Where a centre line is looked at."""
type Line = Callable[[Array], Array]
"""The height of a centre line by x."""
Numbers = Annotated[tuple[AnyScalar, ...], Field(min_length=2, max_length=MOST), BeforeValidator(as_tuple)]


class Pipe(Model):
    """0 < x < length, |y - d(x)| < width / 2, with the sides ``left``, ``right``, ``bottom`` and ``top``.

    d is the centre line: Hermite's cubics through the ``heights`` at evenly spaced places from x = 0 to x = length,
    with the ``slopes`` dy/dx there, 0 where none are given; both are numbers, or drawn for every sample. ``width`` is
    measured along y, so that a pipe is narrower where it is steep.
    """

    shape: Literal["pipe"] = "pipe"
    length: Positive
    width: Positive
    heights: Numbers
    slopes: Numbers | None = None

    @model_validator(mode="after")
    def _as_many(self) -> Pipe:
        if self.slopes is not None and len(self.slopes) != len(self.heights):
            message = f"has {len(self.slopes)} entries, but there are {len(self.heights)} heights"
            raise refuse(("slopes",), message, None)
        with np.errstate(all="ignore"):
            middle = self.median(np.linspace(0.0, self.length, PLACES))
            if not (np.abs([*middle, *self.reach(), self.length]) < LARGE).all():
                raise refuse(("heights",), "make a pipe that is too large to be computed with", None)
        return self

    @property
    def lengths(self) -> tuple[float, float]:
        return self.length, self.width

    @property
    def piece(self) -> float:
        """The length of one piece of the centre line."""
        return self.length / (len(self.heights) - 1)

    def side_names(self) -> tuple[str, ...]:
        return "left", "right", "bottom", "top"

    def scalars(self) -> Iterator[tuple[tuple[str | int, ...], Scalar]]:
        """Every scalar with its path below the domain."""
        for key, values in (("heights", self.heights), ("slopes", self.slopes or ())):
            for number, value in enumerate(values):
                yield (key, number), value

    @property
    def moves(self) -> bool:
        return any(scalar.is_random for _, scalar in self.scalars())

    def drawn(self, draw: Draw) -> Line:
        """The centre line of a sample; ``draw``: of its domain."""
        heights, slopes = (
            np.array([drawn_number(value, draw.at(key).at(number)) for number, value in enumerate(values)])
            for key, values in (("heights", self.heights), ("slopes", self.slopes or ()))
        )
        slopes = slopes if len(slopes) else np.zeros(len(heights))
        piece = self.piece

        def height(x: Array) -> Array:
            number = np.clip(np.floor(x / piece).astype(np.intp), 0, len(heights) - 2)
            t = x / piece - number
            ends = heights[number] * (1.0 + 2.0 * t) * (1.0 - t) ** 2 + heights[number + 1] * t**2 * (3.0 - 2.0 * t)
            return np.asarray(
                ends + piece * (slopes[number] * t * (1.0 - t) ** 2 - slopes[number + 1] * t**2 * (1.0 - t))
            )

        return height

    @cached_property
    def median(self) -> Line:
        """The centre line whose measures are all at their medians."""
        return self.drawn(Median(0, "", 0, "problem/domain"))

    def reach(self) -> tuple[float, float]:
        """What the pipe lies between in all samples; where numbers have no bounds, its length about the median."""
        unknown = (-np.inf, np.inf)
        heights, slopes = (
            [value.bounds() or unknown for value in values] for values in (self.heights, self.slopes or ())
        )
        if not np.isfinite([*heights, *slopes]).all():
            middle = self.median(np.linspace(0.0, self.length, PLACES))
            return float(middle.min()) - self.length, float(middle.max()) + self.length
        steep = max((max(map(abs, pair)) for pair in slopes), default=0.0)
        beyond = 2.0 * OVERSHOOT * self.piece * steep + 0.5 * self.width
        lows, highs = zip(*heights, strict=True)
        return min(lows) - beyond, max(highs) + beyond
