"""A Chebyshev series with random coefficients."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field as Limits
from pydantic import field_validator

from pdemill.draws import Draw
from pdemill.points import Array, Points
from pdemill.spec.field import Field, Function
from pdemill.spec.model import Pair, Positive, refusal


class Chebyshev(Field):
    """sum_m c_m T_m1(s_1) T_m2(s_2) ... with c_m ~ scale * U(-1, 1), ``terms`` (T_0 included) per axis.

    The argument s runs over ``argument`` (default [-1, 1]) along each axis of the domain. With ``along`` the
    series is one of that axis alone, constant in the others.
    """

    field: Literal["chebyshev"]
    terms: Annotated[int, Limits(ge=1, le=64)] = 5
    scale: Positive = 1.0
    argument: Pair = (-1.0, 1.0)
    along: Literal["x", "y", "z"] | None = None

    @field_validator("argument")
    @classmethod
    def _inside(cls, interval: tuple[float, float]) -> tuple[float, float]:
        if not -1.0 <= interval[0] < interval[1] <= 1.0:
            raise refusal(f"needs -1 <= lo < hi <= 1, got {list(interval)}")
        return interval

    def objection(self, dimension: int, axes: tuple[str, ...]) -> str | None:
        if self.along is None:
            return super().objection(dimension, axes)
        return None if self.along in axes else f"runs along {self.along}, but the domain has only {', '.join(axes)}"

    def _axes(self, points: Points) -> list[str]:
        if self.along is not None:
            return [self.along]
        return list(points.free)

    def realise(self, draw: Draw) -> Function:
        def coefficients(points: Points) -> Array:
            axes = len(self._axes(points))
            return np.asarray(2.0 * draw.uniform(self.terms**axes) - 1.0).reshape((self.terms,) * axes)

        def evaluate(points: Points) -> Array:
            low, high = self.argument
            total = self.scale * coefficients(points)
            total = total.reshape(total.shape + (1,) * len(points.shape))
            for name in self._axes(points):
                basis = np.polynomial.chebyshev.chebvander(low + (high - low) * points.fraction(name), self.terms - 1)
                total = sum((total[m] * basis[..., m] for m in range(1, self.terms)), total[0] * basis[..., 0])
            return np.broadcast_to(total, points.shape)

        def features(points: Points) -> Array:
            values = coefficients(points).ravel()
            return np.asarray(values * np.sqrt(3.0 / values.size))

        return Function(evaluate, True, features)
