"""Shared delta tracking: many media, one set of walks.

With one σ̄ for all, the paths of delta tracking do not depend on the medium: only the weights do. A path is the nodes
of a table where its walker is absorbed, each one corner of the cell, chosen so that the mean is linear interpolation;
every medium has a lane of its own in the table and carries its own weight along the path. Labels of different media are
then correlated, as those of a walk bank are.

Lanes never touch: what one medium gets is the same to the bit whatever else shares the call.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import uint32
from numpy.typing import ArrayLike, NDArray

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.compiled import compiled
from pdemill.solvers.methods.walk_batch import BATCH
from pdemill.solvers.walks.delta import MORE
from pdemill.solvers.walks.geometry import Geometry
from pdemill.solvers.walks.medium import Medium
from pdemill.solvers.walks.overloads import ahead, flight, left, load, reach, save, scatter, touch
from pdemill.solvers.walks.philox import Key, philox, uniform
from pdemill.solvers.walks.tables import GHOSTS, Raster, Spline, axes_of, sharpen
from pdemill.solvers.walks.walk import starts_inside

type Float32 = NDArray[np.float32]


class Paths(NamedTuple):
    """Paths of P points, W walks of each. Those of point n, walk m meet ``nodes[starts[n, m] : starts[n, m + 1]]``.

    element: -1 if the walk was cut short.
    """

    nodes: NDArray[np.int32]
    starts: NDArray[np.int64]
    exit: Array
    element: NDArray[np.int32]
    steps: NDArray[np.int32]


@compiled(nogil=True)
def _trace(
    shape: Any, grid: Any, sigma: float, points: Any, ids: Any, first: int, epsilon: float, max_steps: int,
    k0: Any, k1: Any, stream: Any, like: Any, nodes: Any, starts: Any, exits: Any, elements: Any, counts: Any,
) -> bool:  # fmt: skip
    """Fill the arrays; False if ``nodes`` is too short."""
    root = math.sqrt(sigma)
    k0, k1, stream = uint32(k0), uint32(k1), uint32(stream)
    used = 0
    for n in range(exits.shape[0]):
        start, point = load(points, n, like), uint32(ids[n])
        starts[n, 0] = used
        for m in range(exits.shape[1]):
            walk = uint32(first + m)
            p, step = start, 0
            radius, hint = reach(shape, p)
            while radius > epsilon and step < max_steps:
                a, b, c, d = philox(uint32(step), walk, point, stream, k0, k1)
                z = root * radius
                x = flight(p, z, uniform(c), uniform(d))
                distance, absorbed = radius, False
                if x < z:
                    c, d, e, f = philox(uint32(step | MORE), walk, point, stream, k0, k1)
                    if uniform(c) > left(p, z, x):
                        distance, absorbed = x / root, True
                p = ahead(p, distance, a, b)
                if absorbed:
                    if used == len(nodes):
                        return False
                    nodes[used] = scatter(grid, p, uniform(d), uniform(e), uniform(f))
                    used += 1
                step += 1
                radius, hint = reach(shape, p)
            element = -1
            if radius <= epsilon:
                p, element = touch(shape, hint, p)
            save(exits, n, m, p)
            elements[n, m], counts[n, m], starts[n, m + 1] = element, step, used
    return True


def trace(
    geometry: Geometry,
    grid: Raster,
    sigma: float,
    points: ArrayLike,
    ids: ArrayLike,
    first: int,
    walks: int,
    epsilon: float,
    max_steps: int,
    key: Key,
    stream: int,
) -> Paths:
    """Paths of walks ``first`` to ``first + walks - 1`` from each point, for the majorant ``sigma`` of all media.

    Arguments as for ``delta.delta_walk``; grid: that of the table, over the domain's bounding box.
    """
    points, _ = starts_inside(geometry, points, epsilon)
    size = (len(points), walks)
    starts = np.zeros((size[0], walks + 1), np.int64)
    ends = np.empty((*size, geometry.dimension)), np.empty(size, np.int32), np.empty(size, np.int32)
    fixed = points, np.asarray(ids, np.uint32), first, epsilon, max_steps, *key, stream, (0.0,) * geometry.dimension
    room = 1024 + 2 * len(points) * walks
    while True:
        nodes = np.empty(room, np.int32)
        if _trace(geometry.shape, grid, sigma, *fixed, nodes, starts, *ends):
            return Paths(nodes[: starts.max(initial=0)], starts, *ends)
        room *= 2


def deposits(grid: Raster, sigma: float, media: Sequence[Medium], sources: Sequence[Spline]) -> Float32:
    """The lanes of M media and their sources f: [nodes, 2, M] with f / (σ̄ √k) and 1 - σ'/σ̄, sharpened."""
    wide = axes_of(grid, GHOSTS)
    table = np.empty((int(np.prod(grid.counts)), 2, len(media)), np.float32)
    for lane, (medium, source) in enumerate(zip(media, sources, strict=True)):
        table[:, 0, lane] = sharpen(source.on(wide) / (sigma * medium.root_on(wide))).ravel()
        table[:, 1, lane] = sharpen(1.0 - medium.sigma(wide) / sigma).ravel()
    return table


class Moments(NamedTuple):
    """Of B batches at P points for M media: [P, B, M] means and sums of squared deviations of the values of √k(x) u,
    and the largest |weight| [P, M]; ``counts`` [P, B] walks that reached the boundary."""

    mean: Array
    m2: Array
    largest: Float32
    counts: NDArray[np.int64]


@compiled(nogil=True)
def _carry(
    nodes: Any, starts: Any, at: Any, table: Any, boundary: Any, batch: int,
    mean: Any, m2: Any, largest: Any, counts: Any,
) -> None:  # fmt: skip
    lanes = table.shape[2]
    w, value = np.empty(lanes, np.float32), np.empty(lanes, np.float32)
    for n in range(at.shape[0]):
        most = largest[n]
        for m in range(at.shape[1]):
            if at[n, m] < 0:
                continue
            w[:] = 1.0
            value[:] = 0.0
            for i in range(starts[n, m], starts[n, m + 1]):
                gain, keep = table[nodes[i], 0], table[nodes[i], 1]
                for k in range(lanes):
                    value[k] += w[k] * gain[k]
                    w[k] *= keep[k]
                    most[k] = max(most[k], abs(w[k]))
            total, square, g = mean[n, m // batch], m2[n, m // batch], boundary[at[n, m]]
            for k in range(lanes):
                v = np.float64(value[k] + w[k] * g[k])
                total[k] += v
                square[k] += v * v
            counts[n, m // batch] += 1
        for b in range(counts.shape[1]):
            walks = max(counts[n, b], 1)
            for k in range(lanes):
                total = mean[n, b, k]
                mean[n, b, k] = total / walks
                m2[n, b, k] = max(m2[n, b, k] - total * total / walks, 0.0)


def carry(paths: Paths, at: NDArray[np.int32], table: Float32, boundary: Float32) -> Moments:
    """Carry the weights of all media along the paths.

    at: [P, W], the row of ``boundary`` for the walk's exit (``bank.Rim.nearest``), negative to leave a walk out.
    table: see ``deposits``. boundary: [B, M], √k g of every medium.
    """
    if table.shape[2] != boundary.shape[1]:
        raise SolverError(f"{table.shape[2]} media have boundary data for {boundary.shape[1]}")
    points, walks, lanes = *at.shape, table.shape[2]
    batches = -(-walks // BATCH)
    mean, m2 = np.zeros((points, batches, lanes)), np.zeros((points, batches, lanes))
    largest, counts = np.ones((points, lanes), np.float32), np.zeros((points, batches), np.int64)
    _carry(paths.nodes, paths.starts, at, table, boundary, BATCH, mean, m2, largest, counts)
    return Moments(mean, m2, largest, counts)
