"""Norms of unknowns, whatever their scale."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np

from pdemill.points import Array

EPSILON = float(np.finfo(float).eps)
SAFE = 1e-140, 1e140
"""Norms between which squares are numbers, and precise ones."""


def _plain(values: Array) -> float:
    flat = values.ravel(order="K")
    with np.errstate(over="ignore", under="ignore"):
        return sqrt(flat.dot(flat))


def is_plain(norm: float) -> bool:
    """Whether a norm is that of numbers whose squares neither overflow nor underflow."""
    return SAFE[0] < norm < SAFE[1]


def unit_scale(values: Array) -> float:
    """A power of two that brings numbers to size one, where their squares could overflow or underflow; else 1."""
    if is_plain(_plain(values)):
        return 1.0
    largest = float(np.abs(values).max(initial=0.0))
    return float(2.0 ** -np.clip(np.frexp(largest)[1], -1000, 1000)) if 0.0 < largest < np.inf else 1.0


def two_norm(values: Array) -> float:
    """The 2-norm, of numbers whose squares overflow or underflow too."""
    plain = _plain(values)
    if is_plain(plain):
        return plain
    scale = unit_scale(values)
    return float(np.linalg.norm(values * scale)) / scale


def relative_norm(part: Array, whole: Array) -> float:
    """‖part‖ / ‖whole‖, whatever their scale; ‖part‖ where the whole is 0."""
    plain = _plain(whole)
    if is_plain(plain):
        return two_norm(part) / plain
    scale = unit_scale(whole)
    size = two_norm(whole * scale)
    return two_norm(part * scale) / size if size > 0.0 else two_norm(part * scale)


def varying(variation: float, size: float) -> float:
    """The norm that errors are relative to: that of what varies, or the whole where nothing does."""
    return variation if variation > 8.0 * EPSILON * size else size


def ratio(error: float, size: float) -> float:
    """An error in units of what varies; 0 where there is none."""
    return error / size if size > 0.0 else inf if error else 0.0


class Euclidean:
    """The 2-norm, and that of u minus its mean."""

    channels: tuple[slice, ...] = (slice(None),)
    """Where the unknowns of each channel stand."""
    parts: tuple[slice, ...] = (slice(None),)
    """The channels of a solution that are one quantity: a scalar, or the components of a vector; errors are told of
    the worst."""

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

    def relative(self, error: Array, unknowns: Array) -> float:
        """The norm of an error in units of what varies in the unknowns; 0 where there is none."""
        size = self.norm(error)
        return ratio(size, self.variation(unknowns)) if size else 0.0

    def _varies(self, values: Array) -> float:
        mean = float(values.mean())
        varies = two_norm(values - mean)
        most = varies + abs(mean) * sqrt(len(values))  # of the whole, without another pass
        return varies if varies > 8.0 * EPSILON * most else varying(varies, two_norm(values))
