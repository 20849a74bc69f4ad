"""A number drawn uniformly from an interval."""

from __future__ import annotations

import numpy as np
from pydantic import field_validator

from pdemill.draws import Draw
from pdemill.spec.field import Function, Scalar
from pdemill.spec.model import Pair, refusal


class Uniform(Scalar):
    """U(lo, hi); ``{uniform: [lo, hi]}``."""

    uniform: Pair

    @field_validator("uniform")
    @classmethod
    def _ordered(cls, interval: tuple[float, float]) -> tuple[float, float]:
        if interval[0] >= interval[1]:
            raise refusal(f"needs lo < hi, got {list(interval)}")
        return interval

    def realise(self, draw: Draw) -> Function:
        low, high = self.uniform
        place = draw.place(self)
        if place is not None and place.value is not None:
            value = place.value
            level = np.float64((value - low) / (high - low))
        else:
            level = draw.uniform(1)[0] if place is None else np.float64(place.level)
            value = float(low + (high - low) * level)
        feature = np.array([np.sqrt(12.0) * (level - 0.5)])
        return Function(lambda points: value, True, lambda points: feature, {"": value})

    def bounds(self) -> tuple[float, float]:
        return self.uniform
