"""Units of unknowns and of test functions, so that forms that mix quantities are of one size in all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array

SMALL = 1e-3
"""A block that a fit leaves so much smaller than the largest has no say in the next one."""
ALIKE = 1e-8
"""Relative difference up to which the sizes of two blocks are the same."""


@dataclass(frozen=True)
class Units:
    """Powers of two, one per unknown of a form: what rows are multiplied by (``rows``), and what a value of 1 stands
    for (``columns``). Both are the same where the blocks are symmetric in size."""

    rows: Array
    columns: Array

    @property
    def plain(self) -> bool:
        """Whether all are 1."""
        return bool((self.rows == 1.0).all() and (self.columns == 1.0).all())


def plain_units(count: int) -> Units:
    """1 for everything."""
    return Units(np.ones(count), np.ones(count))


def balanced_units(blocks: Array) -> Units:
    """Units in which the blocks of a matrix, given by their largest entries [k, k], are of size 1 as nearly as can be:
    least squares of their logarithms. Curtis and Reid 1972, "On the automatic scaling of matrices for Gaussian
    elimination", J. Inst. Maths Applics 10."""
    count = len(blocks)
    if np.allclose(blocks, blocks.T, rtol=ALIKE, atol=0.0):
        blocks = np.maximum(blocks, blocks.T)
    counted = (blocks > 0.0) & np.isfinite(blocks)
    logs = np.log2(blocks, where=counted, out=np.zeros((count, count)))
    while True:
        rows, columns = _fitted(logs, counted)
        sizes = np.round(np.where(counted, logs + rows[:, None] + columns[None, :], np.inf))
        small = sizes < np.where(counted, sizes, -np.inf).max(initial=-np.inf) + np.log2(SMALL)
        least = small & (sizes == sizes.min(initial=np.inf, where=small))
        fewer = counted & ~(least & (logs == logs.min(initial=np.inf, where=least)))
        if (fewer == counted).all() or not (fewer.any(axis=0).all() and fewer.any(axis=1).all()):
            break
        counted = fewer
    rows, columns = np.round(rows), np.round(columns)
    if (logs == logs.T).all():
        columns = rows
    return Units(2.0**rows, 2.0**columns)


def _fitted(logs: Array, counted: NDArray[np.bool_]) -> tuple[Array, Array]:
    """The r and c with least Σ (log + r_i + c_j)² over the blocks that count, those of least norm."""
    places, count = np.argwhere(counted), len(logs)
    equations = np.zeros((len(places), 2 * count))
    numbers = np.arange(len(places))
    equations[numbers, places[:, 0]] = 1.0
    equations[numbers, count + places[:, 1]] = 1.0
    found = np.linalg.lstsq(equations, -logs[counted], rcond=None)[0]
    return found[:count], found[count:]


def block_sizes(values: Array, rows: NDArray[np.int8], columns: NDArray[np.int8], count: int) -> Array:
    """The largest entry of each block [count, count] of a matrix, by absolute value; ``rows`` and ``columns`` tell the
    block of every entry."""
    sizes = np.abs(values)
    return np.array(
        [[sizes.max(where=(rows == i) & (columns == j), initial=0.0) for j in range(count)] for i in range(count)]
    )
