"""Meshes of triangles and tetrahedra, for weak forms."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import product
from math import ceil, dist, prod, sqrt
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from pdemill.errors import Fault, Path, SpecError
from pdemill.solvers.discretisers.elements import NODES_PER_AREA, MeshSize
from pdemill.solvers.discretisers.whole_fields import WholeFields
from pdemill.solvers.methods.direct import Direct
from pdemill.solvers.place import WholeFieldPlace
from pdemill.spec.boundary import opposite_paired
from pdemill.spec.discretiser import Takes
from pdemill.spec.domain import BOX_SIDES, Box, Polygon, choose_domain, signed_area
from pdemill.spec.method import LinearMethod, Method
from pdemill.spec.model import Model, as_tuple, refusal, refuse
from pdemill.spec.problem import Problem
from pdemill.spec.simplices import MeshDomain
from pdemill.spec.unknowns import ScalarUnknown, VectorUnknown

if TYPE_CHECKING:
    from pdemill.planning import Plan
    from pdemill.solvers.field_job import FieldJob
    from pdemill.solvers.schemes.scheme import Scheme
    from pdemill.solvers.weak.elements import Fixed, WeakElements
    from pdemill.solvers.weak.form import WeakForm
    from pdemill.solvers.weak.levels import Level
    from pdemill.solvers.weak.mesh import SimplexMesh
    from pdemill.spec.job import Spec

MOST = 4
"""Unknowns of one form."""
MAX_VALUES = 2_000_000
KINDS = {"constant": "a number", "nodes": "a field", "cells": "one value in each cell"}
"""What coefficients are, in words."""
COARSE = 3
"""Cells along each axis of a box where a form is looked at."""
PREVIEW_NODES = 3000
Cells = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=2, max_length=3)]


class Refinements(Model):
    """``refine``: how often every cell of a given mesh is cut into 4 triangles or 8 tetrahedra."""

    refine: Annotated[int, Field(ge=0, le=4)]


def _resolution(value: Any) -> Any:
    if isinstance(value, MeshSize | Refinements):
        return value
    if isinstance(value, Mapping):
        return (Refinements if "refine" in value else MeshSize).model_validate(value)
    if not isinstance(value, list | tuple):
        raise refusal("should be {h: 0.05}, the longest edge, or the cells of a box per axis, such as [32, 32]")
    return as_tuple(value)


class FormPlace(WholeFieldPlace):
    """A polygon with holes, a box of two or three axes, or a given mesh, in triangles or tetrahedra, the same in all
    samples. ``resolution`` is ``{h: 0.05}``, the longest edge, or, on boxes, the cells per axis, each of which is cut
    into 2 triangles or 6 tetrahedra; of a given mesh ``{refine: 0}``, how often its cells are cut."""

    resolution: Annotated[MeshSize | Refinements | Cells, BeforeValidator(_resolution)]
    domain: Annotated[
        Polygon | Box | MeshDomain, BeforeValidator(lambda value: choose_domain(value, Box, Polygon, MeshDomain))
    ] = Box()
    systems: ClassVar[float] = 6.0

    @property
    def dimension(self) -> int:
        if isinstance(self.domain, MeshDomain):
            return self.domain.axes
        if isinstance(self.resolution, tuple):
            return len(self.resolution)
        return len(self.domain.lengths) if isinstance(self.domain, Box) and self.domain.lengths else 2

    @property
    def _lengths(self) -> tuple[float, ...]:
        assert isinstance(self.domain, Box)
        return tuple(self.domain.sizes(self.dimension).values())

    @cached_property
    def _shape(self) -> tuple[int, ...] | None:
        """The cells of a box along each axis; None where a mesher is asked."""
        if isinstance(self.resolution, tuple):
            return self.resolution
        if not isinstance(self.domain, Box) or (self.dimension == 2 and not self.joined_sides):
            return None
        assert isinstance(self.resolution, MeshSize)
        longest = self.resolution.h / sqrt(self.dimension)
        return tuple(max(1, ceil(length / longest)) for length in self._lengths)

    @cached_property
    def _polygon(self) -> Polygon:
        if isinstance(self.domain, Polygon):
            return self.domain
        width, height = self._lengths
        outline = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
        return Polygon(outline=outline, sides=("bottom", "right", "top", "left"))

    @property
    def sides(self) -> tuple[str, ...]:
        if not isinstance(self.domain, Box):
            return self.domain.side_names()
        return tuple(name for pair in BOX_SIDES[: self.dimension] for name in pair)

    @property
    def volume(self) -> float:
        if isinstance(self.domain, Box):
            return prod(self._lengths)
        if isinstance(self.domain, MeshDomain):
            return self.domain.volume
        return abs(signed_area(self.domain.outline)) - sum(abs(signed_area(hole)) for hole in self.domain.holes)

    def measure(self, side: str) -> float:
        if isinstance(self.domain, Box):
            axis = next(axis for axis, pair in enumerate(BOX_SIDES) if side in pair)
            return self.volume / self._lengths[axis]
        if isinstance(self.domain, MeshDomain):
            return self.domain.measure(side)
        loops = [(self.domain.outline, self.domain.edge_names())]
        loops += [(hole, (f"hole{j}",) * len(hole)) for j, hole in enumerate(self.domain.holes)]
        return sum(
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
            nodes = int(min(NODES_PER_AREA * order**2 * self.volume / self.resolution.h / self.resolution.h, 1e18))
            nodes += len(self._polygon.outline)
        return len(self.channels) * nodes

    @property
    def _form(self) -> WeakForm:
        form: WeakForm = self.weak_form  # type: ignore[attr-defined]
        return form

    def resolved(self) -> dict[str, Any]:
        if not isinstance(self.domain, Box):
            return super().resolved()
        return super().resolved() | {"domain": {"shape": "box", "lengths": list(self._lengths)}}

    def mesh(self) -> SimplexMesh:
        """The mesh of all samples."""
        from pdemill.solvers.operators.meshing import triangulate  # late: a spec must load no solver
        from pdemill.solvers.weak.mesh import SimplexMesh, box_mesh

        if self._shape is not None:
            return box_mesh(self._shape, self._lengths)
        if isinstance(self.resolution, Refinements):
            mesh = self._given_mesh()
            for _ in range(self.resolution.refine):
                mesh = mesh.refined()
            return mesh
        assert isinstance(self.resolution, MeshSize)
        made = triangulate(self._polygon, self.resolution.h)
        if isinstance(self.domain, Polygon):
            return SimplexMesh(made.points, made.cells, made.facets, made.sides, self.sides)
        number = [self.sides.index(name) for name in made.side_names]
        sides = made.sides.copy()
        for old, new in enumerate(number):
            sides[made.sides == old] = new
        return SimplexMesh(made.points, made.cells, made.facets, sides, self.sides)

    def _given_mesh(self) -> SimplexMesh:
        from pdemill.solvers.weak.mesh import SimplexMesh  # late: as above

        assert isinstance(self.domain, MeshDomain)
        points, cells, facets, sides = self.domain.arrays()
        return SimplexMesh(points, cells, facets, sides, self.sides)

    def discretise(self, stored: Mapping[str, NDArray[Any]] | None = None) -> WeakElements:
        from pdemill.solvers.weak.elements import WeakElements  # late: a spec must load no solver
        from pdemill.solvers.weak.mesh import SimplexMesh

        if stored is None:
            mesh = self.mesh()
        else:
            cells = stored["cells"][:, : self.dimension + 1]
            points = stored["points"][: cells.max() + 1]
            mesh = SimplexMesh(points, cells, stored["facets"], stored["facet_sides"], self.sides)
        return WeakElements(self._form, mesh, self._fixed, self.properties)

    def coarse(self) -> WeakElements:
        """The same problem on a mesh of few cells."""
        from pdemill.solvers.operators.meshing import triangulate  # late: as above
        from pdemill.solvers.weak.elements import WeakElements
        from pdemill.solvers.weak.mesh import SimplexMesh, box_mesh

        if isinstance(self.domain, Box):
            mesh = box_mesh((COARSE,) * self.dimension, self._lengths)
        elif isinstance(self.domain, MeshDomain):
            mesh = self._given_mesh()
        else:
            made = triangulate(self.domain, max(self.domain.bounding_box()[1]))
            mesh = SimplexMesh(made.points, made.cells, made.facets, made.sides, self.sides)
        return WeakElements(self._form, mesh, self._fixed, self.properties)

    @property
    def joined_sides(self) -> tuple[tuple[str, str], ...]:
        """The pairs of sides that are periodic."""
        return tuple((low, high) for low, high in BOX_SIDES if low in self.conditions and self.conditions[low].paired)

    @property
    def _fixed(self) -> Fixed:
        from pdemill.solvers.weak.elements import Fixed  # late: as above

        return Fixed(self._given, self.joined_sides, self._levels)

    @property
    def _levels(self) -> tuple[Level, ...]:
        from pdemill.solvers.weak.levels import Level  # late: as above

        found, names = [], self.channels
        for unknown in self.solved_for:
            constraint = self.constraints.get(unknown.name)  # type: ignore[attr-defined]
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
        if paired and not isinstance(self.domain, Box):
            raise refuse(("boundary", paired[0]), "can be periodic on boxes only", None)
        opposite_paired(self.conditions, BOX_SIDES[: self.dimension] if paired else ())
        if isinstance(self.domain, Polygon) and isinstance(self.resolution, tuple):
            raise refuse(("resolution",), "counts the cells of a box: give a polygon {h: 0.05}, its longest edge", None)
        if isinstance(self.domain, MeshDomain) != isinstance(self.resolution, Refinements):
            raise refuse(("resolution",), "{refine: 0} is for a domain that is given as a mesh, and nothing else", None)
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
            extent = self._lengths if isinstance(self.domain, Box) else self.domain.bounding_box()[1]
            if self.resolution.h > min(extent):
                told = " x ".join(f"{length:g}" for length in extent)
                raise refuse(("resolution", "h"), f"is larger than the domain ({told})", self.resolution.h)


class WeakForms(WholeFields):
    """P1 and P2 elements for weak forms; see ``pdemill.solvers.weak``."""

    name: ClassVar[str] = "weak"
    where: ClassVar[str] = "on meshes of triangles or tetrahedra"
    place = FormPlace
    takes: ClassVar[Takes] = Takes(
        terms=frozenset({"form", "diffusion", "source"}),  # the latter are 0 in a weak form
        conditions=frozenset({"given"}),
        unknowns=frozenset(
            kinds for count in range(1, MOST + 1) for kinds in product((ScalarUnknown, VectorUnknown), repeat=count)
        ),
    )

    @classmethod
    def suits(cls, problem: Mapping[str, Any]) -> bool:
        return "points" not in problem

    @classmethod
    def may_take(cls, family: type[Problem]) -> bool:
        return family.weak

    @classmethod
    def leaves_open(cls, spec: Spec) -> bool:
        return False

    @classmethod
    def open(cls, spec: Spec, stored: Mapping[str, NDArray[Any]] | None, chosen: Method | None) -> FieldJob:
        """The job; raises SpecError where the form does not compile, or leaves something open."""
        from pdemill.solvers.weak.compiling import FormError  # late: as above
        from pdemill.solvers.weak.elements import Traits, WeakElements, units_of
        from pdemill.solvers.weak.levels import Outside
        from pdemill.solvers.weak.rank import Overdetermined, Undetermined, check_rank

        assert isinstance(spec.problem, FormPlace)
        try:
            job = super().open(spec, stored, chosen)
            if not job.discretisation.pattern.size:
                raise SpecError(
                    [Fault(("problem", "resolution"), "has no node whose value is not given: make it finer")]
                )
            first = job.instance(next(iter(spec.splits)), 0)
            grid, coarse = job.discretisation, spec.problem.coarse()
            assert isinstance(grid, WeakElements)
            looked = coarse.with_traits(Traits(units_of(coarse, first), False))
            symmetric = check_rank(looked, first, spec.problem.channels)
            job.discretisation = grid.with_traits(Traits(units_of(grid, first), symmetric))
        except FormError as fault:
            raise SpecError([Fault(("problem", *spec.problem.form_place), str(fault))]) from None  # type: ignore[attr-defined]
        except Outside as fault:
            raise SpecError([Fault(("problem", "constraints"), str(fault))]) from None
        except Overdetermined as fault:
            told = f"fixes {fault}, which the form and its sides determine already: leave it out"
            raise SpecError([Fault(("problem", "constraints"), told)]) from None
        except Undetermined as fault:
            raise SpecError([Fault(("problem", "boundary"), str(fault))]) from None
        return job

    @classmethod
    def unlike(cls, problem: Problem, other: Problem) -> tuple[Path, str] | None:
        assert isinstance(problem, FormPlace)
        assert isinstance(other, FormPlace)
        known = {one.drawn or one.name: one for one in other._form.coefficients}
        for one in problem._form.coefficients:
            there = known.get(one.drawn or one.name)
            if there is not None and one.where != there.where:
                told = f"is {KINDS[there.where]} here and {KINDS[one.where]} in the problem of the spec"
                path: Path = problem.coefficient_place(one.name)  # type: ignore[attr-defined]
                return path, f"{told}: all splits have the same form"
        if problem._form.described() != other._form.described():
            return ("boundary",), "gives another form than the problem of the spec: of sides only data can change"
        return None

    @classmethod
    def no_operator(cls, problem: Problem) -> str | None:
        return f"is not kept of weak forms, such as {problem.family}"

    @classmethod
    def automatic(cls, problem: Problem, options: LinearMethod) -> Method:
        given = {"rtol": options.rtol, "sort": options.sort, "guess": options.guess}
        return Direct.model_validate({"method": "direct", **given})

    @classmethod
    def plan(cls, job: FieldJob, always: bool) -> Plan:
        raise SpecError([Fault(("solver",), "solves weak forms by factors: nothing to plan")])

    @classmethod
    def preview(cls, problem: Problem, data: dict[str, Any]) -> None:
        assert isinstance(problem, FormPlace)
        scale = (PREVIEW_NODES * len(problem.channels) / problem.size) ** (1.0 / problem.dimension)
        if scale < 1.0:
            if isinstance(problem.resolution, tuple):
                data["problem"]["resolution"] = [max(2, round(n * scale)) for n in problem.resolution]
            elif isinstance(problem.resolution, Refinements):
                data["problem"]["resolution"]["refine"] = 0
            else:
                data["problem"]["resolution"]["h"] /= scale
        data["solver"] = {"method": "direct"}
