"""Shear layers that waves perturb: the vorticity of the flow, or its profile."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, model_validator
from pydantic import Field as Limits

from pdemill.draws import Draw
from pdemill.points import Array, Points
from pdemill.spec.field import Field, Function
from pdemill.spec.model import AsNumber, Positive, as_tuple, refuse

REACH, FAR = 20.0, 300.0
"""Thicknesses beyond which a layer is below rounding, and beyond which functions of z may overflow."""
Thickness = Annotated[float, Limits(gt=0, le=1), AsNumber]
Wave = Annotated[int, Limits(ge=1, le=256)]
Layers = Annotated[int, Limits(ge=2, le=64, multiple_of=2)]


class ShearFlow(Field):
    """d_x v - d_y u for u = speed (1 + sum_s e_s tanh z_s), v = perturbation sin(2 pi m x / L_x) sum_s e_s exp(-z_s^2),
    z_s = (y - y_s) / d, in two dimensions; with ``quantity: velocity_x``, u.

    Of n layers, at equal distances y_s = (s + 1/2) L_y / n, the signs e_s are -1 and 1 in turn. n is one of ``layers``,
    m one of the whole numbers of ``waves``, each as likely; d is a share of L_y / n whose logarithm is uniform in that
    of ``thickness``. All images in y are added, so that u and v are smooth and periodic, of mean 0. The velocity (u, v)
    has a divergence; its curl is that of its projection. Two fields of one sample with the same options are of the same
    flow, whatever their keys. The initial states of shear_flow of The Well (Ohana et al. 2024, generate_sf.py).
    """

    field: Literal["shear_flow"]
    layers: Annotated[tuple[Layers, ...], Limits(min_length=1, max_length=8), BeforeValidator(as_tuple)] = (2, 4)
    waves: Annotated[tuple[Wave, Wave], BeforeValidator(as_tuple)] = (1, 2)
    thickness: Annotated[tuple[Thickness, Thickness], BeforeValidator(as_tuple)] = (0.025, 0.4)
    speed: Positive = 0.5
    perturbation: Positive = 0.1
    quantity: Literal["vorticity", "velocity_x"] = "vorticity"

    @model_validator(mode="after")
    def _ordered(self) -> ShearFlow:
        for name in ("thickness", "waves"):
            low, high = getattr(self, name)
            if low > high:
                raise refuse((name,), f"needs lo <= hi, got {[low, high]}", None)
        return self

    @property
    def is_random(self) -> bool:
        waved = self.quantity == "vorticity" and self.waves[0] < self.waves[1]
        return waved or len(set(self.layers)) > 1 or self.thickness[0] < self.thickness[1]

    def objection(self, dimension: int, axes: tuple[str, ...]) -> str | None:
        return None if dimension == 2 else f"is of a flow in two dimensions, and this is in {dimension}"

    def realise(self, draw: Draw) -> Function:
        own = Draw(draw.seed, draw.split, draw.sample, "/shear_flow")
        places = [float(own.at(name).uniform(1)[0]) for name in ("layers", "waves", "thickness")]
        count = self.layers[int(places[0] * len(self.layers))]
        least, most = self.waves
        wave = least + int(places[1] * (most - least + 1))
        low, high = np.log(self.thickness)
        share = float(np.exp(low + (high - low) * places[2]))

        def layered(y: Array, profile: Callable[[Array], Array]) -> Array:
            """sum_s e_s profile(z_s), with all images."""
            images = 1 + ceil(REACH * share / count)
            total = np.zeros(y.shape)
            for m in range(-images, images + 1):
                for s in range(count):
                    z = ((np.mod(y, 1.0) - m) * count - s - 0.5) / share
                    total += (2.0 * (s % 2) - 1.0) * profile(np.clip(z, -FAR, FAR))
            return total

        def evaluate(points: Points) -> Array:
            x, y = (points.fraction(name) for name in points.free)
            width, height = points.extent
            if self.quantity == "velocity_x":
                return np.array(np.broadcast_to(self.speed * (1.0 + layered(y, np.tanh)), points.shape))
            slope = 2.0 * np.pi * wave / width * np.cos(2.0 * np.pi * wave * x)
            bumps = layered(y, lambda z: np.exp(-(z**2)))
            bent = layered(y, lambda z: np.cosh(z) ** -2.0)
            return np.asarray(self.perturbation * slope * bumps - self.speed * count / (share * height) * bent)

        def features(points: Points) -> Array:
            """Number of layers, waves and thickness, in units of their standard deviations."""
            numbers = [(count, np.array(self.layers)), (np.log(share), np.linspace(low, high, 33))]
            if self.quantity == "vorticity":
                numbers.append((wave, np.arange(least, most + 1)))
            varying = [(value - of.mean()) / of.std() for value, of in numbers if np.ptp(of) > 0.0]
            return np.asarray(np.array(varying) / np.sqrt(max(1, len(varying))))

        return Function(evaluate, self.is_random, features)

    def fixed_mean(self) -> float:
        return 0.0
