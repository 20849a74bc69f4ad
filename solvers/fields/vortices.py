"""Gaussian vortices at random places of a periodic box."""

from __future__ import annotations

from math import ceil, pi, prod, sqrt
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, model_validator
from pydantic import Field as Limits

from pdemill.draws import Draw
from pdemill.points import Array, Points
from pdemill.spec.field import Field, Function
from pdemill.spec.model import Pair, Positive, as_tuple, refuse

REACH = 9.0
"""Widths beyond which a vortex is below rounding."""


class Vortices(Field):
    """sum_i (a_i / w_i) exp(-|x - c_i|^2 / (2 w_i^2)), with all periodic images, less its mean.

    count: how many; strength and width: intervals of the uniform a_i and w_i, w_i in length units; centres c_i are
    uniform in the box. A vorticity on a periodic box has the mean 0, so that of the vortices is taken off, exactly. The
    initial states of NS-Gauss of Poseidon (Herde et al. 2024, appendix B).
    """

    field: Literal["vortices"]
    count: Annotated[int, Limits(ge=1, le=1000)] = 100
    strength: Pair = (-1.0, 1.0)
    width: Annotated[tuple[Positive, Positive], BeforeValidator(as_tuple)] = (0.01, 0.1)

    @model_validator(mode="after")
    def _ordered(self) -> Vortices:
        for name in ("strength", "width"):
            low, high = getattr(self, name)
            if low > high:
                raise refuse((name,), f"needs lo <= hi, got {[low, high]}", None)
        return self

    def realise(self, draw: Draw) -> Function:
        strengths, widths = (
            low + (high - low) * draw.at(name).uniform(self.count)
            for name, (low, high) in (("strength", self.strength), ("width", self.width))
        )

        def centres(points: Points) -> Array:
            return draw.at("centre").uniform(self.count * points.dimension).reshape(self.count, points.dimension)

        def evaluate(points: Points) -> Array:
            total = np.zeros(points.shape)
            moving = [points.coordinates[name] for name in points.free]
            for strength, width, centre in zip(strengths / widths, widths, centres(points), strict=True):
                vortex: Any = strength
                for x, lower, length, c in zip(moving, points.lower, points.extent, centre, strict=True):
                    vortex = vortex * _line(x - lower - c * length, length, width)
                total += vortex
                total -= strength * prod(sqrt(2.0 * pi) * width / length for length in points.extent)
            return total

        def features(points: Points) -> Array:
            mass = strengths / max(float(np.linalg.norm(strengths)), 1e-300)
            return np.asarray(np.sqrt(12.0 / points.dimension) * (mass @ (centres(points) - 0.5)))

        return Function(evaluate, True, features)

    def fixed_mean(self) -> float:
        return 0.0


def _line(distance: Array, length: float, width: float) -> Array:
    """exp(-x^2 / (2 w^2)) with its images."""
    nearest = distance - length * np.rint(distance / length)
    most = ceil(REACH * width / length)
    return np.asarray(sum(np.exp(-0.5 * ((nearest + m * length) / width) ** 2) for m in range(-most, most + 1)))
