"""The base of grids and meshes, whatever the equation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array, Points
from pdemill.solvers.instance import Instance
from pdemill.solvers.operators.equation import DiscreteEquation, LinearEquation
from pdemill.solvers.operators.norms import Euclidean
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.spec.field import Function


class Discretisation(Euclidean, ABC):
    """A grid or mesh with everything that all samples of a job share.

    A subclass for linear equations of one scalar defines ``assemble``, ``to_field`` and ``to_unknowns``; any other one
    ``equation``, ``to_fields`` and ``from_fields``. Each three follow from the others.
    """

    pattern: Pattern
    points: Points
    """Where stored fields live."""
    side_points: dict[str, Points]
    """Where the data of each side is evaluated."""
    weights: Array
    """The integral of each basis function, per row scaling of the system."""
    axes: tuple[str, ...]
    """Dimension names of a stored field."""
    order: int
    """Order of convergence in the cell size, for smooth solutions."""
    null_space: tuple[Array, ...] = ()
    """A basis of the null space that all matrices share: the constants, where u is not fixed on any side."""

    def of_schema(self, schema: int) -> Discretisation:
        """The one by which stores of an older schema were made."""
        return self

    def of(self, instance: Instance) -> Discretisation:
        """The one of a sample, where samples have points of their own; raises InvalidSample."""
        return self

    def own_layout(self) -> Mapping[str, tuple[tuple[int, ...], tuple[str, ...]]]:
        """What is stored of the places of each sample, by name: shapes and names of axes."""
        return {}

    def own(self) -> Mapping[str, Array]:
        """These, of that of a sample."""
        return {}

    def order_of(self, instance: Instance) -> int:
        """The order that estimates of the error of a sample assume: ``order``, where the sample has no say."""
        return self.order

    def equation(self, instance: Instance) -> DiscreteEquation:
        """The discrete equation of one sample; raises InvalidSample."""
        return LinearEquation(self.assemble(instance))

    def assemble(self, instance: Instance) -> System:
        """The linear system of one sample, the first one where the equation is not linear; raises InvalidSample."""
        equation = self.equation(instance)
        return equation.linearised(equation.start())

    def to_field(self, unknowns: Array, instance: Instance) -> Array:
        """Values of a scalar at ``points`` from the unknowns of a solved system."""
        (field,) = self.to_fields(unknowns, instance)
        return np.asarray(field)

    def to_unknowns(self, field: Array) -> Array:
        """The unknowns among the values of a scalar at ``points``."""
        return self.from_fields(field[None])

    @property
    def solution_shape(self) -> tuple[int, ...]:
        """The shape of one channel of a solution."""
        return self.points.shape

    @property
    def solution_axes(self) -> tuple[str, ...]:
        """The names of its axes."""
        return self.axes

    def to_fields(self, unknowns: Array, instance: Instance) -> Array:
        """The channels of the solution [C, ...] from the unknowns of a solved equation."""
        return self.to_field(unknowns, instance)[None]

    def settle(self, stored: NDArray[Any]) -> None:
        """Make the values of a solution that follow from others [C, ...], in place, from those as they are stored."""

    def from_fields(self, fields: Array) -> Array:
        """The unknowns among the channels of a solution."""
        (field,) = fields
        return self.to_unknowns(field)

    def outputs(self, unknowns: Array, instance: Instance) -> tuple[Array, Array]:
        """The outputs of a sample, one number each, in the order of the problem's ``output_names``, and the size of
        what was added up for each."""
        return np.empty(0), np.empty(0)

    def cell_peclet(self, instance: Instance) -> float:
        """The largest |b| h / k of a sample over its cells; NaN without convection, and where cells have no size."""
        return float("nan")

    @abstractmethod
    def spread(self, side: str, data: Function) -> Array:
        """Data of a side as a field at ``points``, for a channel of the store."""

    @abstractmethod
    def refined(self) -> Discretisation:
        """The same domain with cells of half the size."""

    def coarsened(self) -> Discretisation | None:
        """The same domain with cells of twice the size, of which this one is the refined one; None where there is
        none."""
        return None

    @abstractmethod
    def restrict(self, fine: Array) -> Array:
        """Values at ``points`` from a field of the refined discretisation, exact for cubics on grids."""

    def restrict_fields(self, fine: Array) -> Array:
        """The same for all channels of a solution."""
        return self.restrict(fine[0])[None] if len(fine) == 1 else np.stack([self.restrict(part) for part in fine])

    @abstractmethod
    def arrays(self) -> Mapping[str, tuple[tuple[str, ...], NDArray[np.float64] | NDArray[np.int32]]]:
        """Arrays that the store keeps once: dimension names and values of coordinates, or of points and cells."""

    def balanced(self, matrix: Matrix, rhs: Array) -> System:
        """The system; a singular one after its source has been shifted so that it has a solution."""
        if not matrix.singular:
            return System(matrix, rhs)
        shift = float(rhs.sum() / self.weights.sum())
        return System(matrix, rhs - shift * self.weights, shift)

    def marked(self, fields: Array, instance: Instance) -> Array:
        """The channels of a solution, NaN where the domain is cut out."""
        return fields

    def is_thin(self, instance: Instance) -> bool:
        """Whether obstacles or gaps of a sample are thinner than its cells resolve."""
        return False

    def centred(self, unknowns: Array, instance: Instance | None = None) -> Array:
        """The solution with zero mean, where constants are free. ``instance``: its sample, where the domain differs
        from sample to sample."""
        if not self.null_space:
            return unknowns
        return np.asarray(unknowns - (self.weights @ unknowns) / self.weights.sum())
