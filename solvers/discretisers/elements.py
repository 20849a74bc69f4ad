"""Triangle meshes of plane domains: finite elements, one unknown per node."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from math import dist, sqrt
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from numpy.typing import NDArray
from pydantic import BeforeValidator

from pdemill.solvers.discretisers.box import MAX_UNKNOWNS, asks_for_mesh
from pdemill.solvers.discretisers.whole_fields import WholeFields
from pdemill.solvers.operators.meshing import TriangleMesh, triangulate
from pdemill.solvers.place import WholeFieldPlace
from pdemill.spec.discretiser import Takes
from pdemill.spec.domain import Box, Polygon, choose_domain, signed_area
from pdemill.spec.model import Model, Positive, refusal, refuse
from pdemill.spec.problem import Problem

if TYPE_CHECKING:
    from pdemill.solvers.operators.triangles import TriangleElements

PREVIEW_NODES = 4000
NODES_PER_AREA = 1.15
"""Vertices of a mesh with edges of length h, times h^2 / area; measured on the mesher's output."""


class MeshSize(Model):
    """``h``: the longest edge that the mesher aims at, in length units."""

    h: Positive


def _mesh_size(value: Any) -> Any:
    if not isinstance(value, Mapping | MeshSize):
        raise refusal("should be {h: 0.05}, the longest edge of the triangles that this domain is cut into")
    return value


def _mesh_domain(value: Any) -> Any:
    return choose_domain(value, Box, Polygon)


class MeshPlace(WholeFieldPlace):
    """A polygon with holes, or a box of two axes, in P1 or P2 elements on a triangle mesh made once per job."""

    resolution: Annotated[MeshSize, BeforeValidator(_mesh_size)]
    domain: Annotated[Polygon | Box, BeforeValidator(_mesh_domain)] = Box()
    order: Literal[1, 2] = 1

    @property
    def dimension(self) -> int:
        return 2

    @cached_property
    def polygon(self) -> Polygon:
        """The domain as a polygon; the sides of a box keep their names."""
        if isinstance(self.domain, Polygon):
            return self.domain
        width, height = self.domain.sizes(2).values()
        outline = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
        return Polygon(outline=outline, sides=("bottom", "right", "top", "left"))

    @property
    def walkable(self) -> Polygon:
        return self.polygon

    @property
    def sides(self) -> tuple[str, ...]:
        return self.polygon.side_names()

    @property
    def size(self) -> int:
        nodes = NODES_PER_AREA * self.order**2 * self.volume / self.resolution.h / self.resolution.h
        return len(self.channels) * (int(min(nodes, 1e18)) + len(self.polygon.outline))

    @property
    def volume(self) -> float:
        return abs(signed_area(self.polygon.outline)) - sum(abs(signed_area(hole)) for hole in self.polygon.holes)

    def measure(self, side: str) -> float:
        loops = [(self.polygon.outline, self.polygon.edge_names())]
        loops += [(hole, (f"hole{j}",) * len(hole)) for j, hole in enumerate(self.polygon.holes)]
        return sum(
            dist(a, b)
            for loop, names in loops
            for a, b, name in zip(loop, loop[1:] + loop[:1], names, strict=True)
            if name == side
        )

    def resolved(self) -> dict[str, Any]:
        if isinstance(self.domain, Polygon):
            return super().resolved()
        sizes = self.domain.sizes(self.dimension)
        return super().resolved() | {"domain": {"shape": "box", "lengths": list(sizes.values())}}

    def discretise(self, stored: Mapping[str, NDArray[Any]] | None = None) -> TriangleElements:
        from pdemill.solvers.operators.triangles import TriangleElements  # late: only meshes need scikit-fem

        if stored is None:
            mesh = triangulate(self.polygon, self.resolution.h)
        else:
            cells = stored["cells"][:, :3]
            vertices = stored["points"][: cells.max() + 1]
            mesh = TriangleMesh(vertices, cells, stored["facets"], stored["facet_sides"], self.sides)
        wide = any(term not in ("diffusion", "source") or len(parts) > 1 for term, parts, _ in self.asked())
        return TriangleElements(mesh, self.order, self.conditions, self.properties, self.singular, wide)

    def check_domain(self) -> None:
        if isinstance(self.domain, Box) and len(self.domain.lengths or (1.0, 1.0)) != 2:
            raise refuse(("domain", "lengths"), "needs two entries: elements are triangles", self.domain.lengths)
        if self.size > MAX_UNKNOWNS:
            raise refuse(
                ("resolution", "h"),
                f"gives about {self.size:,} unknowns, more than {MAX_UNKNOWNS:,}",
                self.resolution.h,
            )
        _, (width, height) = self.polygon.bounding_box()
        if self.resolution.h > min(width, height):
            raise refuse(("resolution", "h"), f"is larger than the domain ({width:g} x {height:g})", self.resolution.h)


class Elements(WholeFields):
    """P1 and P2 elements on triangle meshes; see ``pdemill.solvers.operators.triangles``."""

    name: ClassVar[str] = "elements"
    where: ClassVar[str] = "on triangle meshes"
    suffix: ClassVar[str] = "OnMesh"
    place = MeshPlace
    takes: ClassVar[Takes] = Takes(
        terms=frozenset({"diffusion", "convection", "reaction", "source"}),
        conditions=frozenset({"dirichlet", "neumann", "robin"}),
    )

    @classmethod
    def suits(cls, problem: Mapping[str, Any]) -> bool:
        return "points" not in problem and asks_for_mesh(problem)

    @classmethod
    def misfit(cls, problem: Mapping[str, Any]) -> str | None:
        return None if cls.suits(problem) else "elements needs the size of a mesh: resolution: {h: 0.05}"

    @classmethod
    def preview(cls, problem: Problem, data: dict[str, Any]) -> None:
        if problem.size > PREVIEW_NODES:
            data["problem"]["resolution"]["h"] *= sqrt(problem.size / PREVIEW_NODES)
        data["solver"] = {"method": "direct"}
