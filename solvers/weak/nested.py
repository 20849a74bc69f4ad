"""Values of P2 functions at places that are near a vertex of their mesh."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pdemill.points import Array
from pdemill.solvers.weak.mesh import EDGES, Ints, SimplexMesh


class Near(NamedTuple):
    """By place: the nodes [m, 6 or 10] that a value comes from, and their weights."""

    nodes: Ints
    weights: Array

    def of(self, values: Array) -> Array:
        """The values there, from those at the nodes."""
        return np.asarray((values[self.nodes] * self.weights).sum(axis=1))


def near(mesh: SimplexMesh, first: int, places: Array) -> Near:
    """Place i [m, d] is near the vertex ``first`` + i: in one of the cells about it, or so little outside that the
    polynomial of the nearest one holds."""
    d = mesh.dimension
    cell, corner = np.nonzero(mesh.cells >= first)
    wanted = mesh.cells[cell, corner] - first
    inside = barycentric(mesh.points[mesh.cells[cell]], places[wanted])
    order = np.lexsort((cell, -inside.min(axis=1), wanted))
    _, best = np.unique(wanted[order], return_index=True)
    chosen = order[best]
    return Near(mesh.cell_nodes(2)[cell[chosen]], quadratic(inside[chosen], d))


def barycentric(corners: Array, places: Array) -> Array:
    """The barycentric coordinates [m, d + 1] of places [m, d] in cells [m, d + 1, d]."""
    spans = (corners[:, 1:] - corners[:, :1]).swapaxes(1, 2)
    others = np.linalg.solve(spans, (places - corners[:, 0])[..., None])[..., 0]
    return np.concatenate([1.0 - others.sum(axis=1, keepdims=True), others], axis=1)


def quadratic(inside: Array, d: int) -> Array:
    """The basis of P2 [m, 6 or 10] at barycentric coordinates, nodes numbered as Basix does."""
    middles = np.stack([4.0 * inside[:, i] * inside[:, j] for i, j in EDGES[d]], axis=1)
    return np.concatenate([inside * (2.0 * inside - 1.0), middles], axis=1)
