"""The share of walks that each part of the boundary ends, estimated from where it is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pdemill.solvers.compiled import compiled


@compiled(nogil=True)
def extremes(
    points: Any, distance: Any, mean: Any, missed: Any, places: Any, values: Any, scale: float, halves: int, found: Any
) -> None:
    """Fill ``found`` [p] with E[(value - mean)²; the walk ends where values are extreme] for walks from some points.

    ``places`` [N, m] in the order of their ``values`` end the shares ``scale`` d^(1 - m) (d / r)^(``halves`` / 2) of
    the walks, all together at most 1. The extreme places are the first or the last ones, whichever give more, whose
    shares make up ``missed`` [p].
    """
    count, axes = places.shape
    shares = np.empty(count)
    for n in range(len(points)):
        d = distance[n]
        front = scale * d ** (1 - axes)
        for i in range(count):
            far = 0.0
            for axis in range(axes):
                far += (points[n, axis] - places[i, axis]) ** 2
            root = math.sqrt(d / max(math.sqrt(far), d))
            share = front
            for _ in range(halves):
                share *= root
            shares[i] = share
        total = 0.0
        for i in range(count):
            total += shares[i]
        total = max(total, 1.0)
        most = 0.0
        for begin, step in ((0, 1), (count - 1, -1)):
            left, worth, i = missed[n] * total, 0.0, begin
            while left > 0.0 and 0 <= i < count:
                part = min(shares[i], left)
                worth += part * (values[i] - mean[n]) ** 2
                left -= part
                i += step
            most = max(most, worth)
        found[n] = most / total
