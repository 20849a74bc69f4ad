"""The vorticity of a velocity whose components are Brownian bridges."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field as Limits

from pdemill.draws import Draw
from pdemill.points import Array, Points
from pdemill.solvers.fields.bases import fourier
from pdemill.solvers.fields.modes import by_shells
from pdemill.spec.field import Field, Function
from pdemill.spec.model import AsNumber, Positive

LOW_MODES = 5
ROOT_TWO = np.sqrt(2.0)


class BrownianBridge(Field):
    """d_x v - d_y u in two dimensions, u and v independent: scale sum_k |k|^(-decay) sum_(f,g) a f(2 pi k_x x / L_x)
    g(2 pi k_y y / L_y), f and g sine or cosine.

    k runs over pairs of whole numbers from 0 to ``waves`` but (0, 0); all a are uniform in [-1, 1]. The curl of the
    velocity (u, v), which is that of its projection to velocities without divergence. The initial states of NS-BB of
    Poseidon (Herde et al. 2024, appendix B), which it lets evolve for 0.5 (``time: {warmup: 0.5}``).
    """

    field: Literal["brownian_bridge"]
    waves: Annotated[int, Limits(ge=1, le=512)] = 64
    decay: Annotated[float, Limits(ge=0, le=20), AsNumber] = 1.5
    scale: Positive = 1.0

    def objection(self, dimension: int, axes: tuple[str, ...]) -> str | None:
        return None if dimension == 2 else f"is the vorticity of a flow in two dimensions, and this is in {dimension}"

    def realise(self, draw: Draw) -> Function:
        modes = 2 * self.waves + 1
        numbers = (np.arange(modes) + 1) // 2
        squared = np.add.outer(numbers**2, numbers**2).astype(float)
        sizes = np.divide(self.scale, squared ** (0.5 * self.decay), out=np.zeros_like(squared), where=squared > 0.0)
        sizes[1:] /= ROOT_TWO  # the basis has norm 1
        sizes[:, 1:] /= ROOT_TWO

        def component(name: str) -> Array:
            return np.asarray(sizes * (2.0 * by_shells(draw.at(name).uniform(modes * modes), modes, 2) - 1.0))

        def table(points: Points) -> Array:
            return _slope(component("v"), 0, points.extent[0]) - _slope(component("u"), 1, points.extent[1])

        def features(points: Points) -> Array:
            waves = [2.0 * np.pi * numbers[:LOW_MODES] / length for length in points.extent]
            few = (slice(LOW_MODES), slice(LOW_MODES))
            size = np.linalg.norm(sizes[few] * np.sqrt(np.add.outer(waves[0] ** 2, waves[1] ** 2))) / np.sqrt(3.0)
            return np.asarray(table(points)[few].ravel() / size)

        return Function(lambda points: points.expand(fourier, table(points)), True, features)

    def fixed_mean(self) -> float:
        return 0.0


def _slope(table: Array, axis: int, length: float) -> Array:
    """The derivative of a series in 1, cos, sin, cos, sin, ... along an axis."""
    moved = np.moveaxis(table, axis, 0)
    waves = 2.0 * np.pi / length * np.arange(1, len(moved) // 2 + 1)[:, None]
    found = np.zeros_like(moved)
    found[1::2], found[2::2] = waves * moved[2::2], -waves * moved[1::2]
    return np.moveaxis(found, 0, axis)
