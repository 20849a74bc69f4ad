"""Means and standard errors of walks, batch by batch in a fixed order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array


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
    def variance(self) -> Array:
        """Variance of the mean per row, unbiased; infinite with fewer than two values."""
        degrees = np.maximum(self.count - 1, 1)
        return np.where(self.count > 1, self._m2 / degrees / np.maximum(self.count, 1), np.inf)
