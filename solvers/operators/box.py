"""Second-order finite volumes on box grids in one, two and three dimensions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.errors import FamilyError, SolverError
from pdemill.points import AXES, Array, TensorPoints
from pdemill.solvers.instance import Instance
from pdemill.solvers.operators.convection import MOST_CENTRAL, WEIGHTS
from pdemill.solvers.operators.discretisation import Discretisation
from pdemill.solvers.operators.equation import DiscreteEquation
from pdemill.solvers.operators.level import without_level
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.spec.boundary import Dirichlet, Neumann, Robin
from pdemill.spec.domain import BOX_SIDES
from pdemill.spec.field import Function
from pdemill.spec.problem import Properties


def _cut(axis: int, part: Any) -> tuple[Any, ...]:
    """An index that takes ``part`` along one axis and everything along the others."""
    return (slice(None),) * axis + (part,)


type Weights = Callable[[Array], Array]
LEAST_CELLS = 4
"""Cells along an axis that a cubic needs."""


class BoxGrid(Discretisation):
    """-div(k grad u) + b . grad u + c u = f, one unknown per cell, at its centre.

    Divided by the cell volume, the balance of cell P over its faces e (in direction +a) and w is

        sum_a [ (F_e - F_w) / h_a + b_a (u_e - u_w) / h_a ] + c_P u_P = f_P

    with the flux F_e = -k_e (u_E - u_P) / h_a, the harmonic mean k_e = 2 k_P k_E / (k_P + k_E), and the face
    value u_e = (u_P + u_E) / 2. On a side the face value is u_s = alpha u_P + beta and the flux runs over half
    a cell, F_s = -2 k_P (u_s - u_P) / h_a:

        u = g:                alpha = 0,                  beta = g
        k du/dn = g:          alpha = 1,                  beta = h_a g / (2 k_P)
        a u + k du/dn = g:    alpha = 2k / (2k + h_a a),  beta = h_a g / (2k + h_a a)

    That is the flux "central" of convection; "upwind" and "fitted" weight the couplings
    (``pdemill.solvers.operators.convection``), those with sides by the cell's own k. "auto" is central where the cell
    Peclet number of a sample is at most 2, else fitted; the number is that on cells ``scale`` times as large, so that
    the grids of an error estimate have the same flux.

    Source: Eymard, Gallouët, Herbin 2000, "Finite volume methods", sections 5 and 11. Error O(h^2) for smooth
    data on every kind of side, in the mean and at every cell.
    """

    order = 2

    def __init__(
        self, shape: tuple[int, ...], lengths: tuple[float, ...], periodic: tuple[bool, ...], properties: Properties,
        singular: bool = False, flux: str = "auto", scale: float = 1.0,
    ) -> None:  # fmt: skip
        self.flux, self.scale = flux, scale
        self.shape, self.lengths, self.periodic, self.properties = shape, lengths, periodic, properties
        self.dimension = len(shape)
        self.spacing = tuple(length / cells for length, cells in zip(lengths, shape, strict=True))
        self.axes = AXES[: self.dimension]
        centres = {
            name: np.asarray((np.arange(n) + 0.5) * h) for name, n, h in zip(AXES, shape, self.spacing, strict=False)
        }
        sizes = dict(zip(AXES, lengths, strict=False))
        self.centres: Mapping[str, Array] = centres
        self.points = TensorPoints(centres, sizes, centres=True)
        self.side_points = {}
        for axis, (low, high) in enumerate(BOX_SIDES[: self.dimension]):
            along = {name: x for name, x in centres.items() if name != AXES[axis]}
            self.side_points[low] = TensorPoints(along, sizes, {AXES[axis]: 0.0}, centres=True)
            self.side_points[high] = TensorPoints(along, sizes, {AXES[axis]: lengths[axis]}, centres=True)
        self.face_points = tuple(
            TensorPoints(centres | {name: np.arange(n + 1) * h}, sizes)
            for name, n, h in zip(self.axes, shape, self.spacing, strict=True)
        )
        """For each axis, the centres of the faces across it."""
        definite = properties.symmetric and properties.definite
        self.pattern, self._take = _pattern(shape, periodic, properties.symmetric, definite)
        self.weights = np.ones(prod(shape))
        self.null_space = (self.weights,) if singular else ()
        self._stencil = np.zeros((1 + (1 if properties.symmetric else 2) * self.dimension, *shape))
        self._resistance = np.empty(shape)
        self._constant: Matrix | None = None

    def equation(self, instance: Instance) -> DiscreteEquation:
        own = type(self).assemble is BoxGrid.assemble and type(self).face_value is BoxGrid.face_value
        return without_level(self, instance) if own else super().equation(instance)

    def assemble(self, instance: Instance) -> System:
        terms = instance.terms
        k = [self._spread(function(self.points)) for function in terms.diffusion]
        k = k * self.dimension if len(k) == 1 else k
        if terms.convection and self.properties.symmetric:
            raise FamilyError("the family declares a symmetric operator, but its terms have convection: set symmetric")
        rhs = np.array(self._spread(terms.source(self.points)))
        weights = None if (flux := self.flux_of(instance)) == "central" else WEIGHTS[flux]
        stencil = self._stencil
        diagonal = stencil[0]
        diagonal[...] = 0.0
        for axis in range(self.dimension):
            b = self._spread(terms.convection[axis](self.points)) if terms.convection else None
            after = stencil[1 + axis]
            if not (terms.convection or k[axis].flat[0] or k[axis].any()):  # nothing diffuses, through sides neither
                stencil[1 + axis :: self.dimension] = 0.0
                continue
            self._diffuse(axis, k[axis], diagonal, after)
            if not self.properties.symmetric:
                before = stencil[1 + self.dimension + axis]
                before[...] = after
                if b is not None and weights is not None:
                    self._weight(axis, b, weights, diagonal, before, after)
                elif b is not None:
                    self._convect(axis, b, diagonal, before, after)
            if not self.periodic[axis]:
                for high in (False, True):
                    self._close(instance, axis, high, k[axis], b, weights, diagonal, rhs)
            self._close_within(instance, axis, k[axis], b, weights, diagonal, rhs)
        if terms.reaction is not None:
            diagonal += terms.reaction(self.points)
        self._complete(diagonal, rhs)
        return self.balanced(self._matrix(np.take(stencil.reshape(-1), self._take, mode="clip")), rhs.reshape(-1))

    def load(self, instance: Instance) -> Array:
        """The right-hand side of ``assemble`` alone, of an equation without convection that is not singular."""
        terms = instance.terms
        assert not terms.convection
        rhs = np.array(self._spread(terms.source(self.points)))
        for axis in range(self.dimension):
            k = self._spread(terms.diffusion[axis if len(terms.diffusion) > 1 else 0](self.points))
            if not self.periodic[axis] and k.any():
                for high in (False, True):
                    self._close(instance, axis, high, k, None, None, None, rhs)
        return rhs.reshape(-1)

    def _matrix(self, values: Array) -> Matrix:
        if not self.properties.constant:
            return Matrix(self.pattern, values, self.properties, self.null_space)
        if self._constant is None:
            self._constant = Matrix(self.pattern, values, self.properties, self.null_space)
        elif not np.array_equal(self._constant.values, values):
            raise FamilyError(
                "the matrix changed between samples, though none of the family's operator_fields is random: name all "
                "fields that enter it"
            )
        return self._constant

    def _spread(self, values: Array | float) -> Array:
        return np.broadcast_to(values, self.shape)

    def _diffuse(self, axis: int, k: Array, diagonal: Array, after: Array) -> None:
        """Fluxes along an axis. Work goes over whole flat arrays, three times as fast as over rows that leave out a
        cell; what then stands at the far side is put right afterwards."""
        low, high, step = _cut(axis, 0), _cut(axis, -1), prod(self.shape[axis + 1 :])
        resistance, face = self._resistance, after
        np.divide(0.5 * self.spacing[axis] ** 2, k, out=resistance)
        np.add(resistance.reshape(-1)[:-step], resistance.reshape(-1)[step:], out=face.reshape(-1)[:-step])
        face[high] = np.inf
        np.divide(1.0, face, out=face)
        diagonal += face
        diagonal.reshape(-1)[step:] += face.reshape(-1)[:-step]
        if self.periodic[axis]:
            face[high] = 1.0 / (resistance[low] + resistance[high])
            diagonal[low] += face[high]
            diagonal[high] += face[high]
        np.negative(face, out=after)

    def _convect(self, axis: int, b: Array, diagonal: Array, before: Array, after: Array) -> None:
        half = b / (2.0 * self.spacing[axis])
        if self.periodic[axis]:
            after += half
            before -= np.roll(half, -1, axis)
            return
        first, last = _cut(axis, slice(None, -1)), _cut(axis, slice(1, None))
        after[first] += half[first]
        before[first] -= half[last]
        diagonal[_cut(axis, 0)] += half[_cut(axis, 0)]
        diagonal[_cut(axis, -1)] -= half[_cut(axis, -1)]

    def _weight(self, axis: int, b: Array, weights: Weights, diagonal: Array, before: Array, after: Array) -> None:
        """The couplings of an axis with their weights instead."""
        face = -after
        there = np.roll(b, -1, axis)
        per_face = np.divide(1.0 / self.spacing[axis], face, out=np.zeros_like(face), where=face > 0.0)
        onwards, back = face * weights(b * per_face), face * weights(-there * per_face)
        diagonal += onwards - face
        diagonal += np.roll(back - face, 1, axis)
        np.negative(onwards, out=after)
        np.negative(back, out=before)

    def _close(
        self, instance: Instance, axis: int, high: bool, k: Array, b: Array | None, weights: Weights | None,
        diagonal: Array | None, rhs: Array,
    ) -> None:  # fmt: skip
        """Fluxes through a side, into ``rhs`` and, where there is one, ``diagonal``."""
        cells = _cut(axis, -1 if high else 0)
        value = self.face_value(instance, BOX_SIDES[axis][high], k[cells], self.spacing[axis])
        self._through(axis, high, cells, value, k, b, weights, diagonal, rhs)

    def _through(
        self, axis: int, high: bool, cells: Any, value: tuple[Array | float, Array | float], k: Array, b: Array | None,
        weights: Weights | None, diagonal: Array | None, rhs: Array,
    ) -> None:  # fmt: skip
        """Fluxes through the faces before or after some cells, where u is ``value``: alpha times that of the cell, and
        beta."""
        (alpha, beta), h = value, self.spacing[axis]
        conductance = 2.0 * k[cells] / h**2
        if b is not None and weights is not None:
            conductance = conductance * weights((b[cells] if high else -b[cells]) * h / k[cells])
        rhs[cells] += conductance * beta
        if diagonal is not None:
            diagonal[cells] += conductance * (1.0 - alpha)
        if b is not None and weights is None:
            speed = (b[cells] if high else -b[cells]) / h
            rhs[cells] -= speed * beta
            if diagonal is not None:
                diagonal[cells] += speed * alpha

    def _close_within(
        self, instance: Instance, axis: int, k: Array, b: Array | None, weights: Weights | None, diagonal: Array,
        rhs: Array,
    ) -> None:  # fmt: skip
        """Fluxes through faces inside the box that are sides of the domain; a whole box has none."""

    def _complete(self, diagonal: Array, rhs: Array) -> None:
        """Equations of cells that are no part of the domain; a whole box has none."""

    def face_value(self, instance: Instance, side: str, k: Array, h: float) -> tuple[Array | float, Array | float]:
        """alpha and beta on a side of cells with the coefficient k, h across."""
        condition, data = instance.condition(side)
        values = {name: function(self.side_points[side]) for name, function in data.items()}
        match condition:
            case Dirichlet():
                return 0.0, values["dirichlet"]
            case Neumann():
                return 1.0, 0.5 * h * values["neumann"] / k
            case Robin():
                across = 2.0 * k + h * values["coefficient"]
                return 2.0 * k / across, h * values["value"] / across
        raise SolverError(f"finite volumes know no face value of {condition.kind()} sides, such as {side}")

    def to_field(self, unknowns: Array, instance: Instance) -> Array:
        return unknowns.reshape(self.shape)

    def to_unknowns(self, field: Array) -> Array:
        return field.reshape(-1)

    def spread(self, side: str, data: Function) -> Array:
        values = data(self.side_points[side])
        axis = next(axis for axis, pair in enumerate(BOX_SIDES) if side in pair)
        return self._spread(np.expand_dims(values, axis) if np.ndim(values) else values)

    def of_schema(self, schema: int) -> BoxGrid:
        """Schema 1 knew central differences only."""
        return self._other(self.shape, self.scale, "central") if schema == 1 and self.flux == "auto" else self

    def flux_of(self, instance: Instance) -> str:
        """The flux of convection in a sample."""
        if self.flux != "auto" or not instance.terms.convection:
            return "central" if self.flux == "auto" else self.flux
        return "central" if self.scale * self.cell_peclet(instance) <= MOST_CENTRAL else "fitted"

    def order_of(self, instance: Instance) -> int:
        """First order upwind, and so is what is fitted where it counts."""
        return self.order if self.flux_of(instance) == "central" else 1

    def cell_peclet(self, instance: Instance) -> float:
        """max |b_a| h_a / k_a over cells and axes."""
        terms = instance.terms
        if not terms.convection:
            return float("nan")
        k = terms.diffusion * self.dimension if len(terms.diffusion) == 1 else terms.diffusion
        along = zip(terms.convection, k, self.spacing, strict=True)
        return max(float(np.max(np.abs(b(self.points)) * h / k(self.points))) for b, k, h in along)

    def refined(self) -> BoxGrid:
        finer = tuple(2 * cells for cells in self.shape)
        return self._other(finer, 2.0 * self.scale)

    def coarsened(self) -> BoxGrid | None:
        coarser = halved(self.shape) if type(self).refined is BoxGrid.refined else None
        if coarser is None:
            return None
        return self._other(coarser, 0.5 * self.scale)

    def _other(self, shape: tuple[int, ...], scale: float, flux: str = "") -> BoxGrid:
        singular = bool(self.null_space)
        return BoxGrid(shape, self.lengths, self.periodic, self.properties, singular, flux or self.flux, scale)

    def restrict(self, fine: Array) -> Array:
        for axis in range(self.dimension):
            fine = halve(fine, axis, self.periodic[axis])
        return fine

    def arrays(self) -> Mapping[str, tuple[tuple[str, ...], NDArray[np.float64] | NDArray[np.int32]]]:
        return {name: ((name,), points) for name, points in self.centres.items()}


def halved(cells: tuple[int, ...]) -> tuple[int, ...] | None:
    """Half as many cells along each axis; None where there are none such, or too few for a cubic."""
    return None if any(n % 2 or n < 2 * LEAST_CELLS for n in cells) else tuple(n // 2 for n in cells)


def halve(fine: Array, axis: int, periodic: bool) -> Array:
    """Values midway between cells 2i and 2i + 1 along an axis, by the cubic through the four nearest cells."""
    u = np.moveaxis(fine, axis, 0)
    even, odd = u[0::2], u[1::2]
    before = np.roll(odd, 1, axis=0)
    after = np.roll(even, -1, axis=0)
    middle = (9.0 * (even + odd) - before - after) / 16.0
    if not periodic:
        middle[0] = (5.0 * u[0] + 15.0 * u[1] - 5.0 * u[2] + u[3]) / 16.0
        middle[-1] = (5.0 * u[-1] + 15.0 * u[-2] - 5.0 * u[-3] + u[-4]) / 16.0
    return np.moveaxis(middle, 0, axis)


@lru_cache(maxsize=4)
def _pattern(
    shape: tuple[int, ...], periodic: tuple[bool, ...], symmetric: bool, definite: bool = False
) -> tuple[Pattern, NDArray[np.intp]]:
    """The pattern, and where each of its entries stands in the stencil array (plane, cell).

    Planes: the diagonal; for each axis the couplings of cells to those after them; for each axis the couplings back,
    under the number of the cell before. A symmetric stencil does without the last ones.
    """
    size = prod(shape)
    number = np.arange(size, dtype=np.int32).reshape(shape)
    columns = [number]
    for axis in range(len(shape)):
        for step in (1, -1):
            neighbour = np.roll(number, step, axis)
            if not periodic[axis]:
                neighbour[_cut(axis, 0 if step == 1 else -1)] = -1
            columns.append(neighbour)
    column = np.stack(columns, axis=-1).reshape(size, -1)
    order = np.argsort(column, axis=1, kind="stable")
    column = np.take_along_axis(column, order, axis=1)
    backwards = order % 2 == 1
    plane = (order + 1) // 2 + len(shape) * (backwards & (not symmetric))
    place = plane * size + np.where(backwards, column, np.arange(size)[:, None])
    present = column >= 0
    indptr = np.concatenate([[0], np.cumsum(present.sum(axis=1))]).astype(np.int32)
    pattern = Pattern(indptr, np.ascontiguousarray(column[present]), shape, definite, len(shape))
    return pattern, np.ascontiguousarray(place[present])
