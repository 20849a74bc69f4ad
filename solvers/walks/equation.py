"""The equation of one sample as walks see it: constant coefficients, or a medium that varies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pdemill.errors import SolverError
from pdemill.points import Array, CloudPoints, Points, TensorPoints, axis_names
from pdemill.solvers.walks.geometry import Geometry
from pdemill.solvers.walks.medium import Medium
from pdemill.spec.field import Function
from pdemill.spec.problem import Terms

PLACES = {2: 257, 3: 65}
"""Places per axis at which a coefficient that varies is read."""


@dataclass(frozen=True)
class Equation:
    """-∇·(k ∇u) + c u = f. Either ``medium``, or the constants ``k`` and ``c``."""

    k: float = 1.0
    c: float = 0.0
    medium: Medium | None = None

    @property
    def screening(self) -> float:
        """λ of -Δu + λ u = f / k, where k and c are constants."""
        return self.c / self.k

    def applied(self, places: Array, value: Array, gradient: Array, laplacian: Array) -> Array:
        """-∇·(k ∇v) + c v at places [n, d], from v [n], ∇v [n, d] and Δv [n] there."""
        if self.medium is None:
            return np.asarray(self.c * value - self.k * laplacian)
        q = self.medium.q
        k = np.exp(q(places))
        found = -k * (laplacian + (q.gradient(places) * gradient).sum(axis=-1))
        return np.asarray(found if self.medium.c is None else found + self.medium.c(places) * value)


def equation_of(terms: Terms, geometry: Geometry) -> Equation:
    """The equation of a sample; raises InvalidSample where a coefficient is not finite all over the bounding box."""
    if len(terms.diffusion) != 1 or terms.convection:
        raise SolverError("walks take one coefficient k for all axes, and no convection")
    (diffusion,), reaction = terms.diffusion, terms.reaction
    lower, extent = tuple(map(float, geometry.lower)), tuple(map(float, geometry.extent))
    somewhere = CloudPoints(geometry.somewhere.T, lower, extent, lasting=False)
    k, c = _number(diffusion, somewhere), 0.0 if reaction is None else _number(reaction, somewhere)
    if k is not None and c is not None:
        return Equation(k, c)
    unit = np.linspace(0.0, 1.0, PLACES[geometry.dimension])
    axes = [low + size * unit for low, size in zip(geometry.lower, geometry.extent, strict=True)]
    tables = [on_axes(f, geometry, axes) for f in (diffusion, reaction) if f is not None]
    return Equation(medium=Medium(axes, *tables))


def _number(function: Function, points: Points) -> float | None:
    """The value of a function that is the same everywhere; None of one that varies."""
    value = function(points)
    return None if isinstance(value, np.ndarray) else float(value)


def on_axes(function: Function, geometry: Geometry, axes: Sequence[Array]) -> Array:
    """Values of a function on the tensor product of axes, which may reach beyond the bounding box."""
    names = axis_names(geometry.dimension)
    sizes, origin = (dict(zip(names, map(float, end), strict=True)) for end in (geometry.extent, geometry.lower))
    points = TensorPoints(dict(zip(names, axes, strict=True)), sizes, origin=origin)
    points.lasting = False
    return np.array(np.broadcast_to(function(points), points.shape), dtype=float)
