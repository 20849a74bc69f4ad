"""Weak forms on meshes of simplices: P1 and P2 elements, as discretisations of a job."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.errors import SolverError
from pdemill.points import Array, CloudPoints
from pdemill.solvers.instance import Instance, InvalidSample
from pdemill.solvers.operators.discretisation import Discretisation
from pdemill.solvers.operators.equation import DiscreteEquation
from pdemill.solvers.operators.system import Matrix, Pattern
from pdemill.solvers.weak.assembly import Assembler, Numbering, Packed
from pdemill.solvers.weak.compiling import compiled_form
from pdemill.solvers.weak.equation import LinearForm, NonlinearForm
from pdemill.solvers.weak.form import WeakForm
from pdemill.solvers.weak.levels import Level, Levels
from pdemill.solvers.weak.mesh import SimplexMesh
from pdemill.solvers.weak.ranges import extremes
from pdemill.solvers.weak.units import Units, plain_units
from pdemill.solvers.weak.unknowns import Unknowns
from pdemill.spec.field import Function
from pdemill.spec.properties import Properties

ALIKE = 1e-12
"""Difference of two entries, in units of the largest, that is rounding."""
LATTICE = 1e-7
"""Distance of nodes on joined sides, in units of the box, up to which they are the same."""


@dataclass(frozen=True)
class Fixed:
    """``given``, by side: the channels that are given there, and the names of their data; ``joined``: pairs of sides;
    ``levels``: what constraints say."""

    given: Mapping[str, tuple[tuple[int, str], ...]]
    joined: tuple[tuple[str, str], ...] = ()
    levels: tuple[Level, ...] = ()


@dataclass(frozen=True)
class Traits:
    """What the first sample shows of the matrices of a form: the units in which their blocks are of one size, and
    whether they are symmetric in these."""

    units: Units
    symmetric: bool


class WeakElements(Discretisation):
    """R(u; v) = 0 for all v that vanish where u is given, in Lagrange elements on simplices.

    Unknowns are the nodal values, channel after channel, of those that are not given; where two sides that give the
    same component meet, the data of the first one hold. Coefficients are interpolated at the nodes of the elements, or
    have one value per cell, that at its centre. A solution is stored at the nodes of the highest order; what has a
    lower one is interpolated there, exactly. L2 error O(h^2) of P1, O(h^3) of P2, for smooth solutions.
    """

    axes = ("node",)

    def __init__(
        self, form: WeakForm, mesh: SimplexMesh, fixed: Fixed, properties: Properties, traits: Traits | None = None
    ) -> None:  # fmt: skip
        self.form, self.mesh, self._fixed, self.properties = form, mesh, fixed, properties
        self.degree = max(one.order for one in form.unknowns)
        self.order = min(one.order for one in form.unknowns) + 1
        self._nodes = mesh.nodes(self.degree)
        lower, upper = mesh.points.min(axis=0), mesh.points.max(axis=0)
        self._box = tuple(lower.tolist()), tuple((upper - lower).tolist())
        self.points = self._cloud(self._nodes)
        self._centres = self._cloud(mesh.points[mesh.cells].mean(axis=1))
        self.side_points, self._side_nodes = {}, {}
        for number, side in enumerate(mesh.side_names):
            self._side_nodes[side] = mesh.side_nodes(number, self.degree)
            self.side_points[side] = self._cloud(self._nodes[self._side_nodes[side]])
        self._compiled = compiled_form(form.described())
        self.numbering = Numbering(form, mesh)
        held = np.zeros(self.numbering.size, dtype=bool)
        for side, parts in fixed.given.items():
            for channel, _ in parts:
                held[self._on_side(side, channel)[0]] = True
        same = self._joined()
        np.logical_or.at(held, same, held)
        self.unknowns = Unknowns(form, self.numbering, held[same], same)
        self.channels = tuple(part for part in self.unknowns.of_channels if part.stop > part.start)
        joined = [mesh.side_names.index(side) for pair in fixed.joined for side in pair]
        self.assembler = Assembler(form, self._compiled, mesh, self.numbering, self.unknowns.number, joined)
        pattern, _ = self.assembler.inner
        self.pattern = Pattern(pattern.indptr, pattern.indices)
        self.parts = parts_of(form)
        self._take(traits or Traits(plain_units(len(form.unknowns)), False))

    def _take(self, traits: Traits) -> None:
        self.traits, self.unknowns = traits, self.unknowns.in_units(traits.units)
        self.levels = Levels(self._fixed.levels, self.mesh, self.numbering.orders, self.unknowns)
        self.null_space = self.levels.null_space
        self.kept: dict[Any, Any] = {}
        """What samples share: the matrix of a form whose derivative is that of all."""

    def with_traits(self, traits: Traits) -> WeakElements:
        """The same with what is known of its matrices."""
        other = copy(self)
        other._take(traits)
        return other

    def _joined(self) -> NDArray[np.intp]:
        """The value that stands for each: on the first of joined sides. Raises SolverError where nodes do not meet."""
        same = np.arange(self.numbering.size)
        for low, high in self._fixed.joined:
            for channel in range(len(self.numbering.channels)):
                ones, others = self._on_side(low, channel)[0], self._on_side(high, channel)[0]
                begin = self.numbering.channels[channel].start
                ones, others = ones[self._in_line(ones - begin)], others[self._in_line(others - begin)]
                if not self._meet(ones - begin, others - begin):
                    raise SolverError(f"the nodes on {low} are not those on {high}, which is periodic with it")
                same[others] = ones
        while (same != same[same]).any():
            same = same[same]
        return same

    def _meet(self, ones: NDArray[np.intp], others: NDArray[np.intp]) -> bool:
        """Whether nodes differ along one axis alone."""
        if len(ones) != len(others):
            return False
        apart = np.abs(self._nodes[others] - self._nodes[ones]).max(axis=0)
        return int(np.count_nonzero(apart > LATTICE * np.array(self._box[1]))) <= 1

    def _in_line(self, nodes: NDArray[np.intp]) -> NDArray[np.intp]:
        """The order of the nodes of a side that is that of the opposite side of a box."""
        places = self._nodes[nodes]
        across = [axis for axis in range(self.mesh.dimension) if np.ptp(places[:, axis]) > 1e-9 * self._box[1][axis]]
        lattice = np.round(places[:, across] / np.array(self._box[1])[across] / LATTICE)
        return np.lexsort(lattice.T)

    def _cloud(self, points: Array) -> CloudPoints:
        return CloudPoints(np.ascontiguousarray(points.T), *self._box)

    def _on_side(self, side: str, channel: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The numbers of a channel's values on a side, and their places among the points of that side."""
        whole, nodes = self.numbering.channels[channel], self._side_nodes[side]
        inside = np.flatnonzero(nodes < whole.stop - whole.start)
        return nodes[inside] + whole.start, inside

    @cached_property
    def weights(self) -> Array:  # type: ignore[override]
        """Shares of the volume around the nodes, of the free unknowns."""
        share = np.zeros(len(self._nodes))
        nodes = self.mesh.cell_nodes(1)
        for corner in nodes.T:
            np.add.at(share, corner, self.mesh.volumes / nodes.shape[1])
        return np.concatenate([share[: c.stop - c.start] for c in self.numbering.channels])[self.unknowns.free]

    def variation(self, unknowns: Array) -> float:
        return self.unknowns.variation(unknowns)

    def relative(self, error: Array, unknowns: Array) -> float:
        return self.unknowns.relative(error, unknowns)

    def residual(self, packed: Packed, whole: Array) -> Array:
        """R(u; v) of all values, with the test functions of the unknowns."""
        return self.unknowns.tested(self.assembler.residual(packed, whole))

    def derivative(self, packed: Packed, whole: Array) -> Array:
        """The values of its derivative on the pattern."""
        return self.unknowns.scale(self.assembler.derivative(packed, whole), self.pattern)

    def matrix(self, values: Array) -> Matrix:
        """The matrix of such values."""
        symmetric = self.traits.symmetric and self._is_symmetric(values)
        properties = replace(self.properties, symmetric=True) if symmetric else self.properties
        return Matrix(self.pattern, values, properties, self.null_space)

    @cached_property
    def _transposed(self) -> NDArray[np.intp]:
        """Where the entry (j, i) stands for each entry (i, j)."""
        template = self.pattern.template.copy()
        template.data = np.arange(len(template.data), dtype=float)
        turned = template.T.tocsr()
        turned.sort_indices()
        return np.asarray(turned.data.astype(np.intp))

    def _is_symmetric(self, values: Array) -> bool:
        """Whether values are those of a symmetric matrix, but for rounding."""
        apart = values[self._transposed]
        apart -= values
        return max(float(apart.max()), -float(apart.min())) <= ALIKE * max(float(values.max()), -float(values.min()))

    def centred(self, unknowns: Array, instance: Instance | None = None) -> Array:
        return self.levels.settled(unknowns)

    def equation(self, instance: Instance) -> DiscreteEquation:
        packed, given = self.packed(instance), self.given(instance)
        if self.form.linear:
            return LinearForm.of(self, packed, given)
        return NonlinearForm(self, packed, given)

    def packed(self, instance: Instance) -> Packed:
        """The coefficients of a sample."""
        values: dict[str, Array] = {}
        for one in self.form.coefficients:
            points = self._centres if one.where == "cells" else self.points
            parts = [function(points) for function in instance.drawn(one.drawn or one.name)]
            if one.where == "constant":
                values[one.name] = np.array([float(part) for part in parts])
                continue
            whole = [np.broadcast_to(part, points.shape) for part in parts]
            if one.where == "nodes" and one.order == 2 and one.name in self.form.in_operator:
                for part in whole:
                    self._keeps_its_sign(one.drawn or one.name, part)
            values[one.name] = np.stack(whole, axis=1)
        return Packed(values)

    def _keeps_its_sign(self, name: str, nodal: Array) -> None:
        """Raise InvalidSample where a coefficient has one sign at all nodes and the other somewhere between them."""
        sign = 1.0 if nodal.min() > 0.0 else -1.0
        if (sign * nodal).min() <= 0.0:
            return
        least, _ = extremes(sign * nodal, self.mesh.cell_nodes(2), self.mesh.dimension)
        if least <= 0.0:
            raise InvalidSample(
                f"{name} has one sign at all nodes, and reaches {sign * least:.3g} between them, as P2 elements "
                f"interpolate it: name it in 'cellwise', or make the mesh finer"
            )

    def given(self, instance: Instance) -> Array:
        """All values of a sample, 0 where they are not given."""
        whole = np.zeros(self.numbering.size)
        for side in reversed(self.mesh.side_names):
            data = instance.sides[side]
            for channel, name in self._fixed.given.get(side, ()):
                places, inside = self._on_side(side, channel)
                found = np.broadcast_to(data[name](self.side_points[side]), self.side_points[side].shape)
                whole[places] = found[inside]
        return self.unknowns.shared(whole)

    def completed(self, unknowns: Array, given: Array) -> Array:
        """All values, from the unknowns and the given ones."""
        return self.unknowns.completed(unknowns, given)

    def to_fields(self, unknowns: Array, instance: Instance) -> Array:
        whole = self.completed(unknowns, self.given(instance))
        return np.stack([self._at_nodes(whole[channel]) for channel in self.numbering.channels])

    def _at_nodes(self, values: Array) -> Array:
        if len(values) == len(self._nodes):
            return values
        return np.concatenate([values, values[self.mesh.edges].mean(axis=1)])

    def settle(self, stored: NDArray[Any]) -> None:
        for field, channel in zip(stored, self.numbering.channels, strict=True):
            if (count := channel.stop - channel.start) < len(self._nodes):
                field[count:] = field[self.mesh.edges].astype(np.float64).mean(axis=1)

    def from_fields(self, fields: Array) -> Array:
        parts = [field[: c.stop - c.start] for field, c in zip(fields, self.numbering.channels, strict=True)]
        return self.unknowns.among(np.concatenate(parts))

    def spread(self, side: str, data: Function) -> Array:
        return np.broadcast_to(data(self.points), self.points.shape)

    def refined(self) -> WeakElements:
        return WeakElements(self.form, self.mesh.refined(), self._fixed, self.properties, self.traits)

    def restrict(self, fine: Array) -> Array:
        return fine[: len(self._nodes)]

    def arrays(self) -> Mapping[str, tuple[tuple[str, ...], NDArray[np.float64] | NDArray[np.int32]]]:
        return self.mesh.arrays(self.degree)


def parts_of(form: WeakForm) -> tuple[slice, ...]:
    """The channels of each unknown."""
    found, begin = [], 0
    for one in form.unknowns:
        end = begin + max(1, one.components)
        found.append(slice(begin, end))
        begin = end
    return tuple(found)


def units_of(grid: WeakElements, instance: Instance) -> Units:
    """The units in which the blocks of the derivative of a sample, at its start, are of one size."""
    unknowns = grid.unknowns
    if len(unknowns.kinds) == 1:
        return unknowns.units
    try:
        packed, given = grid.packed(instance), grid.given(instance)
    except InvalidSample:
        return unknowns.units
    with np.errstate(all="ignore"):
        return unknowns.balanced(grid.assembler.derivative(packed, given), grid.pattern)
