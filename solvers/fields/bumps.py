"""A sum of Gaussian bumps at random places."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, model_validator
from pydantic import Field as Limits

from pdemill.draws import Draw
from pdemill.points import Array, Points
from pdemill.spec.field import Field, Function
from pdemill.spec.model import AsNumber, Model, Pair, Positive, as_tuple, refusal, refuse

MOST = 1000


class Geometric(Model):
    """A count n >= 1 with probability p (1 - p)^(n - 1), cut at ``most``."""

    geometric: Annotated[float, Limits(gt=0, le=1), AsNumber]
    most: Annotated[int, Limits(ge=1, le=MOST)] = 50


def _count(value: Any) -> int | tuple[int, int] | Geometric:
    if isinstance(value, dict | Geometric):
        return Geometric.model_validate(value)
    numbers = value if isinstance(value, list | tuple) else [value]
    if not all(type(n) is int and 1 <= n <= MOST for n in numbers) or len(numbers) not in (1, 2):
        raise refusal(f"should be a number from 1 to {MOST}, [least, most], or {{geometric: p}}")
    return (numbers[0], numbers[1]) if len(numbers) == 2 else numbers[0]


class Bumps(Field):
    """sum_i a_i exp(-|x - c_i|^2 / (2 w_i^2)).

    count: a number, [least, most] (uniform), or {geometric: p}; amplitude and width: intervals of uniform
    draws, width in length units; centres are uniform in the box.
    """

    field: Literal["bumps"]
    count: Annotated[int | tuple[int, int] | Geometric, BeforeValidator(_count)] = 3
    amplitude: Pair = (1.0, 1.0)
    width: Annotated[tuple[Positive, Positive], BeforeValidator(as_tuple)] = (0.025, 0.1)

    @model_validator(mode="after")
    def _ordered(self) -> Bumps:
        for name in ("count", "amplitude", "width"):
            interval: Any = getattr(self, name)
            if isinstance(interval, tuple) and interval[0] > interval[1]:
                raise refuse((name,), f"needs lo <= hi, got {list(interval)}", interval)
        return self

    def _number(self, level: float) -> int:
        if isinstance(self.count, int):
            return self.count
        if isinstance(self.count, tuple):
            least, most = self.count
            return least + int(level * (most - least + 1))
        p = self.count.geometric
        return 1 if p == 1.0 else 1 + int(min(self.count.most - 1, np.log1p(-level) / np.log1p(-p)))

    def realise(self, draw: Draw) -> Function:
        number = self._number(float(draw.at("count").uniform(1)[0]))
        amplitudes = _between(self.amplitude, draw.at("amplitude").uniform(number))
        widths = _between(self.width, draw.at("width").uniform(number))

        def centres(points: Points) -> Array:
            return draw.at("centre").uniform(number * points.dimension).reshape(number, points.dimension)

        def evaluate(points: Points) -> Array:
            total = np.zeros(points.shape)
            moving = [points.coordinates[name] for name in points.free]
            for amplitude, width, centre in zip(amplitudes, widths, centres(points), strict=True):
                bump: Any = amplitude
                for axis, x in enumerate(moving):
                    bump = bump * np.exp(
                        -((x - points.lower[axis] - centre[axis] * points.extent[axis]) ** 2) / (2 * width**2)
                    )
                total += bump
            return total

        def features(points: Points) -> Array:
            where = centres(points) - 0.5
            mass = amplitudes / max(float(np.linalg.norm(amplitudes)), 1e-300)
            return np.asarray(np.sqrt(12.0 / points.dimension) * (mass @ where))

        return Function(evaluate, True, features, {"count": float(number)})


def _between(interval: tuple[float, float], levels: Array) -> Array:
    return interval[0] + (interval[1] - interval[0]) * levels
