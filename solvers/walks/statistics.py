"""Means and standard errors of walks, batch by batch in a fixed order, and what walks that have not come may change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pdemill.points import Array
from solvers.walks.geometry import Geometry

LEAST, LEAST_SLOPE = 0.6, 0.25
"""Shares of the variance expected that are not suspicious, of values and of slopes."""


class Running:
    """Count, mean and sum of squared deviations per row; batches are merged as Chan, Golub, LeVeque 1983 do."""

    def __init__(self, rows: int) -> None:
        self.count = np.zeros(rows, dtype=np.int64)
        self.mean = np.zeros(rows)
        self._m2 = np.zeros(rows)

    def add(self, rows: NDArray[np.intp], values: Array) -> None:
        """Take ``values`` [rows, k] into some rows."""
        number = values.shape[1]
        mean = values.mean(axis=1)
        m2 = ((values - mean[:, None]) ** 2).sum(axis=1)
        before = self.count[rows]
        after = before + number
        delta = mean - self.mean[rows]
        self.mean[rows] += delta * (number / after)
        self._m2[rows] += m2 + delta * delta * (before * number / after)
        self.count[rows] = after

    @property
    def stderr(self) -> Array:
        """Standard error of the mean per row; infinite with fewer than two values."""
        degrees = np.maximum(self.count - 1, 1)
        error = np.sqrt(self._m2 / degrees / np.maximum(self.count, 1))
        return np.where(self.count > 1, error, np.inf)


@dataclass(frozen=True)
class Unseen:
    """What few walks may not have shown: the least variance [P, ...] that is not suspicious, and how far off a walk may
    end.

    Close to the boundary nearly all walks end at once, and the few that carry the variance may not have come yet. In a
    ball, linear data with the variance V on the boundary give walks the variance V t (2 - t), t the distance to the
    boundary in radii; other data and domains keep to it within a factor.
    """

    variance: Array
    reach: Array

    @classmethod
    def of_values(cls, geometry: Geometry, points: Array, variance: ArrayLike, reach: ArrayLike) -> Self:
        """For walks from points [P, d]; variance and range of data on the boundary, numbers or [M] for [P, M]."""
        t = np.clip(2.0 * geometry.distance(points) / geometry.diameter, 0.0, 1.0)
        return cls(LEAST * np.multiply.outer(t * (2.0 - t), variance), np.asarray(reach, np.float64))

    def of_slopes(self, dimension: int, radii: Array) -> Unseen:
        """For the gradient's walks, which are weighted with d / R times a unit vector."""
        factor = dimension / radii
        return Unseen(LEAST_SLOPE / LEAST * self.variance * factor**2 / dimension, self.reach * factor)

    def guarded(self, stderr: Array, walks: NDArray[np.int64]) -> Array:
        """Standard errors, raised where the walks agree too well to what one more walk may bring, or was to expect."""
        count, square = np.maximum(walks, 1), stderr**2
        missing = np.maximum(self.variance / count - square, 0.0)
        return np.asarray(np.sqrt(square + np.minimum(missing, (self.reach / count) ** 2)))
