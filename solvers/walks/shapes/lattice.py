"""Even points on flat faces, and how many of them each face gets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array


def lattice(count: int, dimension: int) -> Array:
    """Points [count, dimension] of the unit cube: a Kronecker sequence whose steps are powers of the generalised golden
    ratio, the root of x^(d+1) = x + 1 (Roberts 2018, "The unreasonable effectiveness of quasirandom sequences")."""
    ratio = 2.0
    for _ in range(60):
        ratio = (1.0 + ratio) ** (1.0 / (dimension + 1))
    steps = ratio ** -np.arange(1.0, dimension + 1.0)
    return np.asarray((0.5 + np.arange(1, count + 1)[:, None] * steps) % 1.0)


def shares(sizes: Array, count: int) -> NDArray[np.intp]:
    """``count`` divided in proportion to sizes [n], at least 1 each; larger remainders are rounded up first."""
    exact = count * sizes / sizes.sum()
    parts = np.floor(exact).astype(np.intp)
    short = count - int(parts.sum())
    parts[np.argsort(parts - exact, kind="stable")[:short]] += 1
    return np.maximum(parts, 1)
