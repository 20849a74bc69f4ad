"""Where weak forms are solved: meshes of triangles and tetrahedra."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from math import ceil, dist, prod, sqrt
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, ValidationError

from pdemill.errors import SolverError
from pdemill.solvers.discretisers.elements import NODES_PER_AREA, MeshSize
from pdemill.solvers.discretisers.form_resolution import Cells, Refinements, resolution_of
from pdemill.solvers.place import WholeFieldPlace
from pdemill.solvers.weak.pipes import Pipe
from pdemill.solvers.weak.shapes import BoxOfShapes, DiskOfShapes, Shapes, StarOfShapes
from pdemill.spec.boundary import opposite_paired
from pdemill.spec.domain import BOX_SIDES, Box, Polygon, choose_domain, signed_area
from pdemill.spec.field import Scalar
from pdemill.spec.model import refuse
from pdemill.spec.simplices import MeshDomain

if TYPE_CHECKING:
    from pdemill.solvers.operators.meshing import TriangleMesh
    from pdemill.solvers.schemes.scheme import Scheme
    from pdemill.solvers.weak.elements import Fixed, WeakElements
    from pdemill.solvers.weak.form import WeakForm
    from pdemill.solvers.weak.levels import Level
    from pdemill.solvers.weak.mesh import SimplexMesh
    from pdemill.solvers.weak.morph import Carrier

MAX_VALUES = 2_000_000
COARSE = 3
"""Cells along each axis of a box where a form is looked at."""


SHAPES = ("without", "inclusions")
DOMAINS = BoxOfShapes, Polygon, DiskOfShapes, StarOfShapes, Pipe, MeshDomain


class FormPlace(WholeFieldPlace):
    """A polygon with holes, a box of two or three axes, or a given mesh, in triangles or tetrahedra, the same in all
    samples; or a disk, a star, a pipe or a box with round holes and inclusions, columns in three dimensions, whose
    measures may be drawn for every sample. ``resolution`` is ``{h: 0.05}``, the longest edge (of a pipe before it is
    bent), or, on boxes and in pipes, the cells per axis, each of which is cut into 2 triangles or 6 tetrahedra; of a
    given mesh ``{refine: 0}``, how often its cells are cut. ``mesh``: how samples with shapes of their own get their
    meshes: ``morph``, by a smooth map of one."""

    resolution: Annotated[MeshSize | Refinements | Cells, BeforeValidator(resolution_of)]
    domain: Annotated[
        BoxOfShapes | Polygon | DiskOfShapes | StarOfShapes | Pipe | MeshDomain,
        BeforeValidator(lambda value: choose_domain(value, *DOMAINS)),
    ] = BoxOfShapes()
    mesh: Literal["morph"] = Field(default="morph", exclude_if=lambda way: way == "morph")

    @property
    def systems(self) -> float:
        """By the entries of a row, of which a scalar in P1 elements has 7, one of order 2 has 11.5, and by the rows,
        which are fewer than the values that are stored where orders are mixed."""
        form, most = self._form, max(one.order for one in self._form.unknowns)
        counts = [(one.order, max(1, one.components)) for one in form.unknowns]
        entries = sum(count * (7.0 if order == 1 else 11.5) for order, count in counts)
        rows = sum(count * (order / most) ** self.dimension for order, count in counts)
        share = rows / sum(count for _, count in counts)
        return float((1.0 if form.linear else 4.0) * share * (entries / 7.0) ** 1.6)

    @property
    def dimension(self) -> int:
        if isinstance(self.domain, MeshDomain):
            return self.domain.axes
        if isinstance(self.resolution, tuple):
            return len(self.resolution)
        return len(self.domain.lengths) if isinstance(self.domain, Box) and self.domain.lengths else 2

    @property
    def _lengths(self) -> tuple[float, ...]:
        if isinstance(self.domain, Pipe):
            return self.domain.lengths
        assert isinstance(self.domain, Box)
        return tuple(self.domain.sizes(self.dimension).values())

    @cached_property
    def _shape(self) -> tuple[int, ...] | None:
        """The cells of a box along each axis; None where a mesher is asked."""
        if isinstance(self.resolution, tuple):
            return self.resolution
        boxed = self._whole_box and (self.dimension > 2 or bool(self.joined_sides))
        if not boxed and not isinstance(self.domain, Pipe):
            return None
        assert isinstance(self.resolution, MeshSize)
        longest = self.resolution.h / sqrt(self.dimension)
        return tuple(max(1, ceil(length / longest)) for length in self._lengths)

    @cached_property
    def _polygon(self) -> Polygon:
        if isinstance(self.domain, Polygon):
            return self.domain
        if self._shapes is not None:
            assert isinstance(self.resolution, MeshSize)
            return self._shapes.polygon(
                self.resolution.h, self._lengths if isinstance(self.domain, Box) else (0.0, 0.0)
            )
        width, height = self._lengths
        outline = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
        return Polygon(outline=outline, sides=("bottom", "right", "top", "left"))

    @property
    def _shapes(self) -> Shapes | None:
        """The domain, where it has curves."""
        return self.domain if isinstance(self.domain, Shapes) and self.domain.of_curves else None

    @property
    def _height(self) -> float:
        """That of a box with columns; 1 of all that is flat."""
        return self._lengths[2] if self._shapes is not None and self.dimension == 3 else 1.0

    @property
    def _whole_box(self) -> bool:
        return isinstance(self.domain, Box) and self._shapes is None

    def measures(self) -> Iterator[tuple[tuple[str, ...], Scalar]]:
        shapes = self.domain if isinstance(self.domain, Pipe) else self._shapes
        if shapes is not None:
            for path, scalar in shapes.scalars():
                yield ("domain", *map(str, path)), scalar

    @property
    def template_shapes(self) -> tuple[Any, ...]:
        """What the template of shapes depends on; empty where there are none."""
        if isinstance(self.domain, Pipe):
            points = self.template().points
            return self.domain.moves, points.tolist()
        if self._shapes is None:
            return ()
        assert isinstance(self.resolution, MeshSize)
        return self._shapes.moves, self._polygon, self._shapes.loops(self.resolution.h)

    @property
    def inclusions(self) -> int:
        return len(self._shapes.inclusions) if self._shapes is not None else 0

    @property
    def sides(self) -> tuple[str, ...]:
        if not isinstance(self.domain, Box):
            return self.domain.side_names()
        return (*(name for pair in BOX_SIDES[: self.dimension] for name in pair), *self._holes)

    @property
    def _holes(self) -> tuple[str, ...]:
        """The sides that are rims of drawn holes."""
        return self._shapes.hole_names if self._shapes is not None else ()

    @property
    def volume(self) -> float:
        """That of the template, where shapes are drawn."""
        if self._whole_box or isinstance(self.domain, Pipe):
            return prod(self._lengths)
        if isinstance(self.domain, MeshDomain):
            return self.domain.volume
        domain = self._polygon
        return self._height * (abs(signed_area(domain.outline)) - sum(abs(signed_area(h)) for h in domain.holes))

    def measure(self, side: str) -> float:
        if self._whole_box or isinstance(self.domain, Pipe):
            axis = next(axis for axis, pair in enumerate(BOX_SIDES) if side in pair)
            return self.volume / self._lengths[axis]
        if isinstance(self.domain, MeshDomain):
            return self.domain.measure(side)
        if side in BOX_SIDES[2] and isinstance(self.domain, Box):
            return self.volume / self._height
        domain = self._polygon
        loops = [(domain.outline, domain.edge_names())]
        loops += [(hole, (f"hole{j}",) * len(hole)) for j, hole in enumerate(domain.holes)]
        return self._height * sum(
            dist(a, b)
            for loop, names in loops
            for a, b, name in zip(loop, loop[1:] + loop[:1], names, strict=True)
            if name == side
        )

    @property
    def size(self) -> int:
        """Values of all channels, as they are stored: at the nodes of the highest order."""
        order = max(one.order for one in self._form.unknowns)
        if self._shape is not None:
            nodes = prod(order * n + 1 for n in self._shape)
        elif isinstance(self.domain, MeshDomain):
            assert isinstance(self.resolution, Refinements)
            nodes = len(self.domain.points) * (2**self.dimension) ** (self.resolution.refine + order - 1)
        else:
            assert isinstance(self.resolution, MeshSize)
            area = self.volume / self._height
            nodes = int(min(NODES_PER_AREA * order**2 * area / self.resolution.h / self.resolution.h, 1e18))
            nodes += len(self._polygon.outline)
            nodes *= 1 if self.dimension == 2 else order * self._layers + 1
        return len(self.channels) * nodes

    @property
    def _form(self) -> WeakForm:
        form: WeakForm = self.weak_form  # type: ignore[attr-defined]
        return form

    @property
    def is_linear(self) -> bool:
        """Whether its form is linear in the unknowns."""
        return self._form.linear

    @property
    def likely_definite(self) -> bool:
        """Whether its form looks like that of a minimum."""
        return self._form.linear and len(self._form.unknowns) == 1 and self._form.mirrored

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(self._form.outputs)

    def resolved(self) -> dict[str, Any]:
        if not isinstance(self.domain, Box):
            return super().resolved()
        shapes = {key: value for key, value in self.domain.model_dump(mode="json").items() if key in SHAPES and value}
        return super().resolved() | {"domain": {"shape": "box", "lengths": list(self._lengths), **shapes}}

    def template(self) -> SimplexMesh:
        """The mesh of all samples, where shapes are drawn with their measures at their medians."""
        from pdemill.solvers.operators.meshing import triangulate  # late: a spec must load no solver
        from pdemill.solvers.weak.mesh import box_mesh

        if self._shape is not None:
            return self._bent(box_mesh(self._shape, self._lengths))
        if isinstance(self.resolution, Refinements):
            mesh = self._given_mesh()
            for _ in range(self.resolution.refine):
                mesh = mesh.refined()
            return mesh
        assert isinstance(self.resolution, MeshSize)
        loops = self._shapes.loops(self.resolution.h) if self._shapes is not None else ()
        return self._named(triangulate(self._polygon, self.resolution.h, loops, self.joined_sides))

    @property
    def _layers(self) -> int:
        assert isinstance(self.resolution, MeshSize)
        return max(1, ceil(self._height / self.resolution.h))

    def _named(self, made: TriangleMesh, layers: int = 0) -> SimplexMesh:
        """A triangle mesh with the sides in the order of the domain; columns on it in three dimensions."""
        from pdemill.solvers.weak.columns import columns  # late: as above
        from pdemill.solvers.weak.mesh import SimplexMesh

        if self.dimension == 3:
            flat = SimplexMesh(made.points, made.cells, made.facets, made.sides, made.side_names, made.regions)
            return columns(flat, self._height, layers or self._layers, self.sides)
        number = np.array([self.sides.index(name) for name in made.side_names], dtype=np.int32)
        return SimplexMesh(made.points, made.cells, made.facets, number[made.sides], self.sides, made.regions)

    def _bent(self, straight: SimplexMesh) -> SimplexMesh:
        """The mesh of a box, of a pipe with its centre line."""
        from pdemill.solvers.weak.bend import Bend  # late: as above

        return self.morph.bent(straight) if isinstance(self.morph, Bend) else straight

    @cached_property
    def morph(self) -> Carrier[Any] | None:
        """What carries the template to the shapes of samples; None where the domain has no curves."""
        from pdemill.solvers.weak.bend import Bend
        from pdemill.solvers.weak.morph import Morph  # late: as above

        if isinstance(self.domain, Pipe):
            return Bend(self.domain)
        if self._shapes is None:
            return None
        return Morph(self._shapes, self._lengths if isinstance(self.domain, Box) else None)

    def _given_mesh(self) -> SimplexMesh:
        from pdemill.solvers.weak.mesh import SimplexMesh  # late: as above

        assert isinstance(self.domain, MeshDomain)
        points, cells, facets, sides = self.domain.arrays()
        return SimplexMesh(points, cells, facets, sides, self.sides)

    def discretise(self, stored: Mapping[str, NDArray[Any]] | None = None) -> WeakElements:
        from pdemill.solvers.weak.elements import WeakElements  # late: a spec must load no solver
        from pdemill.solvers.weak.mesh import REGIONS, SimplexMesh

        if stored is None:
            mesh = self.template()
        else:
            cells = stored["cells"][:, : self.dimension + 1]
            points = stored["points"][: cells.max() + 1]
            facets, sides = stored["facets"], stored["facet_sides"]
            mesh = SimplexMesh(points, cells, facets, sides, self.sides, stored.get(REGIONS))
        mesh = mesh if self.morph is None else self.morph.snapped(mesh)
        return WeakElements(self._form, mesh, self._fixed, self.properties, morph=self.morph)

    def coarse(self) -> WeakElements:
        """The same problem on a mesh of few cells, where shapes are drawn that of the template."""
        from pdemill.solvers.operators.meshing import triangulate  # late: as above
        from pdemill.solvers.weak.elements import WeakElements
        from pdemill.solvers.weak.mesh import box_mesh

        if self._whole_box or isinstance(self.domain, Pipe):
            mesh = self._bent(box_mesh((COARSE,) * self.dimension, self._lengths))
        elif isinstance(self.domain, MeshDomain):
            mesh = self._given_mesh()
        else:
            domain = self._polygon
            h = max(domain.bounding_box()[1])
            loops = self._shapes.loops(h) if self._shapes is not None else ()
            mesh = self._named(triangulate(domain, h, loops, self.joined_sides), COARSE)
        return WeakElements(self._form, mesh, self._fixed, self.properties)

    @property
    def joined_sides(self) -> tuple[tuple[str, str], ...]:
        """The pairs of sides that are periodic."""
        return tuple((low, high) for low, high in BOX_SIDES if low in self.conditions and self.conditions[low].paired)

    @property
    def _fixed(self) -> Fixed:
        from pdemill.solvers.weak.elements import Fixed  # late: as above

        return Fixed(self._given, self.joined_sides, self._levels, self.layers)  # type: ignore[attr-defined]

    @property
    def _levels(self) -> tuple[Level, ...]:
        from pdemill.solvers.weak.levels import Level  # late: as above

        found, names = [], self.channels
        for unknown in self.solved_for:
            constraint = self.levels.get(unknown.name)  # type: ignore[attr-defined]
            if constraint is not None:
                pairs = zip(unknown.channels(self.dimension), constraint.levels, strict=True)
                found += [Level(n, names.index(n), value, constraint.at) for n, value in pairs if value is not None]
        return tuple(found)

    @property
    def _given(self) -> dict[str, tuple[tuple[int, str], ...]]:
        """By side: the numbers of the channels that are given there, and the names of their data."""
        names = self.channels
        return {
            side: tuple((names.index(path[-1]), path[-1]) for path, _ in condition.data())
            for side, condition in self.conditions.items()
        }

    def scheme(self) -> Scheme:
        from pdemill.solvers.schemes.newton import Newton  # late: as above
        from pdemill.solvers.schemes.steady import Steady

        return Steady() if self._form.linear else Newton()

    def check_domain(self) -> None:
        paired = [side for side, condition in self.conditions.items() if condition.paired]
        for side in paired:
            if not isinstance(self.domain, Box) or side in self._holes:
                raise refuse(("boundary", side), "cannot be periodic: opposite sides of a box can", None)
        opposite_paired(self.conditions, BOX_SIDES[: self.dimension] if paired else ())
        if not isinstance(self.domain, Box | Pipe) and isinstance(self.resolution, tuple):
            told = f"counts the cells of a box: give a {self.domain.shape} {{h: 0.05}}, its longest edge"
            raise refuse(("resolution",), told, None)
        if isinstance(self.domain, MeshDomain) != isinstance(self.resolution, Refinements):
            raise refuse(("resolution",), "{refine: 0} is for a domain that is given as a mesh, and nothing else", None)
        if self._shapes is not None:
            self._check_shapes(self._shapes)
        if isinstance(self.domain, Pipe) and self.dimension != 2:
            raise refuse(("resolution",), "needs two entries: a pipe lies in the plane", None)
        if isinstance(self.domain, Box) and self.domain.lengths is not None:
            if len(self.domain.lengths) not in (2, 3):
                raise refuse(("domain", "lengths"), "needs two or three entries", self.domain.lengths)
            if len(self.domain.lengths) != self.dimension:
                message = f"has {len(self.domain.lengths)} entries, but resolution has {self.dimension} axes"
                raise refuse(("domain", "lengths"), message, self.domain.lengths)
        if self.size > MAX_VALUES:
            path = ("resolution",) if isinstance(self.resolution, tuple) else ("resolution", "h")
            raise refuse(path, f"gives about {self.size:,} values, more than {MAX_VALUES:,}", None)
        if isinstance(self.resolution, MeshSize) and not isinstance(self.domain, MeshDomain):
            extent = self._lengths if isinstance(self.domain, Box | Pipe) else self._polygon.bounding_box()[1]
            if self.resolution.h > min(extent):
                told = " x ".join(f"{length:g}" for length in extent)
                raise refuse(("resolution", "h"), f"is larger than the domain ({told})", self.resolution.h)

    def _check_shapes(self, shapes: Shapes) -> None:
        where = ("domain", next((key for key in SHAPES if getattr(shapes, key)), "shape"))
        if isinstance(self.resolution, tuple):
            raise refuse(("resolution",), "counts the cells of a box: shapes need {h: 0.05}, the longest edge", None)
        if self.dimension != 2 and not isinstance(shapes, Box):
            raise refuse(where, "is possible in the plane alone", None)
        try:
            _ = self._polygon, self.morph
        except ValidationError as fault:
            first = fault.errors(include_url=False)[0]
            raise refuse(where, f"{first['msg']} where all measures are at their medians", None) from None
        except SolverError as fault:
            raise refuse(where, str(fault), None) from None
