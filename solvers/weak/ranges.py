"""The extremes of P2 functions, which lie between their nodes as well as at them."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from pdemill.points import Array
from pdemill.solvers.weak.mesh import EDGES, Ints

type Pair = tuple[int, int]


def extremes(nodal: Array, cells: Ints, dimension: int) -> tuple[float, float]:
    """The least and the largest value of a P2 function with values ``nodal`` on cells whose nodes, [c, 6 or 10], are
    numbered as Basix does.

    On every edge, face and cell it is f0 + g.x + x.H x / 2 of barycentric coordinates x; where H x = -g is inside,
    the value is f0 + g.x / 2.
    """
    values = nodal[cells]
    corners = values[:, : dimension + 1]
    middles = {pair: values[:, dimension + 1 + number] for number, pair in enumerate(EDGES[dimension])}
    controls = np.stack([2.0 * m - (corners[:, i] + corners[:, j]) / 2.0 for (i, j), m in middles.items()], axis=1)
    least, most = float(nodal.min()), float(nodal.max())
    beyond = (controls.min(axis=1) < least) | (controls.max(axis=1) > most)  # a cell is within the hull of its controls
    corners = corners[beyond]
    middles = {pair: m[beyond] for pair, m in middles.items()}
    for size in range(2, dimension + 2):
        for ends in combinations(range(dimension + 1), size):
            found = _inside(corners, middles, ends)
            if found.size:
                least, most = min(least, float(found.min())), max(most, float(found.max()))
    return least, most


def _inside(corners: Array, middles: dict[Pair, Array], ends: tuple[int, ...]) -> Array:
    """The values where the gradient is 0, of the cells in which that is inside the simplex between some corners."""
    first, others = ends[0], ends[1:]
    f0, size = corners[:, first], len(others)
    gradient, hessian = np.empty((len(f0), size)), np.empty((len(f0), size, size))
    for a, i in enumerate(others):
        m = middles[first, i]
        gradient[:, a] = 4.0 * m - 3.0 * f0 - corners[:, i]
        hessian[:, a, a] = 4.0 * (corners[:, i] - 2.0 * m + f0)
        for b, j in enumerate(others[:a]):
            hessian[:, a, b] = hessian[:, b, a] = 4.0 * (middles[j, i] - m - middles[first, j] + f0)
    solvable = np.abs(np.linalg.det(hessian)) > 1e-12 * np.abs(hessian).max(axis=(1, 2), initial=0.0) ** size
    place = np.linalg.solve(hessian[solvable], -gradient[solvable][..., None])[..., 0]
    inside = (place >= 0.0).all(axis=1) & (place.sum(axis=1) <= 1.0)
    value = f0[solvable] + (gradient[solvable] * place).sum(axis=1) / 2.0
    return np.asarray(value[inside])
