"""The Helmholtz equation: time-harmonic waves."""

from __future__ import annotations

from collections.abc import Callable
from math import gamma, inf, pi, sqrt
from typing import ClassVar, Literal

import numpy as np

from pdemill.solvers.families.poisson import UNIT
from pdemill.spec.field import AnyField, Function
from pdemill.spec.problem import Coefficient, Problem, Terms


class Helmholtz(Problem):
    """-∇·(k ∇u) - κ² u = f.

    Input: the coefficient k, the wave number κ (1/length; a number or a field), the source f and the data
    on the sides, those that are random. Output: u. Operator: symmetric; indefinite as soon as κ² exceeds
    the smallest eigenvalue of the diffusion (2π² on the unit square with u = 0 outside), singular at
    every eigenvalue: a sample that falls there is reported, not stored. The relative error grows like
    κ³h² (about a tenth of it, more near an eigenvalue), faster than cells per wavelength tell: mind the
    error estimates. Defaults: k = 1, κ = 1, f = 1, u = 0 on all sides. Second order in the cell size.
    """

    family: Literal["helmholtz"]
    coefficient: Coefficient = UNIT
    wavenumber: AnyField = UNIT
    source: AnyField = UNIT
    operator_fields: ClassVar[tuple[str, ...]] = ("coefficient", "wavenumber")
    positive: ClassVar[tuple[str, ...]] = ("coefficient",)

    @property
    def definite(self) -> bool:
        return False

    @property
    def negative_eigenvalues(self) -> float:
        """By Weyl's law, as many as there are waves longer than those of the largest κ: |Ω| B (κ² / k)^(d/2) / (2π)^d,
        B the volume of the unit ball, k its least value, or 1 where it has no bounds."""
        waves, d = self.wavenumber.bounds(), self.dimension
        bounds = [value.bounds() or (0.0, inf) for value in self.values("coefficient")]
        k = min(low if high < inf else 1.0 for low, high in bounds)
        ball = pi ** (d / 2) / gamma(d / 2 + 1)
        return self.volume * ball * (max(waves) / (2 * pi * sqrt(k))) ** d if waves and k > 0.0 else inf

    @property
    def damped(self) -> bool:
        return self.wavenumber.bounds() != (0.0, 0.0)

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (wavenumber,), (source,) = drawn("wavenumber"), drawn("source")
        reaction = wavenumber.map(lambda kappa: -np.square(kappa))
        return Terms(diffusion=drawn("coefficient"), source=source, reaction=reaction)
