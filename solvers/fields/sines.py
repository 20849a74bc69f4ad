"""A sum of sine waves with random amplitudes, wave numbers and phases."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, model_validator
from pydantic import Field as Limits

from pdemill.draws import Draw
from pdemill.points import Array, Points
from pdemill.spec.field import Field, Function
from pdemill.spec.model import Pair, as_tuple, refuse

MOST_TERMS = 1000
LOW_WAVES = 8
Wave = Annotated[int, Limits(ge=1, le=4096)]


class Sines(Field):
    """sum_j A_j sin(2 pi sum_a l_ja s_a + phi_j), s_a = x_a / L_a: a truncated Fourier series, periodic, of mean 0.

    terms: how many waves; amplitude: interval of the uniform A_j; waves: least and largest wave number, l_j1 uniform
    among them, those along further axes uniform from -most to most; phi_j uniform in [0, 2 pi). The initial states of
    Brandstetter et al. 2022 (LPSDA, generate_data.py) in one dimension, after Bar-Sinai et al. 2019, eq. (8).
    """

    field: Literal["sines"]
    terms: Annotated[int, Limits(ge=1, le=MOST_TERMS)] = 10
    amplitude: Pair = (-0.5, 0.5)
    waves: Annotated[tuple[Wave, Wave], BeforeValidator(as_tuple)] = (1, 2)

    @model_validator(mode="after")
    def _ordered(self) -> Sines:
        for name in ("amplitude", "waves"):
            low, high = getattr(self, name)
            if low > high:
                raise refuse((name,), f"needs lo <= hi, got {[low, high]}", None)
        return self

    def realise(self, draw: Draw) -> Function:
        low, high = self.amplitude
        amplitudes = low + (high - low) * draw.at("amplitude").uniform(self.terms)
        phases = 2.0 * np.pi * draw.at("phase").uniform(self.terms)

        def numbers(points: Points) -> Array:
            """[axes, terms]"""
            levels = draw.at("wave").uniform(self.terms * points.dimension).reshape(self.terms, points.dimension).T
            least, most = self.waves
            counts = np.array([most - least + 1] + [2 * most + 1] * (points.dimension - 1))[:, None]
            first = np.array([least] + [-most] * (points.dimension - 1))[:, None]
            return np.asarray(first + np.floor(levels * counts))

        def evaluate(points: Points) -> Array:
            total = np.zeros(points.shape)
            places = [2.0 * np.pi * points.fraction(name) for name in points.free]
            for amplitude, phase, waves in zip(amplitudes, phases, numbers(points).T, strict=True):
                angle = sum(wave * place for wave, place in zip(waves, places, strict=True))
                total += amplitude * np.sin(angle + phase)
            return total

        def features(points: Points) -> Array:
            """The coefficients of the longest waves along the first axis."""
            table = np.zeros((2, LOW_WAVES))
            for amplitude, phase, wave in zip(amplitudes, phases, numbers(points)[0], strict=True):
                if wave <= LOW_WAVES:
                    table[:, int(wave) - 1] += amplitude * np.array([np.sin(phase), np.cos(phase)])
            size = np.sqrt(self.terms * (low * low + low * high + high * high) / 3.0)
            return np.asarray(table.ravel() / max(size, 1e-300))

        return Function(evaluate, True, features)

    def fixed_mean(self) -> float:
        return 0.0
