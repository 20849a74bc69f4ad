"""Sparse linear systems and what a discretisation must offer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from pdemill.points import Array, Points
from pdemill.spec.field import Function
from pdemill.spec.problem import Properties
from solvers.instance import Instance


@dataclass(frozen=True, eq=False)
class Pattern:
    """The sparsity of a job's matrices: rows in ``indptr``, sorted columns in ``indices``, all diagonals present.

    ``shape``: cells along each axis where the unknowns form a grid, the last axis running fastest; else empty.
    """

    indptr: NDArray[np.int32]
    indices: NDArray[np.int32]
    shape: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        return len(self.indptr) - 1

    @cached_property
    def template(self) -> csr_array:
        """A SciPy matrix on this pattern, checked once; its values mean nothing."""
        return csr_array((np.zeros(len(self.indices)), self.indices, self.indptr), shape=(self.size, self.size))


@dataclass(frozen=True, eq=False)
class Matrix:
    """Values on a pattern. Two systems have the same matrix exactly when they hold the same object."""

    pattern: Pattern
    values: Array
    properties: Properties

    def sparse(self) -> csr_array:
        """The matrix as SciPy knows it, sharing memory."""
        matrix = copy(self.pattern.template)
        matrix.data = self.values
        return matrix


@dataclass(frozen=True, eq=False)
class System:
    """A u = b for one sample.

    ``shift`` is what was subtracted from the source so that a singular system has a solution. ``guess`` is where an
    iteration may begin.
    """

    matrix: Matrix
    rhs: Array
    shift: float = 0.0
    guess: Array | None = None


class Discretisation(ABC):
    """A grid or mesh with everything that all samples of a job share."""

    pattern: Pattern
    points: Points
    """Where stored fields live."""
    side_points: dict[str, Points]
    """Where the data of each side is evaluated."""
    weights: Array
    """The integral of each basis function, per row scaling of the system: null-space weights."""
    axes: tuple[str, ...]
    """Dimension names of a stored field."""
    order: int
    """Order of convergence in the cell size, for smooth solutions."""

    @abstractmethod
    def assemble(self, instance: Instance) -> System:
        """The system of one sample; raises InvalidSample."""

    @abstractmethod
    def to_field(self, unknowns: Array, instance: Instance) -> Array:
        """Values at ``points`` from the unknowns of a solved system."""

    @abstractmethod
    def to_unknowns(self, field: Array) -> Array:
        """The unknowns among the values at ``points``."""

    @abstractmethod
    def spread(self, side: str, data: Function) -> Array:
        """Data of a side as a field at ``points``, for a channel of the store."""

    @abstractmethod
    def refined(self) -> Discretisation:
        """The same domain with cells of half the size."""

    @abstractmethod
    def restrict(self, fine: Array) -> Array:
        """Values at ``points`` from a field of the refined discretisation, exact for cubics on grids."""

    @abstractmethod
    def arrays(self) -> Mapping[str, tuple[tuple[str, ...], NDArray[np.float64] | NDArray[np.int32]]]:
        """What the store keeps once: dimension names and values of coordinates, or of points and cells."""

    def balanced(self, matrix: Matrix, rhs: Array) -> System:
        """The system; a singular one after its source has been shifted so that it has a solution."""
        if not matrix.properties.singular:
            return System(matrix, rhs)
        shift = float(rhs.sum() / self.weights.sum())
        return System(matrix, rhs - shift * self.weights, shift)

    def centred(self, unknowns: Array, properties: Properties) -> Array:
        """The solution with zero mean, where constants are free."""
        if not properties.singular:
            return unknowns
        return np.asarray(unknowns - (self.weights @ unknowns) / self.weights.sum())
