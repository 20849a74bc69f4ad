"""Records of walks on domains where parts of the boundary have a given flux."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.walks.records import Records


@dataclass(frozen=True, eq=False, kw_only=True)
class MixedRecords(Records):
    """u(x) = E[weight g(exit) + source_weight f(source) + flux_weight h(flux)] solves -Δu + λ u = f with u = g on some
    sides and ∂u/∂n = h on the others, n pointing outwards."""

    flux: Array | None = None
    """[P, W, d]: one point of the sides with a flux, chosen in proportion to its weight."""
    flux_element: NDArray[np.int32] | None = None
    """[P, W]: the element that ``flux`` lies on; -1 if the walk saw no such side."""
    flux_weight: Array | None = None
    """[P, W]: the sum of the weights of all points among which it was chosen."""

    def mixed_values(self, g: Array, f: Array | float, h: Array | float) -> Array:
        """[P, W]: estimates of u from g at the exits, f at the sources and h at the flux points, each [P, W]."""
        value = self.values(g, f)
        return value if self.flux_weight is None else np.asarray(value + self.flux_weight * h)
