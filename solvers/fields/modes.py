"""Numbering of the modes of a tensor-product series."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array


@lru_cache(maxsize=32)
def _places(modes: int, dimension: int) -> NDArray[np.intp]:
    indices = np.indices((modes,) * dimension).reshape(dimension, -1)
    order = np.lexsort((*indices[::-1], indices.max(axis=0)))
    places = np.empty_like(order)
    places[order] = np.arange(order.size)
    return places


def by_shells(draws: Array, modes: int, dimension: int) -> Array:
    """Spread a sequence of draws over modes ordered by their largest index, shape (modes,) * dimension.

    The modes below any cut-off come first, so that mode (i, j, ...) has the same draw however many
    modes a field keeps.
    """
    return np.take(draws, _places(modes, dimension), mode="clip").reshape((modes,) * dimension)
