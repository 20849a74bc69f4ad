"""The base of families on triangle meshes."""

from __future__ import annotations

from collections.abc import Mapping
from math import dist
from typing import TYPE_CHECKING, Annotated, Any, Literal

from numpy.typing import NDArray
from pydantic import BeforeValidator

from pdemill.spec.boundary import Periodic
from pdemill.spec.domain import Polygon, choose_domain, signed_area
from pdemill.spec.model import Model, Positive, refuse
from pdemill.spec.problem import Problem
from solvers.families.grid import MAX_UNKNOWNS
from solvers.operators.meshing import TriangleMesh, triangulate

if TYPE_CHECKING:
    from solvers.operators.triangles import TriangleElements

NODES_PER_AREA = 1.15
"""Vertices of a mesh with edges of length h, times h^2 / area; measured on the mesher's output."""


class MeshSize(Model):
    """``h``: the longest edge that the mesher aims at, in length units."""

    h: Positive


class MeshProblem(Problem):
    """A problem on a polygon with holes, in P1 or P2 elements on a triangle mesh made once per job."""

    resolution: MeshSize
    domain: Annotated[Polygon, BeforeValidator(lambda value: choose_domain(value, Polygon))]
    order: Literal[1, 2] = 1

    @property
    def dimension(self) -> int:
        return 2

    @property
    def sides(self) -> tuple[str, ...]:
        return self.domain.side_names()

    @property
    def unknowns(self) -> int:
        nodes = NODES_PER_AREA * self.order**2 * self.volume / self.resolution.h / self.resolution.h
        return int(min(nodes, 1e18)) + len(self.domain.outline)

    @property
    def structured(self) -> bool:
        return False

    @property
    def volume(self) -> float:
        return abs(signed_area(self.domain.outline)) - sum(abs(signed_area(hole)) for hole in self.domain.holes)

    def measure(self, side: str) -> float:
        loops = [(self.domain.outline, self.domain.edge_names())]
        loops += [(hole, (f"hole{j}",) * len(hole)) for j, hole in enumerate(self.domain.holes)]
        return sum(
            dist(a, b)
            for loop, names in loops
            for a, b, name in zip(loop, loop[1:] + loop[:1], names, strict=True)
            if name == side
        )

    def discretise(self, stored: Mapping[str, NDArray[Any]] | None = None) -> TriangleElements:
        from solvers.operators.triangles import TriangleElements  # late: only mesh families load scikit-fem

        if stored is None:
            mesh = triangulate(self.domain, self.resolution.h)
        else:
            cells = stored["cells"][:, :3]
            vertices = stored["points"][: cells.max() + 1]
            mesh = TriangleMesh(vertices, cells, stored["facets"], stored["facet_sides"], self.sides)
        return TriangleElements(mesh, self.order, self.conditions, self.properties)

    def check_domain(self) -> None:
        if self.unknowns > MAX_UNKNOWNS:
            raise refuse(
                ("resolution", "h"),
                f"gives about {self.unknowns:,} unknowns, more than {MAX_UNKNOWNS:,}",
                self.resolution.h,
            )
        _, (width, height) = self.domain.bounding_box()
        if self.resolution.h > min(width, height):
            raise refuse(("resolution", "h"), f"is larger than the domain ({width:g} x {height:g})", self.resolution.h)
        for side, condition in self.boundary.root.items():
            if isinstance(condition, Periodic):
                raise refuse(
                    ("boundary", side), "a polygon has no opposite sides: periodic is possible on boxes only", side
                )
