"""How a stored value agrees with one that was made again: to the bit where it was made, to rounding elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ROUNDING = 1e-11
"""Relative to the largest value of an array: what other instructions leave of sums of thousands of terms."""


def same_bits(stored: NDArray[Any], made: NDArray[Any]) -> bool:
    """Whether two arrays hold the same bits in the stored one's type; all NaN are alike."""
    with np.errstate(over="ignore"):
        cast = np.asarray(made).astype(stored.dtype)
    return bool(np.array_equal(stored, cast, equal_nan=stored.dtype.kind == "f"))


def agrees(stored: NDArray[Any], made: NDArray[Any], to_the_bit: bool, scale: NDArray[Any] | None = None) -> bool:
    """Whether a stored array is the one that was made again, rounded to its type; ``scale``: what rounding elsewhere is
    relative to, by default its largest value."""
    if to_the_bit or same_bits(stored, made):
        return same_bits(stored, made)
    if stored.shape != np.shape(made) or stored.dtype.kind != "f":
        return False
    exact, wanted = stored.astype(np.float64), np.asarray(made, dtype=np.float64)
    if not np.array_equal(np.isfinite(exact), np.isfinite(wanted)):
        return False
    size = np.abs(wanted if scale is None else scale)
    largest = float(np.max(size, initial=0.0, where=np.isfinite(size)))
    allowed = ROUNDING * largest + 2.0 * float(np.finfo(stored.dtype).eps) * np.abs(wanted)
    with np.errstate(invalid="ignore"):
        return bool(np.all((np.abs(exact - wanted) <= allowed) | ~np.isfinite(wanted)))
