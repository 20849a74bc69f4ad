"""A smoothed vortex sheet along a drawn curve."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, model_validator
from pydantic import Field as Limits
from scipy.special import j0

from pdemill.draws import Draw
from pdemill.points import Array, Points
from pdemill.solvers.fields.bases import fourier
from pdemill.spec.field import Field, Function
from pdemill.spec.model import AsNumber, Number, Positive, as_tuple, refuse

NODES = 8
"""Points of the curve for each of the waves."""
Height = Annotated[float, Limits(ge=0, le=0.4), AsNumber]


class VortexSheet(Field):
    """strength (psi_rho * delta_C), less its mean, in two dimensions: delta_C the measure of the length of the curve
    C: y / L_y = 1/2 + height sin(2 pi s) + sum_i alpha_i sin(2 pi (s + beta_i)), s = x / L_x, periodic.

    psi_rho(r) = 80 / (7 pi rho^2) ((1 - r / rho)_+^3 - 4 (1/2 - r / rho)_+^3), the cubic spline of integral 1 that is 0
    beyond ``smoothing`` rho, in length units. There are ``terms`` i; alpha_i is uniform in ``perturbation``, beta_i in
    (0, 1). By its Fourier series of up to ``waves`` waves along each axis, 10 L / rho of which hold it to 3e-6 of its
    largest value. The initial states of NS-SVS of Poseidon (Herde et al. 2024, appendix B); the spline is that of
    Lanthaler, Mishra and Pares-Pulido 2021, "Statistical solutions of the incompressible Euler equations".
    """

    field: Literal["vortex_sheet"]
    height: Height = 0.2
    terms: Annotated[int, Limits(ge=1, le=100)] = 10
    perturbation: Annotated[tuple[Number, Number], BeforeValidator(as_tuple)] = (0.0, 0.003125)
    smoothing: Positive = 0.0390625
    strength: Number = 1.0
    waves: Annotated[int, Limits(ge=1, le=512)] = 256

    @model_validator(mode="after")
    def _drawn(self) -> VortexSheet:
        low, high = self.perturbation
        if low >= high:
            raise refuse(("perturbation",), f"needs lo < hi, got {[low, high]}", None)
        if self.height + self.terms * max(abs(low), abs(high)) > 0.5:
            raise refuse(
                ("perturbation",), f"with {self.terms} terms and the height {self.height:g} may leave the box", None
            )
        return self

    def objection(self, dimension: int, axes: tuple[str, ...]) -> str | None:
        return None if dimension == 2 else f"is the vorticity of a flow in two dimensions, and this is in {dimension}"

    def realise(self, draw: Draw) -> Function:
        low, high = self.perturbation
        alpha = low + (high - low) * draw.at("alpha").uniform(self.terms)
        beta = 2.0 * np.pi * draw.at("beta").uniform(self.terms)
        sine, cosine = float(alpha @ np.cos(beta)), float(alpha @ np.sin(beta))

        def table(points: Points) -> Array:
            """The coefficients in 1, cos, sin, cos, sin, .. along both axes, by the trapezoid rule along the curve."""
            width, height = points.extent
            s = np.arange(NODES * self.waves) / (NODES * self.waves)
            turn = 2.0 * np.pi * s
            y = 0.5 + (self.height + sine) * np.sin(turn) + cosine * np.cos(turn)
            slope = 2.0 * np.pi * ((self.height + sine) * np.cos(turn) - cosine * np.sin(turn))
            length = np.sqrt(width**2 + (height * slope) ** 2) / len(s)
            modes = 2 * self.waves + 1
            sums = fourier.matrix(s, modes).T @ (length[:, None] * fourier.matrix(y, modes))
            found = (
                self.strength
                / (width * height)
                * sums
                * _smoothed(self.waves, self.smoothing / width, self.smoothing / height)
            )
            found[0, 0] = 0.0
            return np.asarray(found)

        def features(points: Points) -> Array:
            """The wave that the terms add up to."""
            second = self.terms * (low * low + low * high + high * high) / 3.0
            return np.asarray(np.array([sine, cosine]) / np.sqrt(second))

        return Function(lambda points: points.expand(fourier, table(points)), True, features)

    def fixed_mean(self) -> float:
        return 0.0


@lru_cache(maxsize=4)
def _smoothed(waves: int, along: float, across: float) -> Array:
    """The Fourier transform of psi_rho at the wave numbers of the basis functions; rho in box lengths."""
    numbers = (np.arange(2 * waves + 1) + 1) // 2
    kappa = 2.0 * np.pi * np.hypot.outer(along * numbers, across * numbers)
    unique, places = np.unique(np.round(kappa, 9), return_inverse=True)
    nodes, weights = np.polynomial.legendre.leggauss(16 + int(unique[-1]))
    total = np.zeros(len(unique))
    for begin, end in ((0.0, 0.5), (0.5, 1.0)):
        r = begin + 0.5 * (end - begin) * (nodes + 1.0)
        spline = 80.0 / (7.0 * np.pi) * ((1.0 - r) ** 3 - 4.0 * np.maximum(0.5 - r, 0.0) ** 3)
        total += j0(np.outer(unique, r)) @ (2.0 * np.pi * 0.5 * (end - begin) * weights * spline * r)
    found: Array = total[places].reshape(kappa.shape)
    found.setflags(write=False)
    return found
