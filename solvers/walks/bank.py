"""A bank of walks that samples share: same domain, same points, same constant coefficients, other data.

Of every walk the bank keeps the node of the boundary next to its exit, a node of a grid at a corner of the cell of its
source point, and two weights. A sample is then two tables, g on the boundary's nodes and f on the grid's, and

    u(x) = mean over walks of w g[exit node] + w' f[source node].

Which corner is random, so that the mean is linear interpolation of f, whose table is sharpened for it; g is in effect
averaged over the spacing h of the nodes, an error of h² g'' / 24. Errors of samples that share a bank are correlated.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pdemill.points import Array
from pdemill.solvers.compiled import compiled
from pdemill.solvers.walks.geometry import Geometry
from pdemill.solvers.walks.philox import RESERVED_STEP, Key, words
from pdemill.solvers.walks.tables import Raster

CORNER_STEP = RESERVED_STEP + 64


class Rim(NamedTuple):
    """Nodes of the boundary [B, d] and the numbers of their sides [B]."""

    places: Array
    sides: NDArray[np.intp]

    def nearest(self, geometry: Geometry, exits: Array, elements: NDArray[np.int32]) -> NDArray[np.int32]:
        """For every exit [P, W, d] the nearest node on the same side, [P, W]; -1 for walks that were cut short."""
        of_exit = geometry.side_of(elements)
        found = np.full(of_exit.shape, -1, dtype=np.int32)
        for side in range(len(geometry.sides)):
            nodes = np.flatnonzero(self.sides == side)
            chosen = of_exit == side
            if chosen.any():
                found[chosen] = nodes[cKDTree(self.places[nodes]).query(exits[chosen])[1]]
        return found


class Bank(NamedTuple):
    """W walks of P points: ``ends`` and ``passed`` [P, W] count nodes of the rim and of the grid."""

    ends: NDArray[np.int32]
    weights: NDArray[np.float32]
    passed: NDArray[np.int32]
    source_weights: NDArray[np.float32]
    steps: NDArray[np.int64]
    """[P]: steps of all walks together."""


def corners(grid: Raster, places: Array, levels: Array) -> NDArray[np.int32]:
    """A corner of the cell of each place [n, d], by numbers [n, d] in (0, 1); the mean is linear interpolation."""
    t = (places - grid.lower) * grid.inverse
    cell = np.clip(t.astype(np.int64), 0, grid.counts - 2)
    chosen = cell + (levels < t - cell)
    return np.asarray(np.ravel_multi_index(tuple(chosen.T), tuple(grid.counts)), dtype=np.int32)


def corner_levels(key: Key, first: int, walks: int, ids: NDArray[np.int64], dimension: int) -> Array:
    """The numbers that choose corners, [P, W, d]."""
    drawn = words(key, CORNER_STEP, np.arange(first, first + walks), ids[:, None], 0)
    return np.asarray((drawn[..., :dimension] + 0.5) / 2.0**32)


@compiled(nogil=True)
def gather(
    ends: Any,
    weights: Any,
    passed: Any,
    source_weights: Any,
    rim: Any,
    inside: Any,
    batch: int,
    total: Any,
    square: Any,
) -> None:
    """Sums of values and of their squares over the walks of each point, [P, M], for M samples at once.

    rim [B, M] and inside [N, M] are the samples' tables. Sums run walk by walk within batches and batch by batch, each
    lane by itself: what a sample gets does not depend on which others share the call.
    """
    lanes = rim.shape[1]
    s, q = np.empty(lanes), np.empty(lanes)
    for p in range(len(ends)):
        for begin in range(0, ends.shape[1], batch):
            s[:] = 0.0
            q[:] = 0.0
            for w in range(begin, min(begin + batch, ends.shape[1])):
                if ends[p, w] < 0:
                    continue
                g, f = rim[ends[p, w]], inside[passed[p, w]]
                a, b = weights[p, w], source_weights[p, w]
                for k in range(lanes):
                    v = np.float64(a * g[k] + b * f[k])
                    s[k] += v
                    q[k] += v * v
            for k in range(lanes):
                total[p, k] += s[k]
                square[p, k] += q[k]
