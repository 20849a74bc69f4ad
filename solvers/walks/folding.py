"""Boxes with a given flux on some faces: those faces are mirrors.

u continues across such a face by reflection, so that walks pass through it, and balls reach to the nearest face where
u is fixed. A walker's coordinates unfold the box: they leave it, and are folded back to see where it is. That is exact,
with screening as without. A flux h = ∂u/∂n that is not zero gives the continued u a kink: its normal derivative jumps
by -2h, which acts as a source 2h on every image of the face,

    u(x) = ... + ∫ over the images in the ball of G 2h.

The plane at distance s from the centre of a ball of radius R has the mass m = ∫ G = E[(R n₁ - s)₊] over unit vectors n
(Dynkin's formula for (y₁ - s)₊), which is (√(R² - s²) - s acos(s/R)) / π in the plane, (R - s)² / 4R in space. One
point is drawn from it: in space at the distance R - (R - s)√U from the centre, which is exact; in the plane G is a
mixture of uniform densities on chords, of which one is drawn with half its length b uniform up to a = √(R² - s²), and
the weight a b² / (b² + s²) / π.
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
from pdemill.solvers.walks.geometry import implements, reach, reach2, reach3, touch, touch2, touch3
from pdemill.solvers.walks.green import screened_2d, screened_3d, source_2d, source_3d, throughput_2d, throughput_3d
from pdemill.solvers.walks.mixed import MixedRecords
from pdemill.solvers.walks.philox import Key, philox, sin_cos, uniform
from pdemill.solvers.walks.shapes.box import Box
from pdemill.solvers.walks.walk import starts_inside, walk

DRAWS = 3
"""Sets of four random words per step."""


class FoldedShape(NamedTuple):
    lower: Array
    upper: Array
    mirror: NDArray[np.bool_]
    """[2 d]: whether face 2 i (low) or 2 i + 1 (high) of axis i is a mirror."""


class FoldedBox(Box):
    """The box lower < x < lower + extent, whose faces ``mirrors`` (names of sides) have a flux instead of a value.

    Distances are those to the other faces. Refuses a box of mirrors only, in which u is known up to a constant.
    """

    convex = False

    def __init__(self, lower: ArrayLike, extent: ArrayLike, mirrors: Sequence[str]) -> None:
        super().__init__(lower, extent)
        faces = np.zeros(2 * self.dimension, np.bool_)
        faces[[self.side_number(side) for side in mirrors]] = True
        if faces.all():
            raise SolverError("all faces of the box have a flux: walks never end, and u is known up to a constant only")
        self.shape = FoldedShape(self.lower, self.lower + self.extent, faces)

    def distance(self, points: ArrayLike) -> Array:
        x = self.checked(points)
        room = np.stack([x - self.lower, self.shape.upper - x], axis=2).reshape(len(x), -1)
        outside = np.linalg.norm(np.minimum(room, 0.0), axis=1)
        return np.where(outside > 0.0, -outside, room[:, ~self.shape.mirror].min(axis=1))

    def fold(self, points: Array) -> Array:
        """Where unfolded points [..., d] are in the box."""
        folded = points.copy()
        _fold_all(self.shape, folded.reshape(-1, self.dimension))
        return folded


@compiled(nogil=True)
def _fold(box: Any, axis: int, x: float) -> Any:
    """Where an unfolded coordinate is in the box."""
    low, high = box.lower[axis], box.upper[axis]
    if box.mirror[2 * axis] and box.mirror[2 * axis + 1]:
        t = (x - low) % (2.0 * (high - low))
        return low + min(t, 2.0 * (high - low) - t)
    if box.mirror[2 * axis]:
        return low + abs(x - low)
    return high - abs(high - x) if box.mirror[2 * axis + 1] else x


@compiled(nogil=True)
def _fold_all(box: Any, points: Any) -> None:
    for n in range(points.shape[0]):
        for axis in range(points.shape[1]):
            points[n, axis] = _fold(box, axis, points[n, axis])


@compiled(nogil=True)
def _room(box: Any, axis: int, x: float) -> Any:
    """(distance to the nearest face of the axis where u is fixed, that face) of a folded coordinate."""
    low = math.inf if box.mirror[2 * axis] else x - box.lower[axis]
    high = math.inf if box.mirror[2 * axis + 1] else box.upper[axis] - x
    return (low, 2 * axis) if low < high else (high, 2 * axis + 1)


@implements(reach, FoldedShape)
def _reach(box: Any, x: Any) -> Any:
    radius = math.inf
    for i in range(len(x)):
        radius = min(radius, _room(box, i, _fold(box, i, x[i]))[0])
    return radius, 0


@implements(touch, FoldedShape)
def _touch(box: Any, hint: Any, x: Any) -> Any:
    best, met = math.inf, 0
    for i in range(len(x)):
        x[i] = _fold(box, i, x[i])
        room, face = _room(box, i, x[i])
        if room < best:
            best, met = room, face
    x[met // 2] = box.upper[met // 2] if met % 2 else box.lower[met // 2]
    return met


@implements(reach2, FoldedShape)
def _reach2(box: Any, x: Any, y: Any) -> Any:
    return reach(box, (x, y))


@implements(reach3, FoldedShape)
def _reach3(box: Any, x: Any, y: Any, z: Any) -> Any:
    return reach(box, (x, y, z))


@implements(touch2, FoldedShape)
def _touch2(box: Any, hint: Any, x: Any, y: Any) -> Any:
    p = np.array((x, y))
    element = touch(box, hint, p)
    return p[0], p[1], element


@implements(touch3, FoldedShape)
def _touch3(box: Any, hint: Any, x: Any, y: Any, z: Any) -> Any:
    p = np.array((x, y, z))
    element = touch(box, hint, p)
    return p[0], p[1], p[2], element


@compiled(nogil=True)
def plane_mass(dimension: int, radius: float, s: float) -> Any:
    """∫ G over the plane at distance s < radius from the centre, in two or three dimensions, without screening."""
    if dimension == 3:
        return 0.25 * (radius - s) * (radius - s) / radius
    return (math.sqrt(radius * radius - s * s) - s * math.acos(s / radius)) / math.pi


@compiled(nogil=True)
def _images(box: Any, axis: int, x: float, radius: float) -> Any:
    """Numbers (first, last) of the mirrors of an axis within the radius: number i is at low + i (high - low)."""
    low, length = box.lower[axis], box.upper[axis] - box.lower[axis]
    first = math.floor((x - radius - low) / length) + 1
    last = math.ceil((x + radius - low) / length) - 1
    if not box.mirror[2 * axis]:
        first = max(first, 1)
    if not box.mirror[2 * axis + 1]:
        last = min(last, 0)
    return (first, last) if box.mirror[2 * axis] or box.mirror[2 * axis + 1] else (0, -1)


@compiled(nogil=True)
def _mirror_point(box: Any, x: Any, radius: float, a: float, b: float, c: float, y: Any) -> Any:
    """Put a point of the mirrors in the ball into y; (its face, its weight, its distance from x)."""
    total = 0.0
    for axis in range(len(x)):
        first, last = _images(box, axis, x[axis], radius)
        for i in range(first, last + 1):
            place = box.lower[axis] + i * (box.upper[axis] - box.lower[axis])
            total += plane_mass(len(x), radius, min(abs(place - x[axis]), radius))
    if total <= 0.0:
        return -1, 0.0, radius
    left, met, mass, at = a * total, -1, 0.0, 0.0
    for axis in range(len(x)):
        first, last = _images(box, axis, x[axis], radius)
        for i in range(first, last + 1):
            place = box.lower[axis] + i * (box.upper[axis] - box.lower[axis])
            m = plane_mass(len(x), radius, min(abs(place - x[axis]), radius))
            if m > 0.0 and left >= 0.0:
                met, mass, at = 2 * axis + i % 2, m, place
            left -= m
    axis = met // 2
    s = abs(at - x[axis])
    y[axis] = at
    if len(x) == 3:
        r = radius - (radius - s) * math.sqrt(b)
        sine, cosine = math.sin(2.0 * math.pi * c), math.cos(2.0 * math.pi * c)
        t = math.sqrt(max(r * r - s * s, 0.0))
        y[(axis + 1) % 3], y[(axis + 2) % 3] = x[(axis + 1) % 3] + t * cosine, x[(axis + 2) % 3] + t * sine
        return met, total, r
    half = math.sqrt(radius * radius - s * s)
    chord = half * b
    t = chord * (2.0 * c - 1.0)
    y[1 - axis] = x[1 - axis] + t
    weight = half * chord * chord / (chord * chord + s * s) / math.pi
    return met, weight * total / mass, math.sqrt(s * s + t * t)


@compiled(nogil=True)
def _walk(
    box: Any, points: Any, ids: Any, first: int, epsilon: float, max_steps: int, root: float, k0: Any, k1: Any,
    stream: Any, ends: Any, elements: Any, weights: Any, counts: Any, sources: Any, source_weights: Any,
    fluxes: Any, flux_elements: Any, flux_weights: Any,
) -> None:  # fmt: skip
    d = points.shape[1]
    x, y, n = np.empty(d), np.empty(d), np.empty(3)
    for p in range(ends.shape[0]):
        for w in range(ends.shape[1]):
            number, point = uint32(first + w), uint32(ids[p])
            x[:] = points[p]
            sources[p, w], fluxes[p, w], flux_elements[p, w] = x, x, -1
            passed, total, inflow, k = 1.0, 0.0, 0.0, 0
            radius, hint = reach(box, x)
            while radius > epsilon and k < max_steps:
                a, b, c, e = philox(uint32(DRAWS * k), number, point, uint32(stream), uint32(k0), uint32(k1))
                n[1], n[0] = sin_cos(a)
                if d == 3:
                    n[2] = 2.0 * uniform(b) - 1.0
                    n[:2] *= math.sqrt(1.0 - n[2] * n[2])
                f, _, _, _ = philox(uint32(DRAWS * k + 1), number, point, uint32(stream), uint32(k0), uint32(k1))
                c, e = uniform(c), uniform(e)
                r, size = source_2d(radius, root, c, e) if d == 2 else source_3d(radius, root, c, e)
                size *= passed
                total += size
                if uniform(f) * total < size:
                    for i in range(d):
                        sources[p, w, i] = x[i] + r * n[i]
                a, b, c, e = philox(uint32(DRAWS * k + 2), number, point, uint32(stream), uint32(k0), uint32(k1))
                met, size, r = _mirror_point(box, x, radius, uniform(a), uniform(b), uniform(c), y)
                if met >= 0:
                    size *= 2.0 * passed
                    if root > 0.0:
                        size *= screened_2d(radius, root, r) if d == 2 else screened_3d(radius, root, r)
                    inflow += size
                    if uniform(e) * inflow < size:
                        fluxes[p, w], flux_elements[p, w] = y, met
                if root > 0.0:
                    passed *= throughput_2d(root * radius) if d == 2 else throughput_3d(root * radius)
                for i in range(d):
                    x[i] += radius * n[i]
                k += 1
                radius, hint = reach(box, x)
            met = touch(box, hint, x)
            ends[p, w], counts[p, w], weights[p, w] = x, k, passed
            elements[p, w] = met if radius <= epsilon else -1
            source_weights[p, w], flux_weights[p, w] = total, inflow


def folded_walk(
    box: FoldedBox,
    points: ArrayLike,
    ids: ArrayLike,
    first: int,
    walks: int,
    epsilon: float,
    max_steps: int,
    key: Key,
    stream: int,
    screening: float = 0.0,
    source: bool = False,
    flux: bool = False,
) -> MixedRecords:
    """Walks ``first`` to ``first + walks - 1`` from each point, for -Δu + λ u = f with u = g or ∂u/∂n = h on faces.

    Arguments as for ``walk.walk``. flux: whether h is not zero on some face (two and three dimensions only); such
    walks have sources, too. For a constant k, f and h are to be divided by k.
    """
    if not flux:
        plain = walk(box, points, ids, first, walks, epsilon, max_steps, key, stream, screening, source)
        found = None if plain.source is None else box.fold(plain.source)
        return MixedRecords(plain.exit, plain.element, plain.weight, plain.steps, found, plain.source_weight)
    if box.dimension > 3:
        raise SolverError("a flux that is not zero needs a box of two or three dimensions")
    x, _ = starts_inside(box, points, epsilon)
    size, d = (len(x), walks), box.dimension
    ends, sources, fluxes = (np.empty((*size, d)) for _ in range(3))
    weight, source_weight, flux_weight = (np.empty(size) for _ in range(3))
    element, steps, flux_element = (np.empty(size, np.int32) for _ in range(3))
    _walk(
        box.shape, x, np.asarray(ids, np.uint32), first, epsilon, max_steps, math.sqrt(screening), *key, stream,
        ends, element, weight, steps, sources, source_weight, fluxes, flux_element, flux_weight,
    )  # fmt: skip
    return MixedRecords(
        ends, element, weight, steps, box.fold(sources), source_weight,
        flux=box.fold(fluxes), flux_element=flux_element, flux_weight=flux_weight,
    )  # fmt: skip
