"""How far trajectories are apart."""

from __future__ import annotations

import numpy as np

from pdemill.points import Array

FLOOR = 1e-3
"""Errors of a channel are relative to its variation over space at that time, or to this part of the largest one
until then, where that is larger: what has decayed to nothing has no digits."""


def differences(one: Array, other: Array) -> Array:
    """The relative difference of channels [C, T, *shape] at each time, the largest over channels: 2-norms, relative to
    what varies over space in ``other``; infinite where either is not finite."""
    space = tuple(range(2, other.ndim))
    with np.errstate(over="ignore", invalid="ignore"):
        apart = np.sqrt(np.square(one - other).sum(axis=space))
        varying, size = _sizes(other)
        found = np.divide(apart, size, out=np.where(apart > 0.0, np.inf, 0.0), where=size > 0.0)
    known = np.isfinite(found) & np.isfinite(apart) & np.isfinite(varying)
    return np.asarray(np.where(known, found, np.inf).max(axis=0))


def level(fields: Array) -> float:
    """How large channels [C, T, *shape] are, in units of what their errors are relative to; 1 where nothing varies."""
    norms = np.sqrt(np.square(fields).sum(axis=tuple(range(2, fields.ndim))))
    _, size = _sizes(fields)
    return max(1.0, float(np.divide(norms, size, out=np.ones_like(norms), where=size > 0.0).max()))


def _sizes(fields: Array) -> tuple[Array, Array]:
    """What varies over space in channels at each time, [C, T], and what errors are relative to."""
    space = tuple(range(2, fields.ndim))
    varying = np.sqrt(np.square(fields - fields.mean(axis=space, keepdims=True)).sum(axis=space))
    largest = np.maximum.accumulate(np.where(np.isfinite(varying), varying, 0.0), axis=1)
    return varying, np.maximum(varying, FLOOR * largest)


def apart(one: Array, other: Array) -> float:
    """The relative difference of channels [C, *shape] at one time."""
    return float(differences(one[:, None], other[:, None])[0])
