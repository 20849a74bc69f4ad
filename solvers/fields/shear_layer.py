"""The vorticity of a double shear layer."""

from __future__ import annotations

from math import ceil
from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, model_validator
from pydantic import Field as Limits

from pdemill.draws import Draw
from pdemill.points import Array, Points
from pdemill.spec.field import Field, Function
from pdemill.spec.model import AsNumber, Positive, as_tuple, refuse

LOW_WAVES = 6
Thickness = Annotated[float, Limits(gt=0, le=1), AsNumber]
Wave = Annotated[int, Limits(ge=1, le=256)]


class ShearLayer(Field):
    """-d_y v for v = speed tanh(2 pi (Y - 1/4) / rho) where Y <= 1/2, speed tanh(2 pi (3/4 - Y) / rho) above, in two
    dimensions.

    Y = y / L_y + xi + delta sum_(k=1)^p alpha_k sin(2 pi k x / L_x - beta_k), modulo 1. rho is uniform in
    ``thickness``, xi in +-``shift``, p among the whole numbers of ``waves``, alpha_k in [0, 1], beta_k in [0, 2 pi);
    delta is ``perturbation``. The curl of the velocity (v, 0), which is that of its projection to velocities without
    divergence; periodic images are added, so that it is smooth and its mean 0. The initial states of NS-SL of Poseidon
    (Herde et al. 2024, appendix B), after Bell, Colella and Glaz 1989.
    """

    field: Literal["shear_layer"]
    thickness: Annotated[tuple[Thickness, Thickness], BeforeValidator(as_tuple)] = (0.08, 0.12)
    shift: Annotated[float, Limits(ge=0, le=0.5), AsNumber] = 0.0625
    perturbation: Positive = 0.025
    waves: Annotated[tuple[Wave, Wave], BeforeValidator(as_tuple)] = (7, 12)
    speed: Positive = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> ShearLayer:
        for name in ("thickness", "waves"):
            low, high = getattr(self, name)
            if low > high:
                raise refuse((name,), f"needs lo <= hi, got {[low, high]}", None)
        return self

    def objection(self, dimension: int, axes: tuple[str, ...]) -> str | None:
        return None if dimension == 2 else f"is the vorticity of a flow in two dimensions, and this is in {dimension}"

    def realise(self, draw: Draw) -> Function:
        low, high = self.thickness
        rho = low + (high - low) * float(draw.at("thickness").uniform(1)[0])
        xi = self.shift * (2.0 * float(draw.at("shift").uniform(1)[0]) - 1.0)
        least, most = self.waves
        p = least + int(float(draw.at("waves").uniform(1)[0]) * (most - least + 1))
        alpha, beta = draw.at("alpha").uniform(p), 2.0 * np.pi * draw.at("beta").uniform(p)

        def evaluate(points: Points) -> Array:
            x, y = (points.fraction(name) for name in points.free)
            moved = xi + self.perturbation * sum(
                a * np.sin(2.0 * np.pi * k * x - b) for k, (a, b) in enumerate(zip(alpha, beta, strict=True), 1)
            )
            place = np.mod(y + moved, 1.0)
            images = 2 + ceil(3.0 * rho)
            total = np.zeros(points.shape)
            for m in range(-images, images + 1):
                for centre, sign in ((0.25, -1.0), (0.75, 1.0)):
                    total += sign / np.cosh(2.0 * np.pi * (place - centre - m) / rho) ** 2
            return np.asarray(total * (2.0 * np.pi * self.speed / (rho * points.extent[1])))

        def features(points: Points) -> Array:
            """Shift, and the longest waves of the layers."""
            table = np.zeros((2, LOW_WAVES))
            few = min(p, LOW_WAVES)
            table[:, :few] = alpha[:few] * np.array([np.sin(beta[:few]), np.cos(beta[:few])])
            level = np.sqrt(3.0) * xi / self.shift if self.shift else 0.0
            return np.asarray(np.concatenate([[level], table.ravel()]) / np.sqrt(1.0 + LOW_WAVES / 3.0))

        return Function(evaluate, True, features)

    def fixed_mean(self) -> float:
        return 0.0
