"""How far trajectories are apart."""

from __future__ import annotations

import numpy as np

from pdemill.points import Array

FLOOR = 1e-3
"""Errors of a channel are relative to its variation over space at that time, or to this part of the largest one
until then, where that is larger: what has decayed to nothing has no digits."""
CONSTANT = 1e-12
"""Part of its norm below which what varies in a channel is rounding."""


def differences(one: Array, other: Array, before: Array | float = 0.0) -> Array:
    """The relative difference of channels [C, T, *shape] at each time, the largest over channels: 2-norms, relative to
    what varies over space in ``other``; infinite where either is not finite. ``before`` [C]: the most that varied
    before the first of these times."""
    with np.errstate(over="ignore", invalid="ignore"):
        apart, size = norms(one - other), sizes(other, before)
        found = np.divide(apart, size, out=np.where(apart > 0.0, np.inf, 0.0), where=size > 0.0)
    known = np.isfinite(found) & np.isfinite(apart) & np.isfinite(size)
    return np.asarray(np.where(known, found, np.inf).max(axis=0))


def sizes(fields: Array, before: Array | float = 0.0) -> Array:
    """What errors of channels [C, T, *shape] are relative to at each time, [C, T]: what varies, not less than a part of
    the most that varied until then; the norm itself where nothing has varied yet. ``before``: as above."""
    varying = variations(fields)
    size = np.maximum(varying, FLOOR * np.maximum(largest(varying), np.reshape(before, (-1, 1))))
    return np.where(size > 0.0, size, norms(fields))


def largest(varying: Array) -> Array:
    """The most until each time, [C, T]."""
    return np.asarray(np.maximum.accumulate(np.where(np.isfinite(varying), varying, 0.0), axis=1))


def variations(fields: Array) -> Array:
    """The 2-norms of what varies over space in channels [C, T, *shape], [C, T]; 0 where that is rounding."""
    space = tuple(range(2, fields.ndim))
    varying = norms(fields - fields.mean(axis=space, keepdims=True))
    return np.where(varying < CONSTANT * norms(fields), 0.0, varying)


def norms(fields: Array) -> Array:
    """The 2-norms over space of channels [C, T, *shape], [C, T]."""
    return np.asarray(np.sqrt(np.square(fields).sum(axis=tuple(range(2, fields.ndim)))))


def apart(one: Array, other: Array, before: Array | float = 0.0) -> float:
    """The relative difference of channels [C, *shape] at one time, the like of which varied by ``before`` [C] at most
    until then."""
    return float(differences(one[:, None], other[:, None], before)[0])
