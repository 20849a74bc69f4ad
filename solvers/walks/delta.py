"""Delta tracking: walks on spheres through a medium that varies, without a grid and without bias.

σ' of ``medium`` is completed to a constant σ̄, and what was added is taken away again by weights: a walker absorbed at
the rate σ̄ goes on from where it was, with its weight times 1 - σ'/σ̄ (Sawhney, Seyb, Jarosz and Crane 2022, "Raster-free
Monte Carlo for PDEs with spatially varying coefficients", equations 17 to 20). Weights may be negative.

    u(x) = E[√k(exit) W g(exit) + Σ W f(y) / (σ̄ √k(y))] / √k(x)    over the points y of absorption

One y is kept per walk, chosen in proportion to |W| / √k(y), with the weight that makes f(y) stand for the sum.
Errors: statistical, O(epsilon) from the shell about the boundary, and that of the tables (``medium``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import uint32
from numpy.typing import ArrayLike

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.compiled import compiled
from pdemill.solvers.walks.geometry import Geometry
from pdemill.solvers.walks.medium import Medium
from pdemill.solvers.walks.overloads import ahead, blend, flight, left, load, reach, save, smooth, touch
from pdemill.solvers.walks.philox import Key, philox, uniform
from pdemill.solvers.walks.records import Records
from pdemill.solvers.walks.walk import starts_inside

MORE = 0x80000000
"""Added to the step: the counter of a second set of random words in the same step."""


FLOOR = 6.0
"""Least σ̄ times the square of the domain's width: walkers must be absorbed now and then to see the source."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DeltaRecords(Records):
    """Walks through a medium; weights may be negative or large."""

    largest: Array
    """[P, W]: the largest |W| on the way; where it is in the tens, a few walks carry the estimate."""


def majorant(medium: Medium) -> float:
    """σ̄: the largest |σ'| or the range of σ', whichever is more, and at least what fits a ball in the domain.

    Weights then grow only where σ' < 0, by 1 + |σ'|/σ̄ at most. Variance times the cost of a walk is flat about this
    value: within a fifth from half of it to twice it, at contrasts of 2 to 7.
    """
    high, low = medium.extremes
    return max(high, high - low, FLOOR / float((medium.upper - medium.lower).min()) ** 2)


@compiled(nogil=True)
def _walk(
    shape: Any, table: Any, sigma: float, points: Any, ids: Any, first: int, epsilon: float, max_steps: int,
    k0: Any, k1: Any, stream: Any, like: Any,
    exits: Any, elements: Any, weights: Any, sources: Any, source_weights: Any, counts: Any, largest: Any,
) -> None:  # fmt: skip
    root, inverse = math.sqrt(sigma), 1.0 / sigma
    k0, k1, stream = uint32(k0), uint32(k1), uint32(stream)
    for n in range(exits.shape[0]):
        start, point = load(points, n, like), uint32(ids[n])
        scale = 1.0 / smooth(table.grid, table.root, start)
        for m in range(exits.shape[1]):
            walk = uint32(first + m)
            p, w, most = start, 1.0, 1.0
            kept, total, sign = start, 0.0, 1.0
            step = 0
            radius, hint = reach(shape, p)
            while radius > epsilon and step < max_steps:
                a, b, c, d = philox(uint32(step), walk, point, stream, k0, k1)
                z = root * radius
                x = flight(p, z, uniform(c), uniform(d))
                if x < z:
                    c, d, _, _ = philox(uint32(step | MORE), walk, point, stream, k0, k1)
                    if uniform(c) > left(p, z, x):
                        p = ahead(p, x / root, a, b)
                        value, share = blend(table.grid, table.values, p)
                        share *= abs(w)
                        total += share
                        if uniform(d) * total < share:
                            kept, sign = p, math.copysign(1.0, w)
                        w *= 1.0 - value * inverse
                        most = max(most, abs(w))
                    else:
                        p = ahead(p, radius, a, b)
                else:
                    p = ahead(p, radius, a, b)
                step += 1
                radius, hint = reach(shape, p)
            element = -1
            if radius <= epsilon:
                p, element = touch(shape, hint, p)
                w *= smooth(table.grid, table.root, p)
            save(exits, n, m, p)
            save(sources, n, m, kept)
            elements[n, m], weights[n, m] = element, w * scale
            source_weights[n, m] = sign * total * inverse * scale
            counts[n, m], largest[n, m] = step, most


def delta_walk(
    geometry: Geometry,
    medium: Medium,
    points: ArrayLike,
    ids: ArrayLike,
    first: int,
    walks: int,
    epsilon: float,
    max_steps: int,
    key: Key,
    stream: int,
    sigma: float | None = None,
) -> DeltaRecords:
    """Walks ``first`` to ``first + walks - 1`` from each point, for -∇·(k ∇u) + c u = f with u = g on the boundary.

    Arguments as for ``walk.walk``; sigma: σ̄ > 0 (per squared length), by default ``majorant(medium)``. Every walk is a
    function of (key, stream, id, number of the walk), its point and the options, to the bit.
    """
    if geometry.dimension != medium.dimension:
        raise SolverError(f"the medium has {medium.dimension} dimensions, the domain {geometry.dimension}")
    medium.check_covers(geometry.lower, geometry.lower + geometry.extent)
    starts, _ = starts_inside(geometry, points, epsilon)
    sigma = majorant(medium) if sigma is None else float(sigma)
    d, size = geometry.dimension, (len(starts), walks)
    exits, source = np.empty((*size, d)), np.empty((*size, d))
    weight, source_weight, largest = np.empty(size), np.empty(size), np.empty(size)
    element, steps = np.empty(size, np.int32), np.empty(size, np.int32)
    _walk(
        geometry.shape, medium.table, sigma, starts, np.asarray(ids, np.uint32), first, epsilon, max_steps,
        *key, stream, (0.0,) * d, exits, element, weight, source, source_weight, steps, largest,
    )  # fmt: skip
    return DeltaRecords(exits, element, weight, steps, source, source_weight, largest=largest)
