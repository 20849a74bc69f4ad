"""Unknowns that a form determines but for constants: the null space of its matrices, and the levels that are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.instance import InvalidSample
from pdemill.solvers.weak.mesh import SimplexMesh
from pdemill.solvers.weak.nested import barycentric, quadratic
from pdemill.solvers.weak.unknowns import Unknowns

ROUNDING = 1e-10
"""What sums that should be 0 may be, in units of the sum of sizes."""
INSIDE = 1e-9
"""How far outside of a cell a point may be, in units of the cell."""


@dataclass(frozen=True)
class Level:
    """The ``value`` of a channel's mean over the domain, or ``at`` a point; ``name``: of the channel."""

    name: str
    channel: int
    value: float
    at: tuple[float, ...] | None = None


class Outside(SolverError):
    """A point that lies in no cell."""


class Levels:
    """The constants that constraints fix. ``null_space``: 1 at the unknowns of each channel, else 0."""

    def __init__(self, levels: Sequence[Level], mesh: SimplexMesh, orders: Sequence[int], unknowns: Unknowns) -> None:
        self._levels = tuple(levels)
        self._parts = [unknowns.of_channels[one.channel] for one in levels]
        self._scales = [unknowns.column(one.channel) for one in levels]
        self._weights = [
            unknowns.gathered(one.channel, _weights(mesh, orders[one.channel], one.at))[part]
            for one, part in zip(levels, self._parts, strict=True)
        ]
        self.null_space = tuple(_ones(unknowns.count, part) for part in self._parts)
        self.names = tuple(one.name for one in levels)

    def settled(self, found: Array) -> Array:
        """The solution whose levels are those that the constraints give."""
        if not self._levels:
            return found
        found = found.copy()
        for one, part, scale, weights in zip(self._levels, self._parts, self._scales, self._weights, strict=True):
            found[part] += one.value / scale - weights @ found[part] / weights.sum()
        return found

    def fault(self, matrix: csr_array) -> str:
        """The channel whose constants are not in the null space of a matrix and of its transpose; empty where all
        are."""
        for name, null in zip(self.names, self.null_space, strict=True):
            for one in (matrix, matrix.T):
                left, sizes = np.abs(one @ null), abs(one) @ null
                if not left.max(initial=0.0) <= ROUNDING * sizes.max(initial=0.0):
                    return name
        return ""

    def check(self, matrix: csr_array, load: Array) -> None:
        """Raise InvalidSample where a linear system has no solution, or only one."""
        if name := self.fault(matrix):
            raise InvalidSample(f"its form determines the level of {name}, and problem.constraints gives another one")
        for name, part in zip(self.names, self._parts, strict=True):
            total, size = float(load[part].sum()), float(np.abs(load[part]).sum())
            if not abs(total) <= ROUNDING * size:
                raise InvalidSample(
                    f"its loads on {name} are not in balance: they sum up to {abs(total) / size:.1e} of their sizes; "
                    "an equation that does not feel the level has a solution only if that is 0"
                )

    def in_balance(self, load: Array, sizes: Array) -> bool:
        """Whether the sums of a load are rounding, by the sizes of what it is made of."""
        return all(abs(load[part].sum()) <= ROUNDING * sizes[part].sum() for part in self._parts)

    def balanced(self, load: Array) -> Array:
        """A load without what rounding leaves of its sums."""
        if not self._levels:
            return load
        load = load.copy()
        for part in self._parts:
            load[part] -= load[part].mean()
        return load


def _ones(count: int, part: slice) -> Array:
    found = np.zeros(count)
    found[part] = 1.0
    return found


def _weights(mesh: SimplexMesh, order: int, at: tuple[float, ...] | None) -> Array:
    """The numbers by which nodal values are multiplied and summed up to give the mean, or the value at a point."""
    nodes, d = mesh.cell_nodes(order), mesh.dimension
    found = np.zeros(len(mesh.nodes(order)))
    if at is None:
        corner, middle = (1.0 / (d + 1), 0.0) if order == 1 else (0.0, 1.0 / 3.0) if d == 2 else (-0.05, 0.2)
        share = np.full(nodes.shape[1], middle)
        share[: d + 1] = corner
        np.add.at(found, nodes, mesh.volumes[:, None] * share / mesh.volumes.sum())
        return found
    places = barycentric(mesh.points[mesh.cells], np.array(at)[None, :])
    cell = int(np.argmax(places.min(axis=1)))
    place = places[cell]
    if place.min() < -INSIDE:
        raise Outside(f"({', '.join(f'{x:g}' for x in at)}) is outside of the domain")
    found[nodes[cell]] = place if order == 1 else quadratic(place[None, :], d)[0]
    return found
