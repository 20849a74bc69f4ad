"""Weak forms on meshes of simplices: P1 and P2 elements, as discretisations of a job."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array, CloudPoints
from pdemill.solvers.instance import Instance, InvalidSample
from pdemill.solvers.operators.discretisation import Discretisation
from pdemill.solvers.operators.equation import DiscreteEquation
from pdemill.solvers.operators.system import Matrix, Pattern
from pdemill.solvers.weak.assembly import Assembler, Numbering, Packed
from pdemill.solvers.weak.compiling import compiled_form
from pdemill.solvers.weak.equation import LinearForm, NonlinearForm
from pdemill.solvers.weak.form import Reaction, WeakForm
from pdemill.solvers.weak.joining import check_meeting, partners, standing
from pdemill.solvers.weak.layer_check import check_layers
from pdemill.solvers.weak.layers import Layers
from pdemill.solvers.weak.levels import Level, Levels, Outside
from pdemill.solvers.weak.mesh import Ints, SimplexMesh
from pdemill.solvers.weak.morph import Carrier, draws_in_space, quality
from pdemill.solvers.weak.motions import node_blocks, rigid_motions
from pdemill.solvers.weak.nested import Near, near
from pdemill.solvers.weak.ranges import extremes
from pdemill.solvers.weak.symmetry import asymmetry
from pdemill.solvers.weak.units import Units, plain_units
from pdemill.solvers.weak.unknowns import Unknowns
from pdemill.spec.field import Function
from pdemill.spec.properties import Properties

ALIKE = 1e-12
"""Difference of two entries, in units of the largest, that is rounding."""


@dataclass(frozen=True)
class Fixed:
    """``given``, by side: the channels that are given there, and the names of their data; ``joined``: pairs of sides;
    ``levels``: what constraints say; ``layers`` of waves."""

    given: Mapping[str, tuple[tuple[int, str], ...]]
    joined: tuple[tuple[str, str], ...] = ()
    levels: tuple[Level, ...] = ()
    layers: Layers | None = None


@dataclass(frozen=True)
class Traits:
    """What the first sample shows of the matrices of a form: the units in which their blocks are of one size, whether
    they are symmetric in these, and positive definite; whether diagonal entries are 0. ``shown``: that it was looked
    at."""

    units: Units
    symmetric: bool = False
    definite: bool = False
    hollow: bool = False
    shown: bool = False


POINTS, QUALITY = "points", "mesh_quality"
"""Arrays of samples with a mesh of their own: the nodes, and the least quality of the cells."""
REFINED = "refined"


class WeakElements(Discretisation):
    """R(u; v) = 0 for all v that vanish where u is given, in Lagrange elements on simplices.

    Unknowns are the nodal values, channel after channel, of those that are not given; where two sides that give the
    same component meet, the data of the first one hold. Coefficients are interpolated at the nodes of the elements, or
    have one value per cell, that at its centre. A solution is stored at the nodes of the highest order; what has a
    lower one is interpolated there, exactly. L2 error O(h^2) of P1, O(h^3) of P2, for smooth solutions.

    With a ``morph`` the mesh is a template, which ``of`` carries to the shapes of a sample; numbering and pattern are
    those of all samples. Curves are made of straight edges, which leaves O(h^2).
    """

    axes = ("node",)
    _curves: Any = None
    """The shapes of the sample whose mesh it is."""

    def __init__(
        self, form: WeakForm, mesh: SimplexMesh, fixed: Fixed, properties: Properties, traits: Traits | None = None,
        morph: Carrier[Any] | None = None,
    ) -> None:  # fmt: skip
        self.form, self._fixed, self.properties, self.morph = form, fixed, properties, morph
        self.degree = max(one.order for one in form.unknowns)
        self.order = min(one.order for one in form.unknowns) + 1 if morph is None and not form.reduced else 2
        lower, upper = mesh.points.min(axis=0), mesh.points.max(axis=0)
        self._box = (tuple(lower.tolist()), tuple((upper - lower).tolist())) if morph is None else morph.box
        self._side_nodes = {side: mesh.side_nodes(n, self.degree) for n, side in enumerate(mesh.side_names)}
        self._template = mesh
        self._settle_at(mesh)
        self._compiled = compiled_form(form.described())
        self.numbering = Numbering(form, mesh)
        held = np.zeros(self.numbering.size, dtype=bool)
        for side, parts in fixed.given.items():
            for channel, _ in parts:
                held[self._on_side(side, channel)[0]] = True
        same = self._joined()
        self._met = np.flatnonzero(held & (same != np.arange(len(same))))
        np.logical_or.at(held, same, held)
        self.unknowns = Unknowns(form, self.numbering, held[same], same)
        self.channels = tuple(part for part in self.unknowns.of_channels if part.stop > part.start)
        joined = [mesh.side_names.index(side) for pair in fixed.joined for side in pair]
        self.assembler = Assembler(form, self._compiled, mesh, self.numbering, self.unknowns.number, joined)
        pattern, _ = self.assembler.inner
        self.pattern = Pattern(pattern.indptr, pattern.indices)
        self.parts = parts_of(form)
        self._take(traits or Traits(plain_units(len(form.unknowns))))

    def _take(self, traits: Traits) -> None:
        self.traits, self.unknowns = traits, self.unknowns.in_units(traits.units)
        blocks = node_blocks(self.form, self.numbering, self.unknowns)
        self.pattern = replace(self.pattern, definite=traits.definite, dimension=self.mesh.dimension, blocks=blocks)
        self.levels = self._levels()
        self.null_space = self.levels.null_space
        self.kept: dict[Any, Any] = {}
        """What samples share: the matrix of a form whose derivative is that of all."""

    def _levels(self) -> Levels:
        return Levels(self._fixed.levels, self.mesh, self.numbering.orders, self.unknowns)

    def with_traits(self, traits: Traits) -> WeakElements:
        """The same with what is known of its matrices."""
        other = copy(self)
        other._take(traits)
        return other

    def _joined(self) -> NDArray[np.intp]:
        """The value that stands for each: on the first of joined sides."""
        same, lengths = np.arange(self.numbering.size), np.array(self._box[1])
        for low, high in self._fixed.joined:
            for channel, values in enumerate(self.numbering.channels):
                ones, others = (self._on_side(side, channel)[0] - values.start for side in (low, high))
                ones, others = partners(self._nodes, ones, others, lengths)
                same[others + values.start] = ones + values.start
        return standing(same)

    def _settle_at(self, mesh: SimplexMesh) -> None:
        """Take the points of a mesh."""
        self.mesh, self._nodes = mesh, mesh.nodes(self.degree)
        regions = mesh.node_regions(self.degree)
        self.points = self._cloud(self._nodes, regions)
        self._centres = self._cloud(mesh.points[mesh.cells].mean(axis=1), mesh.regions)
        self.side_points = {
            side: self._cloud(self._nodes[nodes], None if regions is None else regions[nodes])
            for side, nodes in self._side_nodes.items()
        }

    def _cloud(self, points: Array, regions: Ints | None = None) -> CloudPoints:
        lasting = self.morph is None or not self.morph.moves  # else they are those of one sample
        lower, lengths = self._box
        found = CloudPoints(np.ascontiguousarray(points.T), lower, lengths, lasting=lasting, regions=regions)
        found.of_sample = not lasting
        return found

    def of(self, instance: Instance) -> WeakElements:
        if self.morph is None or not self.morph.moves or self._curves is not None:
            return self
        if self not in instance.grids:
            curves = self.morph.drawn(instance.draw)
            if draws_in_space(instance.problem):
                self.morph.check_within(curves)
            instance.grids[self] = self._at(curves)
        found: WeakElements = instance.grids[self]
        return found

    def _at(self, curves: Any) -> WeakElements:
        """The same at the shapes of a sample."""
        assert self.morph is not None
        mesh, other = self.morph.moved(self.mesh, curves), copy(self)
        for name in ("weights", "_middles"):
            other.__dict__.pop(name, None)
        other._curves, other._template = curves, self.mesh
        other._settle_at(mesh)
        other.assembler = self.assembler.moved(mesh)
        try:
            other.levels = other._levels()
        except Outside as fault:
            raise InvalidSample(f"the point of a constraint, {fault}") from None
        return other

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
        return Matrix(self.pattern, values, properties, self.null_space, motions=self.motions)

    def motions(self) -> tuple[Array, ...]:
        """Motions that energies hardly feel, at the nodes of its mesh."""
        points = [self.mesh.nodes(order) for order in range(1, self.degree + 1)]
        joined = [side for pair in self._fixed.joined for side in pair]
        return rigid_motions(self.form, self.numbering, self.unknowns, points, joined)

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
        apart, largest = asymmetry(values, self._transposed)
        return bool(apart <= ALIKE * largest)

    def centred(self, unknowns: Array, instance: Instance | None = None) -> Array:
        return (self if instance is None else self.of(instance)).levels.settled(unknowns)

    def equation(self, instance: Instance) -> DiscreteEquation:
        grid = self.of(instance)
        packed, given = grid.packed(instance), grid.given(instance)
        if self._fixed.layers is not None:
            check_layers(self._fixed.layers, grid, self._fixed.given, packed, instance)
        if self.form.linear:
            return LinearForm.of(grid, packed, given)
        return NonlinearForm(grid, packed, given)

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
        for name, values in zip(self.form.channels, self.numbering.channels, strict=True):
            met = self._met[(self._met >= values.start) & (self._met < values.stop)]
            check_meeting(name, whole[met], self.unknowns.shared(whole)[met], whole[values])
        return self.unknowns.shared(whole)

    def completed(self, unknowns: Array, given: Array) -> Array:
        """All values, from the unknowns and the given ones."""
        return self.unknowns.completed(unknowns, given)

    def to_fields(self, unknowns: Array, instance: Instance) -> Array:
        whole = self.completed(unknowns, self.of(instance).given(instance))
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

    def outputs(self, unknowns: Array, instance: Instance) -> tuple[Array, Array]:
        if not self.form.outputs:
            return super().outputs(unknowns, instance)
        grid = self.of(instance)
        packed, whole = grid.packed(instance), self.completed(unknowns, grid.given(instance))
        shares, texts = list[Array](), 0
        for one in self.form.outputs.values():
            if isinstance(one, Reaction):
                places, _ = self._on_side(one.side, self.form.channels.index(one.channel))
                shares.append(one.scale * grid.assembler.residual(packed, whole)[places])
            else:
                shares.append(grid.assembler.integral(texts, packed, whole))
                texts += 1
        return np.array([share.sum() for share in shares]), np.array([np.abs(share).sum() for share in shares])

    def spread(self, side: str, data: Function) -> Array:
        return np.broadcast_to(data(self.points), self.points.shape)

    def refined(self) -> WeakElements:
        return WeakElements(self.form, self._refined_template, self._fixed, self.properties, self.traits, self.morph)

    @property
    def _refined_template(self) -> SimplexMesh:
        mesh = self._template.refined()
        return mesh if self.morph is None else self.morph.snapped(mesh)

    @cached_property
    def _middles(self) -> Near:
        """Where the middles of edges are in the refined mesh: its curves have nodes that are not there."""
        assert self.morph is not None
        if REFINED not in self.kept:
            self.kept[REFINED] = self._refined_template
        fine: SimplexMesh = self.kept[REFINED]
        fine = fine if self._curves is None else self.morph.moved(fine, self._curves)
        count = len(self.mesh.points)
        return near(fine, count, self._nodes[count:])

    def restrict(self, fine: Array) -> Array:
        if self.morph is None or self.degree == 1:
            return fine[: len(self._nodes)]
        return np.concatenate([fine[: len(self.mesh.points)], self._middles.of(fine)])

    def own_layout(self) -> Mapping[str, tuple[tuple[int, ...], tuple[str, ...]]]:
        if self.morph is None or not self.morph.moves:
            return {}
        return {POINTS: (self._nodes.shape, ("node", "axis")), QUALITY: ((), ())}

    def own(self) -> Mapping[str, Array]:
        return {POINTS: self._nodes, QUALITY: np.asarray(quality(self.mesh).min())} if self.own_layout() else {}

    def arrays(self) -> Mapping[str, tuple[tuple[str, ...], NDArray[np.float64] | NDArray[np.int32]]]:
        return self._template.arrays(self.degree)


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
        own = grid.of(instance)
        packed, given = own.packed(instance), own.given(instance)
    except InvalidSample:
        return unknowns.units
    with np.errstate(all="ignore"):
        return unknowns.balanced(own.assembler.derivative(packed, given), grid.pattern)
