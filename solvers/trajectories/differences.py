"""How far trajectories are apart."""

from __future__ import annotations

import numpy as np

from pdemill.points import Array

FLOOR = 1e-3
"""Errors of a channel are relative to its variation over space at that time, or to this part of the largest one
until then, where that is larger: what has decayed to nothing has no digits."""


def differences(one: Array, other: Array, before: Array | float = 0.0) -> Array:
    """The relative difference of channels [C, T, *shape] at each time, the largest over channels: 2-norms, relative to
    what varies over space in ``other``; infinite where either is not finite. ``before`` [C]: the most that varied
    before the first of these times."""
    space = tuple(range(2, other.ndim))
    with np.errstate(over="ignore", invalid="ignore"):
        apart = np.sqrt(np.square(one - other).sum(axis=space))
        varying = variations(other)
        largest = np.maximum.accumulate(np.where(np.isfinite(varying), varying, 0.0), axis=1)
        largest = np.maximum(largest, np.reshape(before, (-1, 1)))
        size = np.maximum(varying, FLOOR * largest)
        found = np.divide(apart, size, out=np.where(apart > 0.0, np.inf, 0.0), where=size > 0.0)
    known = np.isfinite(found) & np.isfinite(apart) & np.isfinite(varying)
    return np.asarray(np.where(known, found, np.inf).max(axis=0))


def variations(fields: Array) -> Array:
    """The 2-norms of what varies over space in channels [C, T, *shape], [C, T]."""
    space = tuple(range(2, fields.ndim))
    return np.asarray(np.sqrt(np.square(fields - fields.mean(axis=space, keepdims=True)).sum(axis=space)))


def apart(one: Array, other: Array, before: Array | float = 0.0) -> float:
    """The relative difference of channels [C, *shape] at one time, the like of which varied by ``before`` [C] at most
    until then."""
    return float(differences(one[:, None], other[:, None], before)[0])
