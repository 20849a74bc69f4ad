"""Finite volumes on box grids out of which obstacles are cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.errors import FamilyError
from pdemill.kept import SIDE
from pdemill.points import Array
from pdemill.solvers.instance import Instance, InvalidSample
from pdemill.solvers.operators.box import BoxGrid, halve, halved
from pdemill.solvers.operators.regions import regions, thin
from pdemill.solvers.operators.system import Matrix, System
from pdemill.spec.boundary import Dirichlet
from pdemill.spec.domain import BOX_SIDES
from pdemill.spec.field import Function
from pdemill.spec.obstacle import Obstacle
from pdemill.spec.problem import Properties

type Cells = NDArray[np.bool_]
LEAST_THICK = 3
"""Cells across obstacles and gaps, an odd number, below which a sample is flagged."""


class CutBoxGrid(BoxGrid):
    """The equation of ``BoxGrid`` on the cells whose centres are in no obstacle.

    A face between a cell that is kept and one that is cut is a side of the domain, half a cell from the centre: on it
    u = g, or nothing flows. Cells that are cut are coupled with none; their u is 0.

    Order: 2 where the boundaries of obstacles are known to run along faces, else 1, since the boundary of the cells
    that are kept is up to a cell from that of the obstacle.
    """

    def __init__(
        self, shape: tuple[int, ...], lengths: tuple[float, ...], periodic: tuple[bool, ...], properties: Properties,
        singular: bool = False, flux: str = "auto", scale: float = 1.0, obstacles: tuple[Obstacle, ...] = (),
    ) -> None:  # fmt: skip
        super().__init__(shape, lengths, periodic, properties, singular, flux, scale)
        self.obstacles = obstacles
        self.side_points[SIDE] = self.points
        self._kept: Cells = np.ones(shape, dtype=bool)
        self._open: list[Array] = []

    def kept(self, instance: Instance) -> Cells:
        """Which cells are part of the domain in a sample."""
        assert instance.mask is not None
        return np.asarray(instance.mask(self.points)) > 0.0

    def assemble(self, instance: Instance) -> System:
        self._kept = self.kept(instance)
        if self._constant is None:  # else all samples have the same matrix
            self._check(instance)
        self._open = [(self._kept & self._beyond(axis, True)).astype(float) for axis in range(self.dimension)]
        return super().assemble(instance)

    def load(self, instance: Instance) -> Array:
        return self.assemble(instance).rhs

    def _beyond(self, axis: int, high: bool, missing: bool = False) -> Cells:
        """For every cell whether the one after it (``high``) or before it along an axis is kept; ``missing``: what
        counts beyond the sides of the box."""
        found = np.roll(self._kept, -1 if high else 1, axis)
        if not self.periodic[axis]:
            found[(slice(None),) * axis + (-1 if high else 0,)] = missing
        return found

    def _check(self, instance: Instance) -> None:
        """Refuse samples of which nothing is left, or u is not fixed in a region."""
        if not self._kept.any():
            raise InvalidSample("its obstacles leave no cell of the domain")
        if instance.problem.damped:
            return
        number, count = regions(self._kept, self.periodic)
        held = np.unique(number[self._held(instance) & self._kept])
        if self.null_space and count > 1:
            raise InvalidSample(f"its obstacles part the domain into {count} regions, and u is fixed in none of them")
        if not self.null_space and len(held) < count:
            raise InvalidSample(
                f"u is not fixed in {count - len(held)} of the {count} regions that its obstacles leave: they touch no "
                "side where it is given"
            )

    def _held(self, instance: Instance) -> Cells:
        """The cells at sides that fix u, and those with a reaction."""
        held = np.zeros(self.shape, dtype=bool)
        reaction = instance.terms.reaction
        if reaction is not None:
            held |= np.broadcast_to(reaction(self.points), self.shape) != 0.0
        for axis in range(self.dimension):
            for high in (False, True):
                if instance.problem.conditions[BOX_SIDES[axis][high]].fixes_level:
                    held[(slice(None),) * axis + (-1 if high else 0,)] = True
                if instance.problem.conditions[SIDE].fixes_level:
                    held |= ~self._beyond(axis, high, missing=True)
        return held

    def _diffuse(self, axis: int, k: Array, diagonal: Array, after: Array) -> None:
        resistance = 0.5 * self.spacing[axis] ** 2 / k
        face = self._open[axis] / (resistance + np.roll(resistance, -1, axis))
        diagonal += face + np.roll(face, 1, axis)
        np.negative(face, out=after)

    def _convect(self, axis: int, b: Array, diagonal: Array, before: Array, after: Array) -> None:
        half, open_ = b / (2.0 * self.spacing[axis]), self._open[axis]
        after += half * open_
        before -= np.roll(half, -1, axis) * open_
        diagonal += half * open_ - half * np.roll(open_, 1, axis)

    def _close_within(
        self, instance: Instance, axis: int, k: Array, b: Array | None, weights: Callable[[Array], Array] | None,
        diagonal: Array, rhs: Array,
    ) -> None:  # fmt: skip
        condition, data = instance.condition(SIDE)
        for high in (False, True):
            cells = self._kept & ~self._beyond(axis, high, missing=True)
            if not isinstance(condition, Dirichlet):
                value: tuple[Any, Any] = 1.0, 0.0
            else:
                faces = np.broadcast_to(data["dirichlet"](self.face_points[axis]), self.face_points[axis].shape)
                part = slice(1, None) if high else slice(None, -1)
                value = 0.0, faces[(slice(None),) * axis + (part,)][cells]
            self._through(axis, high, cells, value, k, b, weights, diagonal, rhs)

    def _complete(self, diagonal: Array, rhs: Array) -> None:
        cut = ~self._kept
        rhs[cut] = 0.0
        diagonal[cut] = np.abs(diagonal[self._kept]).max()

    def _matrix(self, values: Array) -> Matrix:
        kept = self._kept.reshape(-1)
        if self._constant is not None and np.array_equal(self._constant.values, values):
            return self._constant
        made = Matrix(self.pattern, values, self.properties, (kept.astype(float),) if self.null_space else (), {}, kept)
        if self.properties.constant:
            if self._constant is not None:
                raise FamilyError("the matrix changed between samples, though neither the family's operator_fields nor "
                                  "the obstacles are random: name all fields that enter it")  # fmt: skip
            self._constant = made
        return made

    def balanced(self, matrix: Matrix, rhs: Array) -> System:
        if not matrix.singular:
            return System(matrix, rhs)
        (kept,) = matrix.null_space
        shift = float(rhs.sum() / kept.sum())
        return System(matrix, rhs - shift * kept, shift)

    def centred(self, unknowns: Array, instance: Instance | None = None) -> Array:
        if not self.null_space:
            return unknowns
        assert instance is not None
        kept = self.kept(instance).reshape(-1)
        return np.where(kept, unknowns - unknowns[kept].mean(), 0.0)

    def to_field(self, unknowns: Array, instance: Instance) -> Array:
        return np.where(self.kept(instance), unknowns.reshape(self.shape), 0.0)

    def marked(self, fields: Array, instance: Instance) -> Array:
        return np.where(self.kept(instance), fields, np.nan)

    def spread(self, side: str, data: Function) -> Array:
        return self._spread(data(self.points)) if side == SIDE else super().spread(side, data)

    def order_of(self, instance: Instance) -> int:
        along = all(obstacle.on_faces(self.lengths, self.shape) for obstacle in self.obstacles)
        return super().order_of(instance) if along else 1

    def is_thin(self, instance: Instance) -> bool:
        return thin(self.kept(instance), self.periodic, LEAST_THICK)

    def coarsened(self) -> BoxGrid | None:
        """None also where obstacles are given on a grid: larger cells would have other ones."""
        coarser = halved(self.shape)
        if coarser is None or any(obstacle.of_grid for obstacle in self.obstacles):
            return None
        return self._other(coarser, 0.5 * self.scale)

    def _other(self, shape: tuple[int, ...], scale: float, flux: str = "") -> BoxGrid:
        known = shape, self.lengths, self.periodic, self.properties, bool(self.null_space)
        return CutBoxGrid(*known, flux or self.flux, scale, self.obstacles)

    def restrict(self, fine: Array) -> Array:
        """By cubics where all of their cells are kept, else by the mean of those of the two cells that are; NaN where
        neither is. Values of cells that are cut are NaN."""
        for axis in range(self.dimension):
            fine = self._halve(fine, axis)
        return fine

    def _halve(self, fine: Array, axis: int) -> Array:
        cubic = halve(fine, axis, self.periodic[axis])
        u = np.moveaxis(fine, axis, 0)
        even, odd = u[0::2], u[1::2]
        near = np.where(np.isnan(even), odd, np.where(np.isnan(odd), even, 0.5 * (even + odd)))
        return np.where(np.isnan(cubic), np.moveaxis(near, 0, axis), cubic)
