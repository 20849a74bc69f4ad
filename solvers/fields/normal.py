"""A number drawn from a normal distribution."""

from __future__ import annotations

import math

import numpy as np
from pydantic import field_validator
from scipy.special import ndtri

from pdemill.draws import Draw
from pdemill.spec.field import Function, Scalar
from pdemill.spec.model import Pair, refusal

FARTHEST = 40.0
"""Standard deviations from the mean that no draw reaches."""


class Normal(Scalar):
    """N(mean, std^2); ``{normal: [mean, std]}``."""

    normal: Pair

    @field_validator("normal")
    @classmethod
    def _spread(cls, moments: tuple[float, float]) -> tuple[float, float]:
        if moments[1] <= 0:
            raise refusal(f"needs std > 0, got {moments[1]:g}")
        if not math.isfinite(abs(moments[0]) + FARTHEST * moments[1]):
            raise refusal("reaches beyond the largest number of float64")
        return moments

    def realise(self, draw: Draw) -> Function:
        mean, std = self.normal
        place = draw.place(self)
        if place is not None and place.value is not None:
            value = place.value
            feature = np.array([(value - mean) / std])
        else:
            feature = draw.normal(1) if place is None else ndtri(np.array([place.level]))
            value = float(mean + std * feature[0])
        return Function(lambda points: value, True, lambda points: feature, {"": value})

    def bounds(self) -> tuple[float, float]:
        return -math.inf, math.inf
