"""The exponential of a Gaussian random field."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from pdemill.draws import Draw
from pdemill.points import Array
from pdemill.solvers.fields.gaussian import Spectrum
from pdemill.spec.field import Function


def _exp(values: Array | float) -> Array | float:
    """exp; what overflows is infinite, and so refused as a coefficient."""
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(values))


class Lognormal(Spectrum):
    """exp(g) with the Gaussian field g of the same options; ``{field: lognormal, std: 1}``."""

    field: Literal["lognormal"]

    def realise(self, draw: Draw) -> Function:
        return self.series(draw).map(_exp)

    def bounds(self) -> tuple[float, float]:
        return math.nextafter(0.0, 1.0), math.inf
