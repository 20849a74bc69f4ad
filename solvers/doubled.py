"""Residuals in doubled precision: b - A u of a nearly exact u is lost in the rounding of float64.

Sums and products are kept with their rounding errors. Source: Dekker 1971, "A floating-point technique for extending
the available precision", section 5; Ogita, Rump, Oishi 2005, "Accurate sum and dot product", algorithm 5.3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.compiled import compiled

type Indices = NDArray[np.int32]

SPLITTER = 134_217_729.0
"""2^27 + 1, which splits a float64 into two halves."""


@compiled(error_model="numpy")
def subtract_product(indptr: Indices, indices: Indices, values: Array, u: Array, out: Array) -> None:
    """out = out - A u, rounded once."""
    for row in range(len(indptr) - 1):
        total, lost = out[row], 0.0
        for k in range(indptr[row], indptr[row + 1]):
            a, x = -values[k], u[indices[k]]
            product = a * x
            big, other = SPLITTER * a, SPLITTER * x
            a_high, x_high = big - (big - a), other - (other - x)
            a_low, x_low = a - a_high, x - x_high
            error = a_low * x_low - (((product - a_high * x_high) - a_low * x_high) - a_high * x_low)
            grown = total + product
            part = grown - total
            lost += ((total - (grown - part)) + (product - part)) + error
            total = grown
        out[row] = total + lost


def residual(indptr: Indices, indices: Indices, values: Array, u: Array, rhs: Array) -> Array:
    """b - A u for a matrix in compressed rows; not finite where halves of the numbers overflow."""
    found = np.array(rhs, dtype=np.float64)
    subtract_product(indptr, indices, values, np.ascontiguousarray(u, dtype=np.float64), found)
    return found
