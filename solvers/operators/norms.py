"""Norms of unknowns, whatever their scale."""

from __future__ import annotations

import numpy as np

from pdemill.points import Array

EPSILON = float(np.finfo(float).eps)


def two_norm(values: Array) -> float:
    """The 2-norm, of numbers whose squares overflow or underflow too."""
    plain = float(np.linalg.norm(values))
    if 1e-140 < plain < 1e140:
        return plain
    largest = float(np.abs(values).max(initial=0.0))
    if not 0.0 < largest < np.inf:
        return largest
    scale = 2.0 ** -int(np.frexp(largest)[1])
    return float(np.linalg.norm(values * scale)) / scale


def varying(variation: float, size: float) -> float:
    """The norm that errors are relative to: that of what varies, or the whole where nothing does."""
    return variation if variation > 8.0 * EPSILON * size else size
