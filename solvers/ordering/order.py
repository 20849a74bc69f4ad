"""The choice of an order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from solvers.ordering.greedy import greedy
from solvers.ordering.hilbert import hilbert

LARGE = 2000
"""Samples above which the greedy chain costs more than it gives."""


def resolve_sort(sort: str, recycles: bool, samples: int) -> str:
    """The order that ``auto`` stands for: as drawn unless the method recycles."""
    if sort != "auto":
        return sort
    if not recycles:
        return "none"
    return "greedy" if samples <= LARGE else "hilbert"


def solve_order(sort: str, features: Array) -> NDArray[np.intp]:
    """Numbers of the rows of ``features`` in the order in which to solve them."""
    if sort == "none" or features.shape[1] == 0 or len(features) < 3:
        return np.arange(len(features))
    return greedy(features) if sort == "greedy" else hilbert(features)
