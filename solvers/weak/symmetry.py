"""How far a matrix is from its transpose."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.compiled import compiled


@compiled(error_model="numpy")
def asymmetry(values: Array, transposed: NDArray[np.intp]) -> tuple[float, float]:
    """The largest difference of an entry and that of the transpose, and the size of the largest entry;
    ``transposed`` tells where the entry (j, i) stands for each entry (i, j). NaN where a difference is not finite."""
    apart, largest = 0.0, 0.0
    for k in range(len(values)):
        value = values[k]
        difference = abs(values[transposed[k]] - value)
        if not np.isfinite(difference):
            return np.nan, np.nan
        apart, largest = max(apart, difference), max(largest, abs(value))
    return apart, largest
