"""The vorticity of a velocity made of products of sines."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field as Limits
from pydantic import model_validator

from pdemill.draws import Draw
from pdemill.points import Array, Points
from pdemill.spec.field import Field, Function
from pdemill.spec.model import Pair, refuse

FEATURES = 2


class CrossedSines(Field):
    """-sum_(i,j=1)^n A_ij (2 pi i / L_x + 2 pi j / L_y) sin(2 pi i s + beta_ij) cos(2 pi j t + gamma_ij), s = x / L_x,
    t = y / L_y, in two dimensions.

    The curl of the velocity sum A_ij (sin(2 pi i s + beta) sin(2 pi j t + gamma), cos(..) cos(..)),
    A_ij = alpha_ij / (2 pi (i + j))^(1/2). That has a divergence where i / L_x is not j / L_y; its projection to
    velocities without has the same curl. n is ``waves``; alpha_ij is uniform in ``amplitude``, beta_ij and gamma_ij in
    [0, 2 pi). The initial states of NS-Sines of Poseidon (Herde et al. 2024, appendix B).
    """

    field: Literal["crossed_sines"]
    waves: Annotated[int, Limits(ge=1, le=64)] = 10
    amplitude: Pair = (-1.0, 1.0)

    @model_validator(mode="after")
    def _ordered(self) -> CrossedSines:
        if self.amplitude[0] > self.amplitude[1]:
            raise refuse(("amplitude",), f"needs lo <= hi, got {list(self.amplitude)}", None)
        return self

    def objection(self, dimension: int, axes: tuple[str, ...]) -> str | None:
        return None if dimension == 2 else f"is the vorticity of a flow in two dimensions, and this is in {dimension}"

    def realise(self, draw: Draw) -> Function:
        low, high = self.amplitude
        n = self.waves
        alpha = low + (high - low) * draw.at("amplitude").uniform(n * n).reshape(n, n)
        beta, gamma = (2.0 * np.pi * draw.at(name).uniform(n * n).reshape(n, n) for name in ("beta", "gamma"))
        numbers = np.arange(1, n + 1)

        def evaluate(points: Points) -> Array:
            x, y = (2.0 * np.pi * points.fraction(name) for name in points.free)
            along, across = (2.0 * np.pi * numbers / length for length in points.extent)
            sizes = alpha * np.add.outer(along, across) / np.sqrt(2.0 * np.pi * np.add.outer(numbers, numbers))
            total = np.zeros(points.shape)
            for i, j in np.ndindex(n, n):
                total -= sizes[i, j] * np.sin((i + 1) * x + beta[i, j]) * np.cos((j + 1) * y + gamma[i, j])
            return total

        def features(points: Points) -> Array:
            """The coefficients of the longest waves."""
            few = (slice(FEATURES), slice(FEATURES))
            a, b, c = alpha[few], beta[few], gamma[few]
            turns = [f(b) * g(c) for f in (np.sin, np.cos) for g in (np.sin, np.cos)]
            size = np.sqrt(a.size * (low * low + low * high + high * high) / 3.0)
            return np.asarray((a * np.array(turns)).ravel() / max(float(size), 1e-300))

        return Function(evaluate, True, features)

    def fixed_mean(self) -> float:
        return 0.0
