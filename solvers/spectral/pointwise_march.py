"""Marching a batch of samples whose equations have a pointwise tendency."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pdemill.points import Array
from pdemill.solvers.spectral.exponential import Exponential
from pdemill.solvers.spectral.grid import PeriodicGrid, Spectra
from pdemill.solvers.spectral.march import Coefficients, stacked
from pdemill.solvers.spectral.pointwise import Rates
from pdemill.solvers.spectral.symbols import Symbols


class PointwiseMarch:
    """A scheme at work on the equations of a batch, one row per sample; what a row comes to does not depend on the
    others."""

    left: Array | None = None

    def __init__(self, grid: PeriodicGrid, scheme: Exponential, equations: Sequence[Symbols]) -> None:
        self.scheme = scheme
        tendencies = [one.pointwise for one in equations if one.pointwise is not None]
        self.rates = Rates(grid, tendencies, stacked([one.forcing for one in equations]))
        self.coefficients = Coefficients(scheme, equations)

    def advance(self, u: Spectra, interval: float, steps: int, begin: float = 0.0) -> None:
        """Advance u [samples, components x modes] in place by so many equal steps, from whatever time: the equations do
        not know."""
        parts = self.coefficients.of(interval / steps, np.stack)
        for _ in range(steps):
            if not np.isfinite(u).any():
                return  # all have blown up
            u[...] = self.scheme.step(u, parts, self.rates)
