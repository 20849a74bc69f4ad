"""P1 and P2 finite elements on triangle meshes, through scikit-fem."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import skfem
from numpy.typing import NDArray
from scipy.sparse import csr_array
from skfem.helpers import dot, grad

from pdemill.errors import FamilyError, SolverError
from pdemill.points import Array, CloudPoints
from pdemill.solvers.instance import Instance
from pdemill.solvers.operators.discretisation import Discretisation
from pdemill.solvers.operators.equation import DiscreteEquation
from pdemill.solvers.operators.level import without_level
from pdemill.solvers.operators.meshing import TriangleMesh
from pdemill.solvers.operators.norms import EPSILON, two_norm, unit_scale, varying
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.spec.boundary import Dirichlet, Neumann, Robin
from pdemill.spec.condition import Condition
from pdemill.spec.field import Function
from pdemill.spec.problem import Properties

ELEMENTS: dict[int, Any] = {1: skfem.ElementTriP1, 2: skfem.ElementTriP2}


@skfem.BilinearForm
def _diffusion(u: Any, v: Any, w: Any) -> Any:
    return w.k * dot(grad(u), grad(v))


@skfem.BilinearForm
def _all_terms(u: Any, v: Any, w: Any) -> Any:
    du, dv = grad(u), grad(v)
    return w.kx * du[0] * dv[0] + w.ky * du[1] * dv[1] + (w.bx * du[0] + w.by * du[1] + w.c * u) * v


@skfem.BilinearForm
def _neighbours(u: Any, v: Any, w: Any) -> Any:
    return np.ones_like(w.x[0])  # no term vanishes: scikit-fem drops entries that are 0 in an element


@skfem.BilinearForm
def _exchange(u: Any, v: Any, w: Any) -> Any:
    return w.a * u * v


@skfem.LinearForm
def _load(v: Any, w: Any) -> Any:
    return w.f * v


class TriangleElements(Discretisation):
    """-div(k grad u) + b . grad u + c u = f in Lagrange elements: find u with

        ∫ k ∇u·∇v + (b·∇u) v + c u v + ∫_robin a u v = ∫ f v + ∫_neumann g v + ∫_robin g v

    for all v that vanish where u is given. k is a scalar or a diagonal tensor.

    Unknowns are the nodal values away from Dirichlet sides; where a Dirichlet side meets another one, its data
    hold (the first side in order, if both are Dirichlet). Source: Ern and Guermond 2004, sections 3.1-3.2.
    L2 error O(h^2) (P1) and O(h^3) (P2) for smooth solutions.
    """

    axes = ("node",)

    def __init__(
        self, mesh: TriangleMesh, order: int, conditions: Mapping[str, Condition], properties: Properties,
        singular: bool = False, wide: bool = False,
    ) -> None:  # fmt: skip
        self._wide = wide
        self.mesh, self.degree, self.conditions, self.properties = mesh, order, conditions, properties
        self.order = order + 1
        self._mesh = skfem.MeshTri(np.ascontiguousarray(mesh.points.T), np.ascontiguousarray(mesh.cells.T))
        element = ELEMENTS[order]()
        self._basis = skfem.Basis(self._mesh, element)
        lower, upper = mesh.points.min(axis=0), mesh.points.max(axis=0)
        box = (float(lower[0]), float(lower[1])), (float(upper[0] - lower[0]), float(upper[1] - lower[1]))
        self._nodes = (
            self._mesh.p
            if order == 1
            else np.concatenate([self._mesh.p, self._mesh.p[:, self._mesh.facets].mean(axis=1)], axis=1)
        )
        self.points = CloudPoints(self._nodes, *box)
        self._inside = CloudPoints(np.asarray(self._basis.global_coordinates()), *box)
        self.side_points, self._side_bases, self._side_nodes = {}, {}, {}
        for number, side in enumerate(mesh.side_names):
            facets = self._facets(mesh.facets[mesh.sides == number])
            held = conditions[side].essential
            nodes = self._basis.get_dofs(facets).flatten()
            basis = skfem.FacetBasis(self._mesh, element, facets=facets)
            places = self._nodes[:, nodes] if held else np.asarray(basis.global_coordinates())
            self.side_points[side] = CloudPoints(places, *box)
            self._side_bases[side], self._side_nodes[side] = basis, nodes
        held_nodes = [self._side_nodes[side] for side in mesh.side_names if conditions[side].essential]
        given = np.unique(np.concatenate(held_nodes)) if held_nodes else np.empty(0, dtype=int)
        self._free = np.setdiff1d(np.arange(self._basis.N), given)
        if not self._free.size:
            raise SolverError("the mesh has no node away from the Dirichlet sides: make problem.resolution.h smaller")
        self._whole = self._couplings()
        block = csr_array(self._whole[self._free][:, self._free])
        block.sort_indices()
        definite = properties.symmetric and properties.definite
        indptr, indices = block.indptr.astype(np.int32), block.indices.astype(np.int32)
        self.pattern = Pattern(indptr, indices, definite=definite, dimension=2)
        self.weights = np.asarray(_load.assemble(self._basis, f=1.0))[self._free]
        self.null_space = (np.ones(self.pattern.size),) if singular else ()
        self._constant: tuple[Matrix, csr_array] | None = None
        self._coefficients: dict[str, Array | float] = {}

    def _couplings(self) -> csr_array:
        """A matrix with all entries that any sample's has: those of the diffusion alone where it needs no others."""
        unit = csr_array(_diffusion.assemble(self._basis, k=1.0))
        unit.sort_indices()
        robin = [
            basis for side, basis in self._side_bases.items() if "coefficient" in self.conditions[side].in_operator
        ]
        if not self._wide and all(_within(unit, csr_array(_exchange.assemble(basis, a=1.0))) for basis in robin):
            return unit
        every = csr_array(_neighbours.assemble(self._basis))
        every.sort_indices()
        return every

    def _facets(self, ends: NDArray[np.int32]) -> NDArray[np.intp]:
        """Numbers of the facets with the given end points."""
        size = self._mesh.p.shape[1]
        keys = self._mesh.facets.min(axis=0).astype(np.int64) * size + self._mesh.facets.max(axis=0)
        order = np.argsort(keys)
        wanted = ends.min(axis=1).astype(np.int64) * size + ends.max(axis=1)
        return np.asarray(order[np.searchsorted(keys[order], wanted)])

    def equation(self, instance: Instance) -> DiscreteEquation:
        own = type(self).assemble is TriangleElements.assemble
        return without_level(self, instance) if own else super().equation(instance)

    @cached_property
    def stretch(self) -> float:
        return float(self._row_sums.max())

    @cached_property
    def _row_sums(self) -> Array:
        """Roots of the sums of |M| over its rows: |uᵀM u| is at most the sum of their squares times those of u."""
        return np.asarray(np.sqrt(abs(self._mass).sum(axis=1)))

    def largest_norm(self, unknowns: Array) -> float:
        return two_norm(self._row_sums * unknowns)

    def norm(self, unknowns: Array) -> float:
        scale = unit_scale(unknowns)
        scaled = unknowns if scale == 1.0 else unknowns * scale
        return float(np.sqrt(max(0.0, scaled @ (self._mass @ scaled)))) / scale

    def variation(self, unknowns: Array) -> float:
        mean = (self.weights @ unknowns) / self.weights.sum()
        varies = self.norm(unknowns - mean)
        most = self.stretch * two_norm(unknowns)  # of the whole, without another product with the mass matrix
        return varies if varies > 8.0 * EPSILON * most else varying(varies, self.norm(unknowns))

    @cached_property
    def _mass(self) -> csr_array:
        """∫ u v of the free nodes."""
        whole = csr_array(_exchange.assemble(self._basis, a=1.0))
        return csr_array(whole[self._free][:, self._free])

    def assemble(self, instance: Instance) -> System:
        matrix, coupling = self._operator(instance)
        f = instance.terms.source(self._inside)
        load = np.zeros(self._basis.N) if np.ndim(f) == 0 and f == 0.0 else np.asarray(_load.assemble(self._basis, f=f))
        given = np.zeros(self._basis.N)
        for side in reversed(self.mesh.side_names):
            condition, data = instance.condition(side)
            values = {name: function(self.side_points[side]) for name, function in data.items()}
            match condition:
                case Dirichlet():
                    given[self._side_nodes[side]] = values["dirichlet"]
                case Neumann():
                    self._flow(load, side, values["neumann"])
                case Robin():
                    self._flow(load, side, values["value"])
                case _:
                    raise SolverError(f"elements know no {condition.kind()} sides, such as {side}")
        return self.balanced(matrix, (load - coupling @ given)[self._free])

    def _flow(self, load: Array, side: str, g: Array | float) -> None:
        """Add ∫ g v over a side to a load."""
        if np.ndim(g) or g != 0.0:
            load += _load.assemble(self._side_bases[side], f=g)

    def _operator(self, instance: Instance) -> tuple[Matrix, csr_array]:
        """The matrix of the free nodes, and the whole one that couples them to the given values."""
        inside = self._inside_coefficients(instance)
        exchange = {
            side: data["coefficient"](self.side_points[side])
            for side, (_, data) in ((side, instance.condition(side)) for side in self.mesh.side_names)
            if "coefficient" in data
        }
        coefficients = inside | exchange
        if self._constant is not None:
            same = coefficients.keys() == self._coefficients.keys()
            if not (same and all(np.array_equal(v, self._coefficients[name]) for name, v in coefficients.items())):
                raise FamilyError(
                    "the matrix changed between samples, though none of the family's operator_fields is random: name "
                    "all fields that enter it"
                )
            return self._constant
        form = _diffusion if inside.keys() == {"k"} else _all_terms
        whole = csr_array((np.zeros(self._whole.nnz), self._whole.indices, self._whole.indptr), shape=self._whole.shape)
        _add(whole, csr_array(form.assemble(self._basis, **inside)))
        for side, a in exchange.items():
            _add(whole, csr_array(_exchange.assemble(self._side_bases[side], a=a)))
        block = csr_array(whole[self._free][:, self._free])
        block.sort_indices()
        if not np.array_equal(block.indices, self.pattern.indices):
            raise SolverError("the sparsity pattern changed between samples; please report this")
        operator = Matrix(self.pattern, np.ascontiguousarray(block.data), self.properties, self.null_space), whole
        if self.properties.constant:
            self._constant, self._coefficients = operator, coefficients
        return operator

    def _inside_coefficients(self, instance: Instance) -> dict[str, Array | float]:
        """The coefficients of the form at the quadrature points, by name: k alone for -∇·(k ∇u), else all of them."""
        terms = instance.terms
        if terms.convection and self.properties.symmetric:
            raise FamilyError("the family declares a symmetric operator, but its terms have convection: set symmetric")
        k = [function(self._inside) for function in terms.diffusion]
        b = [function(self._inside) for function in terms.convection] or [0.0, 0.0]
        c = 0.0 if terms.reaction is None else terms.reaction(self._inside)
        if len(k) == 1 and all(np.ndim(value) == 0 and value == 0.0 for value in (*b, c)):
            return {"k": k[0]}
        return {"kx": k[0], "ky": k[-1], "bx": b[0], "by": b[1], "c": c}

    def to_field(self, unknowns: Array, instance: Instance) -> Array:
        field = np.zeros(self._basis.N)
        for side in reversed(self.mesh.side_names):
            condition, data = instance.condition(side)
            if condition.essential:
                field[self._side_nodes[side]] = data["dirichlet"](self.side_points[side])
        field[self._free] = unknowns
        return field

    def to_unknowns(self, field: Array) -> Array:
        return np.asarray(field[self._free])

    def spread(self, side: str, data: Function) -> Array:
        return np.broadcast_to(data(self.points), (self._basis.N,))

    def cell_peclet(self, instance: Instance) -> float:
        """max |b| h / k over the quadrature points; h is the longest edge of a triangle, k that along b."""
        terms = instance.terms
        if not terms.convection:
            return float("nan")
        b = np.stack([np.broadcast_to(f(self._inside), self._inside.shape) for f in terms.convection])
        k = np.stack([np.broadcast_to(f(self._inside), self._inside.shape) for f in terms.diffusion])
        corners = self.mesh.points[self.mesh.cells]
        edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
        speed = np.linalg.norm(b, axis=0)
        direction = b / np.where(speed > 0.0, speed, 1.0)
        along = np.where(speed > 0.0, (k * direction**2).sum(axis=0), 1.0)
        return float(np.max(speed * edges[:, None] / along))

    def refined(self) -> TriangleElements:
        """Every triangle cut into four; the nodes of this mesh come first among the vertices of the new one."""
        fine = self._mesh.refined()
        size = len(self.mesh.points)
        a, b = self.mesh.facets.min(axis=1), self.mesh.facets.max(axis=1)
        middle = size + self._facets(self.mesh.facets)
        facets = np.concatenate([np.stack([a, middle], axis=1), np.stack([middle, b], axis=1)]).astype(np.int32)
        cells = _anticlockwise(fine.p.T, fine.t.T.astype(np.int32))
        mesh = TriangleMesh(
            np.ascontiguousarray(fine.p.T), cells, facets, np.tile(self.mesh.sides, 2), self.mesh.side_names
        )
        return TriangleElements(mesh, self.degree, self.conditions, self.properties, bool(self.null_space), self._wide)

    def restrict(self, fine: Array) -> Array:
        vertices = len(self.mesh.points)
        if self.degree == 1:
            return fine[:vertices]
        return fine[: self._basis.N]

    def arrays(self) -> Mapping[str, tuple[tuple[str, ...], NDArray[np.float64] | NDArray[np.int32]]]:
        corners = np.asarray(self._basis.element_dofs.T, dtype=np.int32)
        return {
            "points": (("node", "axis"), np.ascontiguousarray(self._nodes.T)),
            "cells": (("cell", "corner"), _anticlockwise(self._nodes.T, corners)),
            "facets": (("facet", "end"), self.mesh.facets),
            "facet_sides": (("facet",), self.mesh.sides),
        }


def _places(whole: csr_array, part: csr_array) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where the entries of a part, in the order of ``tocoo``, stand in a matrix with sorted rows; whether they do."""
    size, more = whole.shape[1], part.tocoo()
    have = np.repeat(np.arange(whole.shape[0], dtype=np.int64), np.diff(whole.indptr)) * size + whole.indices
    wanted = more.row.astype(np.int64) * size + more.col
    places = np.minimum(np.searchsorted(have, wanted), len(have) - 1)
    return places, have[places] == wanted


def _within(whole: csr_array, part: csr_array) -> bool:
    return bool(_places(whole, part)[1].all())


def _add(whole: csr_array, part: csr_array) -> None:
    """Add a matrix whose pattern is a part of the other's, which keeps its own."""
    places, found = _places(whole, part)
    if not found.all():
        raise SolverError("a term couples nodes that the pattern does not; please report this")
    whole.data[places] += part.tocoo().data


def _anticlockwise(points: Array, cells: NDArray[np.int32]) -> NDArray[np.int32]:
    """Cells whose corners 0, 1, 2 (and the midpoints of 01, 12, 02 behind them) run anticlockwise."""
    a, b, c = (points[cells[:, i]] for i in range(3))
    clockwise = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) < (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    mirrored = [0, 2, 1] if cells.shape[1] == 3 else [0, 2, 1, 5, 4, 3]
    return np.where(clockwise[:, None], cells[:, mirrored], cells)
