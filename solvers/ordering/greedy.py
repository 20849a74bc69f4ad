"""Greedy nearest neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array


def greedy(features: Array, start: int = 0) -> NDArray[np.intp]:
    """A chain that always goes on to the nearest sample not visited yet, from ``start``.

    SKR's algorithm 1 (Wang et al. 2024), with the distance ||p_i - p_j||_2 of feature rows (N, d).
    Work N^2 d; ties go to the lower number.
    """
    samples = len(features)
    squares = np.einsum("nd,nd->n", features, features)
    left = np.ones(samples, dtype=bool)
    order = np.empty(samples, dtype=np.intp)
    here = start
    for step in range(samples):
        order[step] = here
        left[here] = False
        distance = np.where(left, squares - 2.0 * (features @ features[here]), np.inf)
        here = int(np.argmin(distance))
    return order
