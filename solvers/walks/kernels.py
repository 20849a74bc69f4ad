"""The walks themselves, compiled: one kernel for the plane, one for space, one for any dimension.

At x with distance R to the boundary, u(x) is the mean of u over the sphere of radius R, plus the ball's Green's
function against f: a uniform point of the sphere is the next x, and a point of the ball in the same direction, with
the density of the unscreened Green's function, is a source point of weight R²/2d. (That both share their direction
changes no expectation.) The walk stops within epsilon of the boundary (Muller 1956; Sawhney and Crane 2020).
Out of all source points, one is kept by weighted reservoir sampling (Chao 1982).

Arguments: ``points`` [P, d], ``ids`` [P] and ``stream`` count for the random numbers, walks ``first`` to
``first + walks`` are made; ``root`` is √λ. ``net`` [BATCH, dims] and ``shifts`` [P, blocks, dims] are Sobol points and
their random digits, or empty; walk w belongs to block w // BATCH. Outputs are [P, W, ...]; ``weight`` and
``direction`` may be empty, ``source`` None (a kernel of its own is compiled without it). With ``direction``, what the
first step contributes is left out.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import uint32

from pdemill.solvers.compiled import compiled
from pdemill.solvers.methods.walk_batch import BATCH
from pdemill.solvers.walks.geometry import reach, reach2, reach3, touch, touch2, touch3
from pdemill.solvers.walks.green import source_2d, source_3d, throughput_2d, throughput_3d
from pdemill.solvers.walks.philox import FAST, philox, sin_cos, uniform
from pdemill.solvers.walks.screening import remaining, throughput


@compiled(nogil=True, fastmath=FAST)
def walk2(
    shape: Any, points: Any, ids: Any, first: int, walks: int, epsilon: float, max_steps: int, root: float,
    k0: Any, k1: Any, stream: Any, net: Any, shifts: Any,
    ends: Any, element: Any, steps: Any, weight: Any, source: Any, source_weight: Any, direction: Any,
) -> None:  # fmt: skip
    quasi = net.shape[1]
    for p in range(len(points)):
        x0, y0, point = points[p, 0], points[p, 1], ids[p]
        radius0, hint0 = reach2(shape, x0, y0)
        for w in range(walks):
            number = uint32(first + w)
            row, block = (first + w) % BATCH, (first + w) // BATCH - first // BATCH
            x, y, sx, sy, radius, hint = x0, y0, x0, y0, radius0, hint0
            passed, total, k = 1.0, 0.0, 0
            a = b = c = d = uint32(0)
            while radius > epsilon and k < max_steps:
                if source is None:
                    if k & 3 == 0:
                        a, b, c, d = philox(uint32(k >> 2), number, point, stream, k0, k1)
                    else:
                        a, b, c = b, c, d
                else:
                    a, b, c, d = philox(uint32(k), number, point, stream, k0, k1)
                if k < quasi:
                    a = net[row, k] ^ shifts[p, block, k]
                sine, cosine = sin_cos(a)
                if k == 0 and len(direction) > 0:
                    direction[p, w, 0], direction[p, w, 1] = cosine, sine
                else:
                    if source is not None:
                        if root > 0.0:
                            r, size = source_2d(radius, root, uniform(b), uniform(c))
                            size *= passed
                        else:
                            r, size = radius * math.sqrt(uniform(b) * uniform(c)), 0.25 * radius * radius
                        total += size
                        if uniform(d) * total < size:
                            sx, sy = x + r * cosine, y + r * sine
                    if root > 0.0:
                        passed *= throughput_2d(root * radius)
                x, y, k = x + radius * cosine, y + radius * sine, k + 1
                radius, hint = reach2(shape, x, y)
            x, y, met = touch2(shape, hint, x, y)
            ends[p, w, 0], ends[p, w, 1], steps[p, w] = x, y, k
            element[p, w] = met if radius <= epsilon else -1
            if len(weight) > 0:
                weight[p, w] = passed
            if source is not None:
                source[p, w, 0], source[p, w, 1], source_weight[p, w] = sx, sy, total


@compiled(nogil=True, fastmath=FAST)
def walk3(
    shape: Any, points: Any, ids: Any, first: int, walks: int, epsilon: float, max_steps: int, root: float,
    k0: Any, k1: Any, stream: Any, net: Any, shifts: Any,
    ends: Any, element: Any, steps: Any, weight: Any, source: Any, source_weight: Any, direction: Any,
) -> None:  # fmt: skip
    quasi = net.shape[1] // 2
    for p in range(len(points)):
        x0, y0, z0, point = points[p, 0], points[p, 1], points[p, 2], ids[p]
        radius0, hint0 = reach3(shape, x0, y0, z0)
        for w in range(walks):
            number = uint32(first + w)
            row, block = (first + w) % BATCH, (first + w) // BATCH - first // BATCH
            x, y, z, radius, hint = x0, y0, z0, radius0, hint0
            sx, sy, sz = x0, y0, z0
            passed, total, k = 1.0, 0.0, 0
            a = b = c = d = uint32(0)
            while radius > epsilon and k < max_steps:
                if source is None:
                    if k & 1 == 0:
                        a, b, c, d = philox(uint32(k >> 1), number, point, stream, k0, k1)
                    else:
                        a, b = c, d
                else:
                    a, b, c, d = philox(uint32(2 * k), number, point, stream, k0, k1)
                if k < quasi:
                    a = net[row, 2 * k] ^ shifts[p, block, 2 * k]
                    b = net[row, 2 * k + 1] ^ shifts[p, block, 2 * k + 1]
                sine, cosine = sin_cos(a)
                height = 2.0 * uniform(b) - 1.0
                ring = math.sqrt(1.0 - height * height)
                nx, ny = ring * cosine, ring * sine
                if k == 0 and len(direction) > 0:
                    direction[p, w, 0], direction[p, w, 1], direction[p, w, 2] = nx, ny, height
                else:
                    if source is not None:
                        if root > 0.0:
                            more, _, _, _ = philox(uint32(2 * k + 1), number, point, stream, k0, k1)
                            r, size = source_3d(radius, root, uniform(c), uniform(more))
                            size *= passed
                        else:
                            # r/R is Beta(2, 2), whose distribution function 3t² - 2t³ has this inverse.
                            r = radius * (0.5 - math.sin(math.asin(1.0 - 2.0 * uniform(c)) / 3.0))
                            size = radius * radius / 6.0
                        total += size
                        if uniform(d) * total < size:
                            sx, sy, sz = x + r * nx, y + r * ny, z + r * height
                    if root > 0.0:
                        passed *= throughput_3d(root * radius)
                x, y, z, k = x + radius * nx, y + radius * ny, z + radius * height, k + 1
                radius, hint = reach3(shape, x, y, z)
            x, y, z, met = touch3(shape, hint, x, y, z)
            ends[p, w, 0], ends[p, w, 1], ends[p, w, 2], steps[p, w] = x, y, z, k
            element[p, w] = met if radius <= epsilon else -1
            if len(weight) > 0:
                weight[p, w] = passed
            if source is not None:
                source[p, w, 0], source[p, w, 1], source[p, w, 2], source_weight[p, w] = sx, sy, sz, total


@compiled(nogil=True, fastmath=FAST)
def walk_any(
    shape: Any, points: Any, ids: Any, first: int, walks: int, epsilon: float, max_steps: int, root: float,
    k0: Any, k1: Any, stream: Any, net: Any, shifts: Any,
    ends: Any, element: Any, steps: Any, weight: Any, source: Any, source_weight: Any, direction: Any,
) -> None:  # fmt: skip
    dimension = points.shape[1]
    blocks = (dimension + 3) // 4
    draws = blocks if source is None else blocks + 1
    x, n = np.empty(dimension), np.empty(4 * blocks)
    for p in range(len(points)):
        for w in range(walks):
            number, point = uint32(first + w), ids[p]
            passed, total, k = 1.0, 0.0, 0
            for i in range(dimension):
                x[i] = points[p, i]
                if source is not None:
                    source[p, w, i] = x[i]
            radius, hint = reach(shape, x)
            while radius > epsilon and k < max_steps:
                square = 0.0
                for q in range(blocks):
                    a, b, c, d = philox(uint32(draws * k + q), number, point, stream, k0, k1)
                    s, t = sin_cos(b)
                    length = math.sqrt(-2.0 * math.log(uniform(a)))
                    n[4 * q], n[4 * q + 1] = length * t, length * s
                    s, t = sin_cos(d)
                    length = math.sqrt(-2.0 * math.log(uniform(c)))
                    n[4 * q + 2], n[4 * q + 3] = length * t, length * s
                for i in range(dimension):
                    square += n[i] * n[i]
                scale = 1.0 / math.sqrt(square)
                if k == 0 and len(direction) > 0:
                    for i in range(dimension):
                        direction[p, w, i] = scale * n[i]
                else:
                    if source is not None:
                        a, b, c, d = philox(uint32(draws * k + blocks), number, point, stream, k0, k1)
                        t = math.sqrt(uniform(a)) * uniform(b) ** (1.0 / dimension)
                        size = passed * radius * radius / (2.0 * dimension)
                        if root > 0.0:
                            size *= remaining(dimension, root * radius, t) / (1.0 - t ** (dimension - 2))
                        total += size
                        if uniform(c) * total < size:
                            for i in range(dimension):
                                source[p, w, i] = x[i] + t * radius * scale * n[i]
                    if root > 0.0:
                        passed *= throughput(dimension, root * radius)
                for i in range(dimension):
                    x[i] += radius * scale * n[i]
                k += 1
                radius, hint = reach(shape, x)
            met = touch(shape, hint, x)
            for i in range(dimension):
                ends[p, w, i] = x[i]
            steps[p, w] = k
            element[p, w] = met if radius <= epsilon else -1
            if len(weight) > 0:
                weight[p, w] = passed
            if source is not None:
                source_weight[p, w] = total


@compiled(nogil=True, fastmath=FAST)
def radii2(shape: Any, points: Any, out: Any) -> None:
    """The radius of the first sphere about each point; safe, not the largest, where the shape has a grid."""
    for p in range(len(points)):
        out[p] = reach2(shape, points[p, 0], points[p, 1])[0]


@compiled(nogil=True, fastmath=FAST)
def radii3(shape: Any, points: Any, out: Any) -> None:
    """``radii2`` in space."""
    for p in range(len(points)):
        out[p] = reach3(shape, points[p, 0], points[p, 1], points[p, 2])[0]


@compiled(nogil=True, fastmath=FAST)
def radii_any(shape: Any, points: Any, out: Any) -> None:
    """``radii2`` in any dimension."""
    for p in range(len(points)):
        out[p] = reach(shape, points[p])[0]
