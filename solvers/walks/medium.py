"""A medium whose coefficients vary smoothly, as delta tracking sees it.

With U = √k u and q = ln k,

    -∇·(k ∇u) + c u = f    becomes    -ΔU + σ' U = f / √k,    σ' = c/k + Δq/2 + |∇q|²/4

(Sawhney, Seyb, Jarosz and Crane 2022, equation 14). σ' may be negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.walks.tables import GHOSTS, Raster, Spline, axes_of, make_raster, sharpen

NODES = {2: 513, 3: 129}
"""Nodes per axis of a table. In the plane the bias of u is below 1e-5 for ten periods of k across the domain, in space
for three (``tables``)."""


class MediumTable(NamedTuple):
    """Lookup table for compiled code: ``values`` [n, n(, n), 2] holds σ' and 1/√k, sharpened for linear interpolation;
    ``root`` [n, n(, n)] holds √k for cubic interpolation."""

    grid: Raster
    values: NDArray[np.float32]
    root: NDArray[np.float32]


class Medium:
    """k > 0 and c >= 0 by their values on a tensor grid that covers the domain's bounding box.

    axes: one increasing array of places per dimension; k, c: values there, c = 0 if it is left out. Between the places
    ln k and c are quintic splines: the grid has to resolve k well, with a dozen places per period or more.
    """

    def __init__(self, axes: Sequence[ArrayLike], k: ArrayLike, c: ArrayLike | None = None) -> None:
        conductivity: Array = np.asarray(k, float)
        if not (conductivity > 0).all():
            raise SolverError("delta tracking needs a coefficient k > 0 everywhere")
        if c is not None and not (np.asarray(c, float) >= 0).all():
            raise SolverError("delta tracking needs a coefficient c >= 0 everywhere")
        if len(axes) not in NODES:
            raise SolverError("delta tracking knows domains of two and three dimensions only")
        self.dimension = len(axes)
        places = [np.asarray(axis, float) for axis in axes]
        self.lower, self.upper = np.array([p.min() for p in places]), np.array([p.max() for p in places])
        self.q = Spline(axes, np.log(conductivity))
        self.c = None if c is None else Spline(axes, c)

    def check_covers(self, lower: Array, upper: Array) -> None:
        """Refuse a box that the medium's tensor grid does not cover."""
        slack = 1e-9 * (self.upper - self.lower)
        if (lower < self.lower - slack).any() or (upper > self.upper + slack).any():
            raise SolverError("the coefficients' grid has to cover the domain's bounding box")

    def root(self, points: ArrayLike) -> Array:
        """√k at points [..., d]; shape [...]."""
        return np.exp(0.5 * self.q(points))

    def root_on(self, axes: Sequence[Array]) -> Array:
        """√k on a tensor grid."""
        return np.exp(0.5 * self.q.on(axes))

    def sigma(self, axes: Sequence[Array]) -> Array:
        """σ' on a tensor grid."""
        q = self.q
        units = np.eye(self.dimension, dtype=int).tolist()
        sigma = sum(q.on(axes, [2 * i for i in unit]) / 2 + q.on(axes, unit) ** 2 / 4 for unit in units)
        if self.c is not None:
            sigma = sigma + self.c.on(axes) * np.exp(-q.on(axes))
        return np.asarray(sigma)

    @cached_property
    def table(self) -> MediumTable:
        """The table of ``NODES`` nodes per axis."""
        return self.table_of(NODES[self.dimension])

    @property
    def extremes(self) -> tuple[float, float]:
        """The largest and the smallest σ' in the table."""
        sigma = self.table.values[..., 0]
        return float(sigma.max()), float(sigma.min())

    def table_of(self, nodes: int) -> MediumTable:
        """The table of ``nodes`` nodes per axis; splines run on a little beyond the box, where sharpening reads."""
        grid = make_raster(self.lower, self.upper, nodes)
        wide = axes_of(grid, GHOSTS)
        root = self.root_on(wide)
        values = np.stack([sharpen(self.sigma(wide)), sharpen(1 / root)], axis=-1).astype(np.float32)
        inside = (slice(GHOSTS, -GHOSTS),) * self.dimension
        return MediumTable(grid, values, np.ascontiguousarray(root[inside], dtype=np.float32))
