"""Matrices of few parameters as combinations of few matrices: A = sum over q of theta_q A_q."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array

MOST_PARTS = 32
"""Most matrices of a combination: more of them are no matrices of few parameters."""
EXACT = 1e-12
"""The part of the largest entry that a combination may miss: rounding."""
PLACES, ADDED = 4096, 64
SEED = 20_030


@dataclass(frozen=True)
class Affine:
    """Values of matrices on one pattern as combinations of ``parts``, found from those that were met.

    Coefficients are read from the values at some ``places`` alone, which are drawn, and those where each part is
    largest (Barrault, Maday, Nguyen, Patera 2004, "An empirical interpolation method"); whether all values are
    those of the combination is seen when a matrix is learnt.
    """

    parts: tuple[Array, ...] = ()
    places: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, dtype=np.intp))

    @classmethod
    def begun(cls, entries: int) -> Affine:
        """Of no matrix yet, with so many entries."""
        drawn = np.random.default_rng(SEED).integers(0, entries, min(PLACES, entries))
        return cls((), np.unique(drawn).astype(np.intp))

    def coefficients(self, values: Array) -> Array | None:
        """theta of a matrix, by least squares at the places; None where its values there are no combination."""
        if not self.parts:
            return None
        seen = values[self.places]
        theta: Array = self._inverse @ seen
        missed = np.abs(seen - theta @ self._rows).max()
        return theta if missed <= EXACT * np.abs(seen).max() else None

    def extended(self, values: Array) -> Affine:
        """With a part more, where these values are no combination of those that there are."""
        rest = values - self._nearest(values)
        size = float(np.abs(rest).max())
        if not size > EXACT * float(np.abs(values).max()):
            return self
        added = np.argsort(-np.abs(rest), kind="stable")[:ADDED]
        return Affine((*self.parts, rest / size), np.union1d(self.places, added))

    def _nearest(self, values: Array) -> Array | float:
        if not self.parts:
            return 0.0
        theta = self._inverse @ values[self.places]
        found = theta[0] * self.parts[0]
        for factor, part in zip(theta[1:], self.parts[1:], strict=True):
            found += factor * part
        return np.asarray(found)

    @cached_property
    def _rows(self) -> Array:
        return np.stack([part[self.places] for part in self.parts])

    @cached_property
    def _inverse(self) -> Array:
        """What makes coefficients of the values at the places."""
        return np.asarray(np.linalg.pinv(self._rows.T))
