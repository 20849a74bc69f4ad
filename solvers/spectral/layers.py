"""Two layers of a stratified fluid: what their potential vorticities say of their flow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pdemill.points import Array
from pdemill.solvers.spectral.grid import Spectra
from pdemill.spec.field import Function
from pdemill.spec.terms import NOWHERE


@dataclass(frozen=True)
class Layers:
    """The numbers of the term ``layered``: the radius of deformation, the ratio H_1 / H_2 of the depths, the gradient
    beta, the mean flows to the east of both, and the drag at the bottom."""

    radius: float
    ratio: float
    beta: float
    flows: tuple[float, float]
    drag: float

    @classmethod
    def of(cls, functions: tuple[Function, ...]) -> Layers:
        """Those of one sample."""
        radius, ratio, beta, upper, lower, drag = (float(function(NOWHERE)) for function in functions)
        return cls(radius, ratio, beta, (upper, lower), drag)

    @property
    def stretching(self) -> tuple[float, float]:
        """F_i, of q_i = -Lap psi_i + F_i (psi_i - psi_j); their sum is 1 / radius^2."""
        upper = 1.0 / (self.radius**2 * (1.0 + self.ratio))
        return upper, self.ratio * upper

    @property
    def gradients(self) -> tuple[float, float]:
        """Those of the potential vorticity to the north, beta and that of the mean flows."""
        (first, second), shear = self.stretching, self.flows[0] - self.flows[1]
        return self.beta + first * shear, self.beta - second * shear

    def stream_functions(self, parts: Iterable[Spectra], squared: Array) -> dict[str, Spectra]:
        """psi of both layers by name, of their q [states, modes]."""
        upper, lower = parts
        both = enumerate(self.inversion(squared), 1)
        return {f"stream_function_{number}": first * upper + second * lower for number, (first, second) in both}

    def inversion(self, squared: Array) -> Array:
        """What makes psi of q for every |k|^2, [2, 2, modes]; 0 for the mean."""
        first, second = self.stretching
        below = squared * (squared + first + second)
        scale = np.divide(1.0, below, out=np.zeros(below.shape), where=below > 0.0)
        ones = np.ones(below.shape)
        return np.stack([[squared + second, first * ones], [second * ones, squared + first]]) * scale
