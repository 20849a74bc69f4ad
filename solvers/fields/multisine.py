"""Sines of few wave numbers, some of them folded or cut by a window."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field as Limits
from pydantic import model_validator

from pdemill.draws import Draw
from pdemill.points import Array, Points
from pdemill.spec.field import Field, Function
from pdemill.spec.model import AsNumber, Pair, refuse

EDGE = 0.01
"""Width of the window's edges."""
LEFT, RIGHT = (0.1, 0.45), (0.55, 0.9)
"""Where the window begins and ends."""
Probability = Annotated[float, Limits(ge=0, le=1), AsNumber]


class Multisine(Field):
    """g = +-v, sometimes +-|v|, sometimes in a window, of v = sum_m A_m sin(2 pi c_m m s + phi_m), m = 1 .. waves,
    s = x / L.

    c_m is how often m was drawn by ``terms`` uniform draws: two of one number make one wave of twice that number, and
    the numbers that were not drawn leave constants A_m sin phi_m (``constants: false`` leaves them out). A_m is
    uniform in ``amplitude``, phi_m in [0, 2 pi), the sign that of a coin. With the probability ``absolute`` it is |v|,
    with the probability ``window`` it is multiplied by (tanh((s - a) / w) - tanh((s - b) / w)) / 2 and its periodic
    images, w = 0.01, a in [0.1, 0.45], b in [0.55, 0.9]. All draws are independent. The initial states of PDEBench
    (Takamoto et al. 2022, ``init_multi`` of data_gen_NLE/utils.py), in one dimension.
    """

    field: Literal["multisine"]
    terms: Annotated[int, Limits(ge=1, le=64)] = 2
    waves: Annotated[int, Limits(ge=1, le=64)] = 4
    amplitude: Pair = (0.0, 1.0)
    absolute: Probability = 0.1
    window: Probability = 0.1
    constants: bool = True
    smooth: ClassVar[bool] = False
    most_axes: ClassVar[int] = 1

    @model_validator(mode="after")
    def _ordered(self) -> Multisine:
        if self.amplitude[0] > self.amplitude[1]:
            raise refuse(("amplitude",), f"needs lo <= hi, got {list(self.amplitude)}", None)
        return self

    def realise(self, draw: Draw) -> Function:
        low, high = self.amplitude
        amplitudes = low + (high - low) * draw.at("amplitude").uniform(self.waves)
        phases = 2.0 * np.pi * draw.at("phase").uniform(self.waves)
        chosen = np.floor(draw.at("wave").uniform(self.terms) * self.waves).astype(int)
        counts = np.bincount(chosen, minlength=self.waves)
        numbers = counts * np.arange(1, self.waves + 1)
        if not self.constants:
            amplitudes = np.where(counts > 0, amplitudes, 0.0)
        sign = 1.0 if draw.at("sign").uniform(1)[0] < 0.5 else -1.0
        folded, cut = draw.at("absolute").uniform(1)[0] < self.absolute, draw.at("window").uniform(1)[0] < self.window
        a, b = (lo + (hi - lo) * u for (lo, hi), u in zip((LEFT, RIGHT), draw.at("edge").uniform(2), strict=True))

        def evaluate(points: Points) -> Array:
            s = points.fraction(points.free[0])
            total = np.zeros(points.shape)
            for amplitude, phase, number in zip(amplitudes, phases, numbers, strict=True):
                total += amplitude * np.sin(2.0 * np.pi * number * s + phase)
            if folded:
                total = np.abs(total)
            if cut:
                total = total * sum(
                    0.5 * (np.tanh((s - image - a) / EDGE) - np.tanh((s - image - b) / EDGE)) for image in (-1, 0, 1)
                )
            return sign * total

        def features(points: Points) -> Array:
            """The waves' coefficients and the constant."""
            sines, cosines = amplitudes * np.sin(phases), np.where(counts > 0, amplitudes * np.cos(phases), 0.0)
            level = sines[counts == 0].sum()
            waves = np.where(counts > 0, sines, 0.0)
            distinct = self.waves * (1.0 - (1.0 - 1.0 / self.waves) ** self.terms)
            constants = 0.5 * (self.waves - distinct) if self.constants else 0.0
            size = np.sqrt((low * low + low * high + high * high) / 3.0 * (distinct + constants))
            return sign * np.concatenate([[level], waves, cosines]) / max(float(size), 1e-300)

        return Function(evaluate, True, features)
