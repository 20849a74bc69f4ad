"""A short Fourier series with random coefficients."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field as Limits

from pdemill.draws import Draw
from pdemill.points import Array, Points
from pdemill.solvers.fields.bases import fourier
from pdemill.solvers.fields.modes import by_shells
from pdemill.spec.field import Field, Function
from pdemill.spec.model import AsNumber, Number, Positive

MAX_TABLE = 2**22
LOW_MODES = 9


class Fourier(Field):
    """mean + scale * sum_m xi_m (1 + |m|)^(-decay) phi_m over real Fourier functions, xi_m ~ N(0, 1).

    Wave numbers run to ``waves`` per axis; |m| is the largest wave number of a term; the constant is left out.
    """

    field: Literal["fourier"]
    waves: Annotated[int, Limits(ge=1, le=128)] = 4
    decay: Annotated[float, Limits(ge=0), AsNumber] = 1.0
    scale: Positive = 1.0
    mean: Number = 0.0

    def realise(self, draw: Draw) -> Function:
        modes = 2 * self.waves + 1

        def damping(points: Points) -> Array:
            numbers = np.max(np.indices((modes,) * points.dimension) + 1, axis=0) // 2
            factors = np.asarray((1.0 + numbers) ** (-self.decay))
            factors[(0,) * points.dimension] = 0.0
            return factors

        def weights(points: Points) -> Array:
            table = by_shells(draw.normal(modes**points.dimension), modes, points.dimension)
            return np.asarray(damping(points) * table)

        def features(points: Points) -> Array:
            low = weights(points)[(slice(LOW_MODES),) * points.dimension]
            return np.asarray(low.ravel() / np.linalg.norm(damping(points)))

        return Function(lambda points: self.mean + self.scale * points.expand(fourier, weights(points)), True, features)

    def objection(self, dimension: int, axes: tuple[str, ...]) -> str | None:
        if dimension and (2 * self.waves + 1) ** dimension > MAX_TABLE:
            return f"waves: {self.waves} per axis give more than {MAX_TABLE:,} terms"
        return super().objection(dimension, axes)

    def fixed_mean(self) -> float:
        return self.mean
