"""Norms of unknowns, whatever their scale."""

from __future__ import annotations

import numpy as np

from pdemill.points import Array

EPSILON = float(np.finfo(float).eps)
SAFE = 1e-140, 1e140
"""Norms between which squares are numbers, and precise ones."""


def _plain(values: Array) -> float:
    with np.errstate(over="ignore", under="ignore"):
        return float(np.linalg.norm(values))


def unit_scale(values: Array) -> float:
    """A power of two that brings numbers to size one, where their squares could overflow or underflow; else 1."""
    if SAFE[0] < _plain(values) < SAFE[1]:
        return 1.0
    largest = float(np.abs(values).max(initial=0.0))
    return float(2.0 ** -np.clip(np.frexp(largest)[1], -1000, 1000)) if 0.0 < largest < np.inf else 1.0


def two_norm(values: Array) -> float:
    """The 2-norm, of numbers whose squares overflow or underflow too."""
    plain = _plain(values)
    if SAFE[0] < plain < SAFE[1]:
        return plain
    scale = unit_scale(values)
    return float(np.linalg.norm(values * scale)) / scale


def relative_norm(part: Array, whole: Array) -> float:
    """‖part‖ / ‖whole‖, whatever their scale; ‖part‖ where the whole is 0."""
    scale = unit_scale(whole)
    if scale != 1.0:
        part, whole = part * scale, whole * scale
    size = two_norm(whole)
    return two_norm(part) / size if size > 0.0 else two_norm(part)


def varying(variation: float, size: float) -> float:
    """The norm that errors are relative to: that of what varies, or the whole where nothing does."""
    return variation if variation > 8.0 * EPSILON * size else size


class Euclidean:
    """The 2-norm, and that of u minus its mean."""

    channels: tuple[slice, ...] = (slice(None),)
    """Where the unknowns of each channel stand."""

    @property
    def stretch(self) -> float:
        """The most by which ``norm`` is larger than the 2-norm."""
        return 1.0

    def norm(self, unknowns: Array) -> float:
        """The L2 norm of unknowns, up to a factor that all have in common."""
        return two_norm(unknowns)

    def largest_norm(self, unknowns: Array) -> float:
        """What ``norm`` is at most, at the price of a 2-norm."""
        return self.norm(unknowns)

    def variation(self, unknowns: Array) -> float:
        """The norm of unknowns without their mean; of the whole where nothing varies. That of the channel in which it
        is least, so that no channel has a larger error than is said."""
        found = [self._varies(unknowns[channel]) for channel in self.channels]
        return min((size for size in found if size > 0.0), default=0.0)

    def _varies(self, values: Array) -> float:
        return varying(two_norm(values - values.mean()), two_norm(values))
