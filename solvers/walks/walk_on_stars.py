"""Walk on stars: polygons with holes, u or the flux given on each side (Sawhney, Miller, Gkioulekas and Crane
2023, "Walk on stars: a grid-free Monte Carlo method for PDEs with Neumann boundary conditions").

For -Δu + λ u = f with u = g on some sides and ∂u/∂n = h on the others, a walker looks at the part A of a disk that it
can see. The disk reaches to the nearest Dirichlet side, but not beyond a corner where sides with a flux begin to
hide behind each other (a silhouette), so that A is star-shaped. A ray in a uniform direction ends on the circle or on a
side with a flux, and with G the Green's function of the whole disk (equations 5 and 11)

    α u(x) = ∫ over the rays of u(end) + ∫_A G f + ∫ over the sides in A of G h,    α = 1 inside, 1/2 on a side,

so that on a side directions are uniform in the half plane that looks inwards, and what lies on the sides counts twice.
With screening a walker is absorbed on its way: ``green.flight_2d`` draws where, and the share that gets as far as the
end of its ray is what the Green's function asks for.

Errors: statistical, and O(epsilon) from the shell about the Dirichlet sides and from the least radius of disks near
silhouettes, which is epsilon, too.
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
from pdemill.solvers.walks.distance_grid import make_distance_grid
from pdemill.solvers.walks.geometry import reach2, touch2
from pdemill.solvers.walks.green import flight_2d, left_2d, screened_2d, source_2d
from pdemill.solvers.walks.mixed import MixedRecords
from pdemill.solvers.walks.philox import Key, philox, sin_cos, uniform
from pdemill.solvers.walks.shapes.polygon import Edges, Polygon, PolygonShape
from pdemill.solvers.walks.walk import starts_inside

DRAWS = 4
"""Sets of four random words per step, of which the walk uses those it needs."""
NUDGE = 1e-10
"""How far inside a side a walker stands that has hit it, in diameters."""


class StarsShape(NamedTuple):
    edges: Array
    """All edges, as in ``PolygonShape``."""
    held: PolygonShape
    """The Dirichlet sides; numbers of its edges are places in ``held_numbers``."""
    free: PolygonShape
    """The sides with a flux."""
    held_numbers: NDArray[np.int32]
    free_numbers: NDArray[np.int32]
    normals: Array
    """[n, 2]: unit normals of the free edges, outwards."""
    lengths: Array
    """[n]: of the free edges."""
    corners: Array
    """[m, 6]: corners between free edges that turn inwards, with the outward normals of the edges before and after."""
    nudge: float


class MixedPolygon(Polygon):
    """A polygon (see ``Polygon``) whose sides ``fluxes``, by name, have a flux instead of a value.

    Distances are those to the other sides. Refuses a polygon of one kind of sides only.
    """

    def __init__(
        self,
        outline: ArrayLike,
        holes: Sequence[ArrayLike] = (),
        names: Sequence[str] | None = None,
        fluxes: Sequence[str] = (),
        resolution: int = 256,
    ) -> None:
        super().__init__(outline, holes, names, resolution)
        edges = self.shape.edges
        free = np.isin(self.side_of(np.arange(len(edges))), [self.side_number(side) for side in fluxes])
        if free.all():
            raise SolverError("all sides have a flux: walks never end, and u is known up to a constant only")
        if not free.any():
            raise SolverError("no side has a flux: walks on spheres do this faster")
        normals = np.stack([edges[:, 3], -edges[:, 2]], axis=1) * np.sqrt(edges[:, 4:])
        numbers = np.split(np.arange(len(edges)), np.cumsum([len(np.asarray(loop)) for loop in (outline, *holes)])[:-1])
        before = np.concatenate([np.roll(loop, 1) for loop in numbers])
        turn_of = edges[before, 2] * edges[:, 3] - edges[before, 3] * edges[:, 2]
        inward = free & free[before] & (turn_of < 0.0)
        corners = np.concatenate([edges[inward, :2], normals[before[inward]], normals[inward]], axis=1)
        self.shape = StarsShape(
            edges,
            self._part(edges[~free], resolution),
            self._part(edges[free], resolution),
            np.flatnonzero(~free).astype(np.int32),
            np.flatnonzero(free).astype(np.int32),
            normals[free],
            1.0 / np.sqrt(edges[free, 4]),
            corners,
            NUDGE * self.diameter,
        )

    def _part(self, edges: Array, resolution: int) -> PolygonShape:
        edges = np.ascontiguousarray(edges)
        return PolygonShape(edges, make_distance_grid(Edges(edges), len(edges), self.lower, self.extent, resolution))

    def distance(self, points: ArrayLike) -> Array:
        """[n]: distance to the Dirichlet sides, negative outside the polygon, 0 on a side with a flux."""
        signed, x = super().distance(points), self.checked(points)
        corner, step, square = np.split(self.shape.held.edges, (2, 4), axis=1)
        off = x[:, None] - corner
        off -= np.clip((off * step).sum(axis=2) * square[:, 0], 0.0, 1.0)[..., None] * step
        return np.where(signed > 0.0, np.linalg.norm(off, axis=2).min(axis=1), np.minimum(signed, 0.0))


@compiled(nogil=True)
def _view(shape: Any, x: float, y: float) -> Any:
    """The distance to the nearest silhouette corner: one edge is seen from inside, the other is not."""
    least = math.inf
    for i in range(len(shape.corners)):
        a, b = x - shape.corners[i, 0], y - shape.corners[i, 1]
        before = shape.corners[i, 2] * a + shape.corners[i, 3] * b
        after = shape.corners[i, 4] * a + shape.corners[i, 5] * b
        if (before < 0.0) != (after < 0.0):
            least = min(least, a * a + b * b)
    return math.sqrt(least)


@compiled(nogil=True)
def _hit(shape: Any, x: float, y: float, nx: float, ny: float, far: float, skip: int) -> Any:
    """(distance, edge) where a ray leaves the domain through an edge with a flux; (far, -1) if not before ``far``."""
    met = -1
    edges = shape.free.edges
    for i in range(len(edges)):
        leaving = nx * shape.normals[i, 0] + ny * shape.normals[i, 1]
        if leaving <= 0.0 or i == skip:
            continue
        a, b = edges[i, 0] - x, edges[i, 1] - y
        t = (shape.normals[i, 0] * a + shape.normals[i, 1] * b) / leaving
        if -2.0 * shape.nudge <= t < far:
            along = ((t * nx - a) * edges[i, 2] + (t * ny - b) * edges[i, 3]) * edges[i, 4]
            if -1e-12 <= along <= 1.0 + 1e-12:
                far, met = max(t, 0.0), i
    return far, met


@compiled(nogil=True)
def _chord(shape: Any, i: int, x: float, y: float, radius: float) -> Any:
    """(begin, end) of the part of edge i within the disk, as lengths along it; (0, 0) if it is seen from outside."""
    edges = shape.free.edges
    a, b = edges[i, 0] - x, edges[i, 1] - y
    s = shape.normals[i, 0] * a + shape.normals[i, 1] * b
    if s < 0.0 or s >= radius:
        return 0.0, 0.0
    middle = -(a * edges[i, 2] + b * edges[i, 3]) / shape.lengths[i]
    half = math.sqrt(radius * radius - s * s)
    begin, end = max(middle - half, 0.0), min(middle + half, shape.lengths[i])
    return begin, max(begin, end)


@compiled(nogil=True)
def _flux_point(shape: Any, x: float, y: float, radius: float, root: float, a: float) -> Any:
    """(x, y, edge, weight) of a point uniform on the edges with a flux in the disk; weight 0 if it is out of sight."""
    total = 0.0
    for i in range(len(shape.lengths)):
        begin, end = _chord(shape, i, x, y, radius)
        total += end - begin
    left = a * total
    for i in range(len(shape.lengths)):
        begin, end = _chord(shape, i, x, y, radius)
        if end > begin and left < end - begin:
            t = (begin + left) / shape.lengths[i]
            px, py = (
                shape.free.edges[i, 0] + t * shape.free.edges[i, 2],
                shape.free.edges[i, 1] + t * shape.free.edges[i, 3],
            )
            r = math.sqrt((px - x) ** 2 + (py - y) ** 2)
            if not 0.0 < r < radius:
                break
            _, hidden = _hit(shape, x, y, (px - x) / r, (py - y) / r, r * (1.0 - 1e-9), i)
            if hidden >= 0:
                break
            g = math.log(radius / r) / (2.0 * math.pi)
            return px, py, i, total * g * (screened_2d(radius, root, r) if root > 0.0 else 1.0)
        left -= end - begin
    return x, y, -1, 0.0


@compiled(nogil=True)
def _walk(
    shape: Any, points: Any, ids: Any, first: int, epsilon: float, max_steps: int, root: float, flux: bool,
    k0: Any, k1: Any, stream: Any, ends: Any, elements: Any, weights: Any, counts: Any, sources: Any,
    source_weights: Any, fluxes: Any, flux_elements: Any, flux_weights: Any,
) -> None:  # fmt: skip
    k0, k1, stream = uint32(k0), uint32(k1), uint32(stream)
    for p in range(ends.shape[0]):
        for w in range(ends.shape[1]):
            walk, point = uint32(first + w), uint32(ids[p])
            x, y = points[p, 0], points[p, 1]
            sx, sy, fx, fy, through = x, y, x, y, -1
            alive, on, total, inflow, k = 1.0, -1, 0.0, 0.0, 0
            reach, hint = reach2(shape.held, x, y)
            while reach > epsilon and k < max_steps and alive > 0.0:
                a, b, c, d = philox(uint32(DRAWS * k), walk, point, stream, k0, k1)
                ny, nx = sin_cos(a)
                if on >= 0 and nx * shape.normals[on, 0] + ny * shape.normals[on, 1] > 0.0:
                    nx, ny = -nx, -ny
                radius, met = reach, -1
                near = reach2(shape.free, x, y)[0] < radius
                if near:
                    radius = min(reach, max(_view(shape, x, y), epsilon))
                distance = radius
                if near:
                    distance, met = _hit(shape, x, y, nx, ny, radius, on)
                r, size = source_2d(radius, root, uniform(b), uniform(c))
                if r < distance:
                    total += size
                    if uniform(d) * total < size:
                        sx, sy = x + r * nx, y + r * ny
                if flux and near:
                    a, b, _, _ = philox(uint32(DRAWS * k + 1), walk, point, stream, k0, k1)
                    px, py, edge, size = _flux_point(shape, x, y, radius, root, uniform(a))
                    if size > 0.0:
                        size *= 2.0 if on >= 0 else 1.0
                        inflow += size
                        if uniform(b) * inflow < size:
                            fx, fy, through = px, py, edge
                if root > 0.0:
                    a, b, c, _ = philox(uint32(DRAWS * k + 2), walk, point, stream, k0, k1)
                    z = root * radius
                    t = flight_2d(z, uniform(a), uniform(b))
                    if t < z and t < root * distance and uniform(c) > left_2d(z, t):
                        alive = 0.0
                on = met
                x, y, k = x + distance * nx, y + distance * ny, k + 1
                if met >= 0:
                    x -= shape.nudge * shape.normals[met, 0]
                    y -= shape.nudge * shape.normals[met, 1]
                reach, hint = reach2(shape.held, x, y)
            done = reach <= epsilon or alive == 0.0
            x, y, place = touch2(shape.held, hint, x, y)
            ends[p, w, 0], ends[p, w, 1], counts[p, w], weights[p, w] = x, y, k, alive
            elements[p, w] = shape.held_numbers[place] if done else -1
            sources[p, w, 0], sources[p, w, 1], source_weights[p, w] = sx, sy, total
            fluxes[p, w, 0], fluxes[p, w, 1], flux_weights[p, w] = fx, fy, inflow
            flux_elements[p, w] = shape.free_numbers[through] if through >= 0 else -1


def star_walk(
    polygon: MixedPolygon,
    points: ArrayLike,
    ids: ArrayLike,
    first: int,
    walks: int,
    epsilon: float,
    max_steps: int,
    key: Key,
    stream: int,
    screening: float = 0.0,
    flux: bool = True,
) -> MixedRecords:
    """Walks ``first`` to ``first + walks - 1`` from each point, for -Δu + λ u = f with u = g or ∂u/∂n = h on sides.

    Arguments as for ``walk.walk``; flux: whether h is not zero on some side. Screened walks end where they are
    absorbed, with weight 0. For a constant k, f, h and the screening are to be divided by k.
    """
    x, _ = starts_inside(polygon, points, epsilon)
    size = (len(x), walks)
    ends, sources, fluxes = (np.empty((*size, 2)) for _ in range(3))
    weight, source_weight, flux_weight = (np.empty(size) for _ in range(3))
    element, steps, flux_element = (np.empty(size, np.int32) for _ in range(3))
    _walk(
        polygon.shape, x, np.asarray(ids, np.uint32), first, epsilon, max_steps, math.sqrt(screening), flux,
        *key, stream, ends, element, weight, steps, sources, source_weight, fluxes, flux_element, flux_weight,
    )  # fmt: skip
    if not flux:
        return MixedRecords(ends, element, weight, steps, sources, source_weight)
    return MixedRecords(
        ends, element, weight, steps, sources, source_weight,
        flux=fluxes, flux_element=flux_element, flux_weight=flux_weight,
    )  # fmt: skip
