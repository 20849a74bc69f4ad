"""A sine series of random length and decay, zero on all sides."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, model_validator
from pydantic import Field as Limits

from pdemill.draws import Draw
from pdemill.points import Array, Points
from pdemill.solvers.fields.bases import ROOT_TWO, sine
from pdemill.solvers.fields.modes import by_shells
from pdemill.spec.field import Field, Function
from pdemill.spec.model import Pair, Positive, as_tuple, refuse

MAX_TABLE = 2**22
LOW_MODES = 4
Waves = Annotated[int, Limits(ge=1, le=512)]


class SineSeries(Field):
    """scale * K^-d sum_m a_m |m|^(-2 r) sin(pi m_1 s_1) sin(pi m_2 s_2) ..., m_i = 1..K, a_m uniform in (-1, 1).

    ``waves``: least and largest K, uniform among them; ``decay``: interval of the uniform r; s_i = x_i / L_i. The
    initial states of Poseidon's Allen-Cahn set (Herde et al. 2024) in two dimensions.
    """

    field: Literal["sine_series"]
    waves: Annotated[tuple[Waves, Waves], BeforeValidator(as_tuple)] = (16, 32)
    decay: Pair = (0.7, 1.0)
    scale: Positive = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> SineSeries:
        for name in ("waves", "decay"):
            low, high = getattr(self, name)
            if low > high:
                raise refuse((name,), f"needs lo <= hi, got {[low, high]}", None)
        return self

    def objection(self, dimension: int, axes: tuple[str, ...]) -> str | None:
        if dimension and self.waves[1] ** dimension > MAX_TABLE:
            return f"waves: {self.waves[1]} per axis give more than {MAX_TABLE:,} terms"
        return super().objection(dimension, axes)

    def realise(self, draw: Draw) -> Function:
        (least, most), (low, high) = self.waves, self.decay
        count = least + int(float(draw.at("waves").uniform(1)[0]) * (most - least + 1))
        decay = low + (high - low) * float(draw.at("decay").uniform(1)[0])

        def table(points: Points, kept: int) -> Array:
            """a_m |m|^(-2 r)."""
            levels = 2.0 * draw.at("amplitude").uniform(kept**points.dimension) - 1.0
            return by_shells(levels, kept, points.dimension) * _squares(kept, points.dimension) ** -decay

        def evaluate(points: Points) -> Array:
            size = self.scale * (ROOT_TWO * count) ** -points.dimension
            return points.expand(sine, size * table(points, count))

        def features(points: Points) -> Array:
            kept = min(LOW_MODES, least)
            total = np.square(_squares(kept, points.dimension) ** -(0.5 * (low + high))).sum() / 3.0
            return np.asarray(table(points, kept).ravel() / np.sqrt(total))

        return Function(evaluate, True, features, {"waves": float(count), "decay": decay})


def _squares(count: int, dimension: int) -> Array:
    """|m|^2 for all m."""
    return np.asarray(np.square(np.indices((count,) * dimension) + 1.0).sum(axis=0))
