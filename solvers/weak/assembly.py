"""Residuals and derivatives of a compiled form on one mesh: numbering, packing of coefficients, and the loops."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from pdemill.points import Array
from pdemill.solvers.weak.compiling import CompiledForm
from pdemill.solvers.weak.form import WeakForm
from pdemill.solvers.weak.mesh import Ints, SimplexMesh

CELLS, FACETS = 0, 1
"""Kinds of integrals, as FFCx numbers them."""
RESIDUAL, DERIVATIVE, OUTPUTS = 0, 1, 2
"""Numbers of compiled forms; outputs have those from OUTPUTS on."""


class Numbering:
    """The values of all unknowns of a form on a mesh, channel after channel: ``channels`` [first, last) of each,
    ``cells`` [c, n] those of every cell in the order of a kernel."""

    def __init__(self, form: WeakForm, mesh: SimplexMesh) -> None:
        self.channels: list[slice] = []
        self.orders: list[int] = []
        blocks, begin = list[Ints](), 0
        for one in form.unknowns:
            nodes, count = mesh.cell_nodes(one.order), len(mesh.nodes(one.order))
            parts = []
            for _ in range(max(1, one.components)):
                self.channels.append(slice(begin, begin + count))
                self.orders.append(one.order)
                parts.append(nodes + np.int32(begin))
                begin += count
            blocks.append(np.stack(parts, axis=2).reshape(len(nodes), -1))
        self.size, self.cells = begin, np.ascontiguousarray(np.concatenate(blocks, axis=1), dtype=np.int32)


class Packed:
    """The coefficients of one sample, as kernels take them: values by name, of whole meshes or single numbers."""

    def __init__(self, values: Mapping[str, Array]) -> None:
        self.values = dict(values)


class Assembler:
    """The loops of a form over a mesh. ``number``: the unknown of each value, -1 of those that are given; ``joined``:
    the numbers of the sides that are no boundary, since they are joined with others."""

    def __init__(
        self, form: WeakForm, compiled: CompiledForm, mesh: SimplexMesh, numbering: Numbering, number: Ints,
        joined: list[int],
    ) -> None:  # fmt: skip
        self.form, self._compiled, self.mesh = form, compiled, mesh
        self.numbering, self._number, self._count = numbering, number, int(number.max(initial=-1)) + 1
        self._corners = _corners(mesh)
        self._every = np.arange(len(mesh.cells), dtype=np.int32)
        facet_cells, local = mesh.facet_places
        self._facets = {}
        for side in (-1, *range(len(mesh.side_names))):
            on = ~np.isin(mesh.sides, joined) if side < 0 else mesh.sides == side
            self._facets[side] = np.ascontiguousarray(facet_cells[on]), np.ascontiguousarray(local[on])
        self._coefficient_cells = {one.name: self._places(one.where, one.order, one.components)
                                   for one in form.coefficients if one.where != "constant"}  # fmt: skip

    def moved(self, mesh: SimplexMesh) -> Assembler:
        """The same with the points of its mesh elsewhere; patterns are shared."""
        _ = self.inner, self.form.linear or self.whole
        other = copy(self)
        other.mesh, other._corners = mesh, _corners(mesh)
        return other

    def _places(self, where: str, order: int, components: int) -> Ints:
        """Where the numbers of each cell stand among the values of a coefficient, [nodes, components] raveled."""
        nodes = self.mesh.cell_nodes(order) if where == "nodes" else self._every[:, None]
        count = max(1, components)
        return np.asarray((nodes[:, :, None] * count + np.arange(count, dtype=np.int32)).reshape(len(nodes), -1))

    @cached_property
    def whole(self) -> tuple[csr_array, Ints]:
        """The pattern of all values with each other, and where the entries of every cell's matrix stand in it."""
        return _pattern(self.numbering.cells, self.numbering.size)

    @cached_property
    def inner(self) -> tuple[csr_array, Ints]:
        """The same of the unknowns alone; -1 where an entry belongs to others."""
        return _pattern(self._number[self.numbering.cells], self._count)

    def residual(self, packed: Packed, state: Array) -> Array:
        """R(u; v) for all v, those at given values among them."""
        out = np.zeros(self.numbering.size)
        self._add(RESIDUAL, packed, state, self.numbering.cells, out)
        return out

    def sizes(self, packed: Packed, state: Array) -> Array:
        """The sums of the sizes of what cells add to R(u; v), for all v."""
        cells = self.numbering.cells
        shares = np.zeros(cells.size)
        self._add(RESIDUAL, packed, state, np.arange(cells.size, dtype=np.int32).reshape(cells.shape), shares)
        return np.bincount(cells.ravel(), weights=np.abs(shares), minlength=self.numbering.size)

    def derivative(self, packed: Packed, state: Array) -> Array:
        """The values of dR/du of the unknowns, on the pattern ``inner``."""
        pattern, places = self.inner
        out = np.zeros(len(pattern.indices))
        self._add(DERIVATIVE, packed, state, places, out)
        return out

    def whole_derivative(self, packed: Packed, state: Array) -> csr_array:
        """dR/du with the rows and columns of given values."""
        pattern, places = self.whole
        out = np.zeros(len(pattern.indices))
        self._add(DERIVATIVE, packed, state, places, out)
        return csr_array((out, pattern.indices, pattern.indptr), shape=pattern.shape)

    def integral(self, number: int, packed: Packed, state: Array) -> Array:
        """What every cell adds to an output that is written as text."""
        shares = np.zeros(len(self._every))
        self._add(OUTPUTS + number, packed, state, self._every, shares)
        return shares

    def _add(self, which: int, packed: Packed, state: Array, places: Ints, out: Array) -> None:
        weights, constants = self._weights(which, packed, state), self._constants(which, packed)
        add = self._compiled.add_matrix if which == DERIVATIVE else self._compiled.add_vector
        count = 1 if which >= OUTPUTS else self.numbering.cells.shape[1]
        for kind in (CELLS, FACETS):
            for number, side in enumerate(self._compiled.integrals(which, kind)):
                cells, local = (self._every, self._every) if kind == CELLS else self._facets[side]
                add(
                    which, kind, number, len(cells), cells.ctypes.data, local.ctypes.data,
                    self._corners.ctypes.data, self._corners.shape[1], weights.ctypes.data, weights.shape[1],
                    constants.ctypes.data, places.ctypes.data, count, out.ctypes.data,
                )  # fmt: skip

    def _weights(self, which: int, packed: Packed, state: Array) -> Array:
        cells, nothing = self.numbering.cells, not state.any()
        parts = [
            packed.values[name].ravel()[self._coefficient_cells[name]]
            if name
            else np.zeros(cells.shape)
            if nothing
            else state[cells]
            for name in self._compiled.coefficients[which]
        ]
        return np.ascontiguousarray(np.concatenate(parts, axis=1)) if parts else np.zeros((len(self._every), 1))

    def _constants(self, which: int, packed: Packed) -> Array:
        parts = [np.atleast_1d(packed.values[name]) for name in self._compiled.constants[which]]
        return np.ascontiguousarray(np.concatenate(parts), dtype=np.float64) if parts else np.zeros(1)


def _corners(mesh: SimplexMesh) -> Array:
    """The corners of every cell as kernels take them: three coordinates each."""
    corners = np.zeros((len(mesh.cells), mesh.dimension + 1, 3))
    corners[:, :, : mesh.dimension] = mesh.points[mesh.cells]
    return np.ascontiguousarray(corners.reshape(len(mesh.cells), -1))


def _pattern(cells: Ints, size: int) -> tuple[csr_array, Ints]:
    """The matrix pattern of cells whose unknowns have these numbers, with sorted rows and all diagonals, and where the
    entries [c, n, n] of each stand in it; numbers below 0 belong nowhere."""
    rows, columns = cells[:, :, None], cells[:, None, :]
    keys = np.where((rows >= 0) & (columns >= 0), rows.astype(np.int64) * size + columns, -1).ravel()
    diagonal = np.arange(size, dtype=np.int64) * (size + 1)
    found = np.unique(np.concatenate([keys[keys >= 0], diagonal]))
    places = np.where(keys >= 0, np.searchsorted(found, keys), -1).astype(np.int32)
    row, column = np.divmod(found, size)
    indptr = np.searchsorted(row, np.arange(size + 1)).astype(np.int32)
    pattern = csr_array((np.zeros(len(found)), column.astype(np.int32), indptr), shape=(size, size))
    return pattern, places.reshape(len(cells), -1)
