"""The flux left on Neumann sides of a box when a control variate is subtracted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.instance import Instance
from pdemill.solvers.walks.control import OnGrid
from pdemill.solvers.walks.data import Data
from pdemill.solvers.walks.geometry import Geometry


class WithFlux(Data):
    """The data of a sample with constant k on a box, with h - k ∂v/∂n in place of the flux h."""

    def __init__(self, sample: Instance, geometry: Geometry, control: OnGrid, k: float) -> None:
        super().__init__(sample, geometry)
        self._control, self._k = control, k

    def on_sides(self, places: Array, sides: NDArray[np.integer]) -> Array:
        values = super().on_sides(places, sides)
        for number, held in enumerate(self.held):
            chosen = np.flatnonzero(sides == number)
            if not held and chosen.size:
                slope = self._control.gradient(places[chosen])[:, number // 2]
                values[chosen] -= self._k * (slope if number % 2 else -slope)
        return values
