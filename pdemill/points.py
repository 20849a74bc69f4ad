"""Sets of points on which functions are evaluated: tensor products and clouds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import copy
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

type Array = NDArray[np.float64]

AXES = ("x", "y", "z")
MOST_AXES = 20
FAR_AXES = tuple(f"x{number}" for number in range(1, MOST_AXES + 1))
"""Names of the axes where there are more than three."""


def axis_names(dimension: int) -> tuple[str, ...]:
    """x, y, z; from four dimensions on x1, x2, ..."""
    return AXES[:dimension] if dimension <= len(AXES) else FAR_AXES[:dimension]


class Basis(ABC):
    """Functions on the unit interval, of which products make a series on a box."""

    @abstractmethod
    def matrix(self, s: Array, modes: int) -> Array:
        """Functions 0..modes-1 at points s in [0, 1], shape (points, modes)."""

    def at_centres(self, coefficients: Array, shape: tuple[int, ...]) -> Array | None:
        """The series at the centres of equal cells, where there is a faster way than matrices."""
        return None


class Points(ABC):
    """Where to evaluate: coordinates by name, and fast sums of tensor-product series.

    A series lives on the unit cube: coordinate s = (x - origin) / length on each of ``dimension`` axes.
    Matrices of basis functions are kept with the points, so that a job evaluates them once.
    """

    dimension: int
    free: tuple[str, ...]
    """Names of the axes along which the points spread: those of the series."""
    lasting = True
    """Whether they are used again and again, so that functions remember their values on them."""
    of_sample = False
    """Whether they are those of one sample: functions that are drawn for it remember their values on them."""
    shape: tuple[int, ...]
    extent: tuple[float, ...]
    """Length of each axis of the series."""
    lower: tuple[float, ...]
    """Where each axis of the series starts."""
    regions: NDArray[np.int32] | None = None
    """Of points of a mesh with inclusions: 0, or 1 + the number of the inclusion that a point is in."""

    def __init__(self) -> None:
        self._matrices: dict[tuple[Basis, int, int], Array] = {}

    @cached_property
    @abstractmethod
    def coordinates(self) -> Mapping[str, Array]:
        """x, y, z as arrays that broadcast to ``shape``."""

    @abstractmethod
    def fraction(self, name: str) -> Array:
        """How far along the domain's axis ``name`` each point lies, 0 to 1; broadcasts to ``shape``."""

    @abstractmethod
    def unit(self, axis: int) -> Array:
        """The unit coordinate s of one axis, one-dimensional."""

    @abstractmethod
    def expand(self, basis: Basis, coefficients: Array) -> Array:
        """sum over m of coefficients[m] * prod over axes of basis_m(s), shape ``shape``."""

    def at_time(self, t: float) -> Points:
        """The same points with the coordinate t as well, to be used once."""
        other = copy(self)
        other.__dict__["coordinates"] = {**self.coordinates, "t": np.asarray(t)}
        other.lasting = False
        return other

    def matrix(self, axis: int, basis: Basis, modes: int) -> Array:
        """basis functions 0..modes-1 at the points of an axis, shape (points, modes)."""
        key = (basis, axis, modes)
        if key not in self._matrices:
            self._matrices[key] = np.ascontiguousarray(basis.matrix(self.unit(axis), modes))
        return self._matrices[key]


class TensorPoints(Points):
    """The product of one-dimensional point sets; ``fixed`` holds the coordinates of a face of a box.

    ``centres`` says that the points of every axis are the centres of equal cells; ``origin`` is the box's lower corner,
    by default 0.
    """

    def __init__(
        self,
        axes: Mapping[str, Array],
        lengths: Mapping[str, float],
        fixed: Mapping[str, float] | None = None,
        centres: bool = False,
        origin: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.centres = centres
        self._origin = dict(origin or {})
        self.axes, self.fixed, self._lengths = dict(axes), dict(fixed or {}), dict(lengths)
        self.free = tuple(self.axes)
        self.extent = tuple(lengths[name] for name in self.axes)
        self.dimension = len(self.axes)
        self.lower = tuple(self._origin.get(name, 0.0) for name in self.axes)
        self.shape = tuple(len(points) for points in self.axes.values())

    @cached_property
    def coordinates(self) -> Mapping[str, Array]:
        grids = np.meshgrid(*self.axes.values(), indexing="ij", sparse=True) if self.axes else []
        moving = dict(zip(self.axes, grids, strict=True))
        return moving | {name: np.asarray(value) for name, value in self.fixed.items()}

    def fraction(self, name: str) -> Array:
        return np.asarray((self.coordinates[name] - self._origin.get(name, 0.0)) / self._lengths[name])

    def unit(self, axis: int) -> Array:
        return (list(self.axes.values())[axis] - self.lower[axis]) / self.extent[axis]

    def expand(self, basis: Basis, coefficients: Array) -> Array:
        if self.centres and (values := basis.at_centres(coefficients, self.shape)) is not None:
            return values
        total = coefficients
        for axis in range(self.dimension):
            matrix = self.matrix(axis, basis, coefficients.shape[axis])
            total = np.asarray(np.tensordot(total, matrix, axes=(0, 1)))
        return total


class CloudPoints(Points):
    """Any points inside a bounding box: ``positions`` has shape (axes, ...).

    ``fixed`` numbers an axis along which the points do not spread, for points on a side of a box; ``lasting`` False
    says that they are used once.
    """

    def __init__(
        self,
        positions: Array,
        origin: tuple[float, ...],
        lengths: tuple[float, ...],
        fixed: int | None = None,
        lasting: bool = True,
        regions: NDArray[np.int32] | None = None,
    ) -> None:
        super().__init__()
        self.positions, self.lasting, self.regions = positions, lasting, regions
        self._box = dict(zip(axis_names(len(positions)), zip(origin, lengths, strict=True), strict=True))
        self.free = tuple(name for axis, name in enumerate(self._box) if axis != fixed)
        self.lower, self.extent = (tuple(self._box[name][end] for name in self.free) for end in (0, 1))
        self.dimension = len(self.free)
        self.shape = positions.shape[1:]

    @cached_property
    def coordinates(self) -> Mapping[str, Array]:
        return dict(zip(self._box, self.positions, strict=True))

    def fraction(self, name: str) -> Array:
        lower, length = self._box[name]
        return np.asarray((self.coordinates[name] - lower) / length)

    def unit(self, axis: int) -> Array:
        return np.asarray(self.fraction(self.free[axis]).ravel())

    def expand(self, basis: Basis, coefficients: Array) -> Array:
        total = self.matrix(0, basis, coefficients.shape[0]) @ coefficients.reshape(coefficients.shape[0], -1)
        for axis in range(1, self.dimension):
            modes = coefficients.shape[axis]
            total = np.einsum("pm,pmr->pr", self.matrix(axis, basis, modes), total.reshape(len(total), modes, -1))
        return np.asarray(total).reshape(self.shape)
