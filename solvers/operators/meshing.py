"""Triangle meshes of polygons with holes, by Netgen (LGPL)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.errors import SolverError
from pdemill.extras import library
from pdemill.points import Array
from pdemill.spec.domain import Polygon, signed_area


@dataclass(frozen=True, eq=False)
class TriangleMesh:
    """``points`` (n, 2); ``cells`` (t, 3), anticlockwise; ``facets`` (e, 2) on the boundary, with ``sides`` (e,)
    counting into ``side_names``."""

    points: Array
    cells: NDArray[np.int32]
    facets: NDArray[np.int32]
    sides: NDArray[np.int32]
    side_names: tuple[str, ...]
    regions: NDArray[np.int32] | None = None
    """By cell 0, or 1 + the number of the inclusion that it is in; None where there are no inclusions."""

    def __post_init__(self) -> None:
        a, b, c = (self.points[self.cells[:, i]] for i in range(3))
        doubled = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
        if not len(self.cells) or doubled.min() <= 0:
            raise SolverError("the mesher gave a triangle without area: change problem.resolution.h")
        if set(self.sides.tolist()) != set(range(len(self.side_names))):
            raise SolverError("the mesher lost a side of the polygon: change problem.resolution.h")


FAR = 1e4
"""Polygons further from the origin, in their own sizes, are meshed about a corner: the mesher loses them elsewhere."""


type Corners = tuple[tuple[float, float], ...]


def triangulate(
    domain: Polygon, h: float, inclusions: tuple[Corners, ...] = (), joined: tuple[tuple[str, str], ...] = ()
) -> TriangleMesh:  # fmt: skip
    """A mesh of the polygon with edges of length about h; the same mesh every time. No cell crosses the edges of
    ``inclusions``, polygons within it that do not meet. ``joined``: pairs of parallel sides, each one edge of the
    outline, that are cut into edges alike."""
    geom2d = library("netgen.geom2d", "mesh", "a mesh of problem.domain")  # late: loading it takes a while
    from netgen.meshing import NgException

    names = domain.side_names()
    geometry = geom2d.SplineGeometry()
    origin = _origin(domain)
    loops = [(domain.outline, domain.edge_names(), 1)]
    loops += [(hole, (f"hole{j}",) * len(hole), -1) for j, hole in enumerate(domain.holes)]
    like, cut = {other: one for pair in joined for one, other in (pair, pair[::-1])}, dict[str, int]()
    for loop, sides, turn in loops:
        corners = [geometry.AppendPoint(x - origin[0], y - origin[1]) for x, y in loop]
        inside_left = signed_area(loop) * turn > 0
        for i, side in enumerate(sides):
            ends, first = (corners[i], corners[(i + 1) % len(corners)]), cut.get(like.get(side, ""))
            left, right = (1, 0) if inside_left else (0, 1)
            if first is not None:  # the opposite edge, in its direction
                ends, left, right = ends[::-1], right, left
            edge: list[Any] = ["line", *ends]
            copied = {} if first is None else {"copy": first}
            cut[side] = geometry.Append(edge, leftdomain=left, rightdomain=right, bc=1 + names.index(side), **copied)
    for number, loop in enumerate(inclusions):
        corners = [geometry.AppendPoint(x - origin[0], y - origin[1]) for x, y in loop]
        left, right = (number + 2, 1) if signed_area(loop) > 0 else (1, number + 2)
        for i in range(len(corners)):
            line: list[Any] = ["line", corners[i], corners[(i + 1) % len(corners)]]
            geometry.Append(line, leftdomain=left, rightdomain=right, bc=1 + len(names))
    try:
        mesh = geometry.GenerateMesh(maxh=h)
    except NgException as fault:
        raise SolverError(f"the mesher failed ({fault}): change problem.resolution.h, or the polygon") from None
    points = np.array([point.p for point in mesh.Points()])[:, :2]
    cells = np.array([[v.nr - 1 for v in cell.vertices] for cell in mesh.Elements2D()], dtype=np.int32)
    side_of_edge = [names.index(side) for _, sides, _ in loops for side in sides]
    edges = [edge for edge in mesh.Elements1D() if edge.index <= len(side_of_edge)]  # the others are of inclusions
    facets = np.array([[v.nr - 1 for v in edge.vertices] for edge in edges], dtype=np.int32)
    sides_of = np.array([side_of_edge[edge.index - 1] for edge in edges], dtype=np.int32)
    regions = np.array([cell.index - 1 for cell in mesh.Elements2D()], dtype=np.int32) if inclusions else None
    points = points + origin if any(origin) else np.ascontiguousarray(points)
    return TriangleMesh(points, cells, facets, sides_of, names, regions)


def _origin(domain: Polygon) -> tuple[float, float]:
    """Where the mesher is told that the origin is: a corner of a polygon that is far from it."""
    lower, extent = domain.bounding_box()
    far = max(map(abs, lower)) > FAR * max(extent)
    return domain.outline[0] if far else (0.0, 0.0)
