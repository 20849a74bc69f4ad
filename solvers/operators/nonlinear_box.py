"""Second-order finite volumes for nonlinear equations on box grids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

import numpy as np

from pdemill.errors import SolverError
from pdemill.points import Array, Points
from pdemill.solvers.fields.law import LawFunction
from pdemill.solvers.instance import Instance
from pdemill.solvers.operators.box import BoxGrid, _cut, _pattern, halved
from pdemill.solvers.operators.equation import DiscreteEquation, Frozen, NonlinearEquation
from pdemill.solvers.operators.faces import residual_by_faces
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.operators.system import Matrix
from pdemill.spec.boundary import Dirichlet, Neumann, Robin
from pdemill.spec.domain import BOX_SIDES
from pdemill.spec.properties import Properties

UNKNOWN = "u"
FLAT = 1e-4
"""Part of the largest k(u) that all count as at least where the Jacobian is only nearly known."""
CURVED = 2
"""Runge-Kutta steps along the curve of a Newton step."""


class NonlinearBoxGrid(BoxGrid):
    """-div(a k(u) grad u) + c u + r(u) = f, one unknown per cell, at its centre; k and r are laws, which may know the
    coordinates too.

    As on ``BoxGrid``, divided by the cell volume, with the flux F_e = -a_e (k_P + k_E) / 2 (u_E - u_P) / h. Faces carry
    the harmonic mean of a, exact for layers along the grid, and the arithmetic mean of k(u): with the harmonic one
    nothing flows from a cell with k(u) > 0 into one with k(0) = 0, and fronts of porous media stand still. On a side
    the flux runs over half a cell:

        u = g:                   F_s = -2 a_P (k_P + k(g)) / 2 (g - u_P) / h
        a k du/dn = g:           F_s = -g
        α u + a k du/dn = g:     F_s = -s (g - α u_P) / (α + s),  s = 2 a_P k_P / h

    Source: Eymard, Gallouët, Herbin 2000, "Finite volume methods", sections 5 and 11. Error O(h^2) for smooth data.
    """

    def __init__(
        self, shape: tuple[int, ...], lengths: tuple[float, ...], periodic: tuple[bool, ...], properties: Properties,
        preconditioned: Properties,
    ) -> None:  # fmt: skip
        super().__init__(shape, lengths, periodic, properties)
        self.preconditioned = preconditioned
        self.frozen_pattern, self._take_frozen = _pattern(shape, periodic, True)

    def equation(self, instance: Instance) -> DiscreteEquation:
        return NonlinearBoxEquation(self, instance)

    def refined(self) -> BoxGrid:
        return self._like(tuple(2 * cells for cells in self.shape))

    def coarsened(self) -> BoxGrid | None:
        coarser = halved(self.shape)
        return None if coarser is None else self._like(coarser)

    def _like(self, shape: tuple[int, ...]) -> NonlinearBoxGrid:
        return NonlinearBoxGrid(shape, self.lengths, self.periodic, self.properties, self.preconditioned)

    def empty_stencil(self, symmetric: bool) -> Array:
        """Zeros for a stencil, in a place that all share."""
        stencil = self._stencil[: 1 + self.dimension] if symmetric else self._stencil
        stencil[...] = 0.0
        return stencil

    def matrix(self, stencil: Array) -> Matrix:
        """That of a stencil: the diagonal, couplings to the cells after along each axis, and back where it is not
        symmetric."""
        return Matrix(self.pattern, np.take(stencil.reshape(-1), self._take, mode="clip"), self.properties)

    def frozen_matrix(self, stencil: Array) -> Matrix:
        """A symmetric one."""
        values = np.take(stencil.reshape(-1), self._take_frozen, mode="clip")
        return Matrix(self.frozen_pattern, values, self.preconditioned)


class Laws:
    """k(u), r(u) and their derivatives in the cells; 1 and 0 where there is no law. Where the law is below 0, k is 0;
    ``least``: its least value as it is."""

    def __init__(
        self, conductivity: LawFunction | None, reaction: LawFunction | None, points: Points, values: Array
    ) -> None:
        self._conductivity, self._reaction, self._points = conductivity, reaction, points
        self._unknowns = {UNKNOWN: values}

    @cached_property
    def _law(self) -> Array | float:
        return 1.0 if self._conductivity is None else self._conductivity.at(self._points, self._unknowns)[0]

    @cached_property
    def least(self) -> float:
        return float(np.min(self._law))

    @cached_property
    def k(self) -> Array | float:
        return np.maximum(self._law, 0.0) if self.least < 0.0 else self._law

    @cached_property
    def dk(self) -> Array | float:
        if self._conductivity is None:
            return 0.0
        slope = self._conductivity.slope(self._points, self._unknowns, UNKNOWN)[0]
        return np.where(self._law >= 0.0, slope, 0.0) if self.least < 0.0 else slope

    @cached_property
    def r(self) -> Array | float:
        return 0.0 if self._reaction is None else self._reaction.at(self._points, self._unknowns)[0]

    @cached_property
    def dr(self) -> Array | float:
        return 0.0 if self._reaction is None else self._reaction.slope(self._points, self._unknowns, UNKNOWN)[0]


@dataclass(frozen=True)
class Side:
    """One side of one axis: the index of its cells, their a, and what is known there; ``k``: that of u = g."""

    axis: int
    cells: Any
    a: Array
    condition: Any
    data: Mapping[str, Any]
    k: Array | float = 1.0


class Interior(NamedTuple):
    """The faces between cells along an axis: the cells before and after them, and a / h^2 there."""

    axis: int
    before: Any
    after: Any
    a: Array


class NonlinearBoxEquation(NonlinearEquation):
    """The equation of one sample. What is known of the last u is remembered; nobody may write to it."""

    def __init__(self, grid: NonlinearBoxGrid, instance: Instance) -> None:
        self.grid, self.instance = grid, instance
        terms = instance.terms
        assert terms.law is None or isinstance(terms.law, LawFunction)
        assert terms.diffusion_law is None or isinstance(terms.diffusion_law, LawFunction)
        self._reaction, self._conductivity = terms.law, terms.diffusion_law
        self._source = self._spread(terms.source(grid.points))
        self._damping = 0.0 if terms.reaction is None else self._spread(terms.reaction(grid.points))
        k = [self._spread(function(grid.points)) for function in terms.diffusion]
        self._a = k * grid.dimension if len(k) == 1 else k
        self._least_on_sides = 0.0
        self._sides = [self._side(axis, high) for axis in range(grid.dimension) for high in self._ends(axis)]
        self._faces = [part for axis in range(grid.dimension) for part in self._interior(axis)]
        self._known: tuple[Array, Laws] | None = None
        self._plain: Matrix | None = None

    def _spread(self, values: Array | float) -> Array:
        return np.broadcast_to(values, self.grid.shape)

    def _ends(self, axis: int) -> tuple[bool, ...]:
        return () if self.grid.periodic[axis] else (False, True)

    def _side(self, axis: int, high: bool) -> Side:
        name, points = BOX_SIDES[axis][high], self.grid.side_points[BOX_SIDES[axis][high]]
        condition, data = self.instance.condition(name)
        if not isinstance(condition, Dirichlet | Neumann | Robin):
            raise SolverError(f"finite volumes know no flux through {condition.kind()} sides, such as {name}")
        values = {key: function(points) for key, function in data.items()}
        cells = _cut(axis, -1 if high else 0)
        k: Array | float = 1.0
        if self._conductivity is not None and isinstance(condition, Dirichlet):
            g = np.broadcast_to(np.asarray(values["dirichlet"], float), points.shape)
            (k,) = self._conductivity.at(points, {UNKNOWN: g})
            self._least_on_sides = min(self._least_on_sides, float(np.min(k)))
            k = np.maximum(k, 0.0)
        return Side(axis, cells, self._a[axis][cells], condition, values, k)

    def _interior(self, axis: int) -> Iterator[Interior]:
        a, square = self._a[axis], self.grid.spacing[axis] ** 2
        pairs = [(_cut(axis, slice(None, -1)), _cut(axis, slice(1, None)))]
        if self.grid.periodic[axis]:
            pairs.append((_cut(axis, slice(-1, None)), _cut(axis, slice(None, 1))))
        for before, after in pairs:
            yield Interior(axis, before, after, 2.0 / (square * (1.0 / a[before] + 1.0 / a[after])))

    def start(self) -> Array:
        """A number: 0, or the mean of u on the sides where it is given, or 1; the first at which the laws have values,
        k(u) is positive, and the Jacobian is not seen to be singular. 0 where there is none."""
        return np.full(prod(self.grid.shape), self._start)

    @cached_property
    def _start(self) -> float:
        given = [np.mean(side.data["dirichlet"]) for side in self._sides if isinstance(side.condition, Dirichlet)]
        held = given or any(isinstance(side.condition, Robin) for side in self._sides)
        for level in (0.0, float(np.mean(given)) if given else 0.0, 1.0):
            u = np.full(prod(self.grid.shape), level)
            laws = self._laws(u)
            finite = all(np.isfinite(part).all() for part in (laws.k, laws.dk, laws.r, laws.dr))
            if finite and not self.objection(u) and (held or np.any(self._damping + laws.dr != 0.0)):
                return level
        return 0.0

    def size(self) -> float:
        """‖R‖ at the start: ‖b‖ where all laws are linear and it is 0."""
        return self._size

    @cached_property
    def _size(self) -> float:
        with np.errstate(all="ignore"):
            return two_norm(self.residual(self.start()))

    def _laws(self, u: Array) -> Laws:
        if self._known is None or self._known[0] is not u:
            values = u.reshape(self.grid.shape)
            self._known = u, Laws(self._conductivity, self._reaction, self.grid.points, values)
        return self._known[1]

    def objection(self, u: Array) -> str:
        if self._conductivity is None:
            return ""
        least = self._laws(u).least
        if not least > 0.0:
            return f"its k(u) should be positive, and reaches {least:g}"
        sides = self._least_on_sides
        return "" if sides >= 0.0 else f"its k(u) is negative on a side: {sides:g}"

    def range_of_k(self, u: Array) -> tuple[float, float]:
        """The least and the largest k(u) in the cells."""
        laws = self._laws(u)
        return laws.least, float(np.max(laws.k)) if laws.least < np.max(laws.k) else laws.least

    def residual(self, u: Array, t: float = 0.0) -> Array:
        laws, values = self._laws(u), u.reshape(self.grid.shape)
        with np.errstate(all="ignore"):
            out = self._source - laws.r - self._damping * values
            for face in self._faces:
                before, after = face.before, face.after
                flux = face.a * self._mean(laws.k, face) * (values[after] - values[before])
                out[before] += flux
                out[after] -= flux
            for side in self._sides:
                out[side.cells] += self._entering(side, values, laws.k)
        return np.asarray(out.reshape(-1))

    @staticmethod
    def _mean(k: Array | float, face: Interior) -> Array | float:
        return 0.5 * (k[face.before] + k[face.after]) if isinstance(k, np.ndarray) else k

    def _entering(self, side: Side, values: Array, k: Array | float) -> Array | float:
        """What enters a cell through a side, per volume."""
        u, h, k = values[side.cells], self.grid.spacing[side.axis], _part(k, side.cells)
        match side.condition:
            case Dirichlet():
                return np.asarray(side.a * (k + side.k) * (side.data["dirichlet"] - u) / h**2)
            case Neumann():
                return np.asarray(side.data["neumann"] / h)
        exchange, s = side.data["coefficient"], 2.0 * side.a * k / h
        return np.asarray(s * (side.data["value"] - exchange * u) / (exchange + s) / h)

    def _entering_more(self, side: Side, values: Array, laws: Laws) -> Array | float:
        """The derivative of that with respect to u in the cell."""
        u, h, across = values[side.cells], self.grid.spacing[side.axis], 2.0 * side.a / self.grid.spacing[side.axis]
        k, dk = _part(laws.k, side.cells), _part(laws.dk, side.cells)
        match side.condition:
            case Dirichlet():
                return np.asarray(across * 0.5 * (dk * (side.data["dirichlet"] - u) - (k + side.k)) / h)
            case Neumann():
                return 0.0
        exchange, s, ds = side.data["coefficient"], across * k, across * dk
        drive = (side.data["value"] - exchange * u) / (exchange + s)
        return np.asarray(exchange * (ds * drive - s) / (exchange + s) / h)

    def jacobian(self, u: Array, shift: float = 0.0) -> Matrix:
        laws, values, grid = self._laws(u), u.reshape(self.grid.shape), self.grid
        symmetric, dimension = grid.properties.symmetric, grid.dimension
        stencil = grid.empty_stencil(symmetric)
        diagonal = stencil[0]
        with np.errstate(all="ignore"):
            diagonal += self._damping + laws.dr + shift
            for face in self._faces:
                before, after = face.before, face.after
                up = down = face.a * self._mean(laws.k, face)
                if isinstance(laws.dk, np.ndarray):
                    step = 0.5 * face.a * (values[after] - values[before])
                    up, down = up + laws.dk[after] * step, down - laws.dk[before] * step
                diagonal[before] += down
                diagonal[after] += up
                stencil[1 + face.axis][before] = -up
                if not symmetric:
                    stencil[1 + dimension + face.axis][before] = -down
            for side in self._sides:
                diagonal[side.cells] -= self._entering_more(side, values, laws)
        return grid.matrix(stencil)

    def frozen(self, u: Array, shift: float = 0.0) -> Frozen:
        """M = -div(a grad .) + |c + r'(u)| / k(u) and s = k(u). Where k depends on u alone, k(u) grad u is the gradient
        of a function K(u), so that J d = -div(a grad(k d)) + (c + r') d: but for O(h^2) it is M s."""
        laws = self._laws(u)
        k = laws.k if self._conductivity is None else np.maximum(laws.k, FLAT * np.max(laws.k))
        scale = None if self._conductivity is None else np.array(k).reshape(-1)
        damping = (np.abs(self._damping + laws.dr) + shift) / k
        fixed = not np.any(damping) and not any(isinstance(side.condition, Robin) for side in self._sides)
        if fixed and self._plain is not None:
            return Frozen(self._plain, scale)
        matrix = self._definite(damping, k)
        self._plain = matrix if fixed else self._plain
        return Frozen(matrix, scale)

    def _definite(self, damping: Array | float, k: Array | float) -> Matrix:
        """-div(a grad .) and so much on its diagonal, with the sides of k."""
        stencil = self.grid.empty_stencil(symmetric=True)
        diagonal = stencil[0]
        diagonal += damping
        for face in self._faces:
            diagonal[face.before] += face.a
            diagonal[face.after] += face.a
            stencil[1 + face.axis][face.before] = -face.a
        for side in self._sides:
            diagonal[side.cells] += self._held(side, k)
        return self.grid.frozen_matrix(stencil)

    def _held(self, side: Side, k: Array | float) -> Array | float:
        """What a side adds to the diagonal of M."""
        h = self.grid.spacing[side.axis]
        match side.condition:
            case Dirichlet():
                return 2.0 * side.a / h**2
            case Neumann():
                return 0.0
        exchange, across = side.data["coefficient"], 2.0 * side.a / h
        s = across * _part(k, side.cells)
        return np.asarray(across * exchange / (exchange + s) / h)

    def moved(self, u: Array, step: Array, part: float) -> Array:
        """Along the curve on which K(u) changes evenly, K' = k: du / dλ = k(u_0) d / k(u), by the classical Runge-Kutta
        method. Where k depends on u alone div(k(u) grad u) is linear in K(u), and the whole step is nearly exact
        however far it goes."""
        if self._conductivity is None:
            return super().moved(u, step, part)
        points, shape = self.grid.points, self.grid.shape
        first, h = self._laws(u).k * step.reshape(shape), part / CURVED

        def slope(values: Array) -> Array:
            assert self._conductivity is not None
            return np.asarray(h * first / self._conductivity.at(points, {UNKNOWN: values})[0])

        values = u.reshape(shape)
        for _ in range(CURVED):
            one = slope(values)
            two = slope(values + 0.5 * one)
            three = slope(values + 0.5 * two)
            values = values + (one + 2.0 * two + 2.0 * three + slope(values + three)) / 6.0
        return np.asarray(values.reshape(-1))

    def residual_otherwise(self, u: Array) -> Array:
        return residual_by_faces(self.grid, self.instance, u)


def _part(values: Array | float, cells: Any) -> Array | float:
    """Values in some cells, of an array or of a number that is the same in all."""
    return values[cells] if isinstance(values, np.ndarray) else values
