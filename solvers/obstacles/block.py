"""Boxes within the box."""

from __future__ import annotations

from math import hypot
from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator

from pdemill.draws import Draw
from pdemill.points import Array
from pdemill.spec.model import as_tuple
from pdemill.spec.obstacle import Outline, Shape, drawn_number
from pdemill.spec.shapes import Length, fixed

ON_FACE = 1e-9
"""Distance from a face, in cells, at which a boundary is on it."""


class BlockObstacle(Shape):
    """|x_a - centre_a| < lengths_a / 2 along every axis. Second order where all its sides lie on faces of the grid, but
    for the corners, where u is not smooth; else first."""

    shape: Literal["box"]
    lengths: Annotated[tuple[Length, ...], BeforeValidator(as_tuple)]

    def objection(self, dimension: int) -> tuple[tuple[str | int, ...], str] | None:
        if len(self.lengths) != dimension:
            return ("lengths",), f"has {len(self.lengths)} entries, but resolution has {dimension} axes"
        return super().objection(dimension)

    def outline(self, draw: Draw) -> Outline:
        sizes = [drawn_number(length, draw.at("length").at(axis)) for axis, length in enumerate(self.lengths)]
        named = zip(self.lengths, sizes, strict=True)
        drawn = {f"length_{axis}": size for axis, (length, size) in enumerate(named) if length.is_random}

        def level(offsets: tuple[Array, ...]) -> Array:
            found = np.abs(offsets[0]) - 0.5 * sizes[0]
            for x, size in zip(offsets[1:], sizes[1:], strict=True):
                found = np.maximum(found, np.abs(x) - 0.5 * size)
            return found

        return Outline(level, 0.5 * hypot(*sizes), drawn)

    def on_faces(self, lengths: tuple[float, ...], cells: tuple[int, ...]) -> bool:
        if self.is_random:
            return False
        middle = [fixed(x) for x in self.centre] if self.centre else [0.5 * length for length in lengths]
        for x, size, length, n in zip(middle, map(fixed, self.lengths), lengths, cells, strict=True):
            for end in (x - 0.5 * size, x + 0.5 * size):
                place = end / length * n
                if abs(place - round(place)) > ON_FACE and 0.0 < place < n:
                    return False
        return True
