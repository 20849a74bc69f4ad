"""The choice of an order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.ordering.clusters import by_clusters
from pdemill.solvers.ordering.greedy import greedy
from pdemill.solvers.ordering.hilbert import hilbert


def resolve_sort(sort: str, recycles: bool) -> str:
    """The order that ``auto`` stands for: as drawn unless the method recycles; a shard is small enough for greedy."""
    if sort != "auto":
        return sort
    return "greedy" if recycles else "none"


def solve_order(sort: str, features: Array) -> NDArray[np.intp]:
    """Numbers of the rows of ``features`` in the order in which to solve them; ``clusters`` compares angles between
    rows, the others distances."""
    if sort == "none" or features.shape[1] == 0 or len(features) < 3:
        return np.arange(len(features))
    if sort == "clusters":
        return by_clusters(features)
    return greedy(features) if sort == "greedy" else hilbert(features)
