"""Another assembly of equations on box grids, for checks: flux by flux, from values padded by ghost cells."""

from __future__ import annotations

from typing import Any

import numpy as np

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.fields.law import LawFunction
from pdemill.solvers.instance import Instance
from pdemill.spec.domain import BOX_SIDES


def residual_by_faces(grid: Any, instance: Instance, unknowns: Array) -> Array:
    """f - c u - r(u) + div(a k(u) grad u) in the cells of a box grid; k(u) below 0 counts as 0."""
    terms, u = instance.terms, unknowns.reshape(grid.shape)
    total = np.broadcast_to(np.asarray(terms.source(grid.points), float), u.shape).copy()
    if terms.reaction is not None:
        total -= terms.reaction(grid.points) * u
    if isinstance(terms.law, LawFunction):
        total -= terms.law.at(grid.points, {"u": u})[0]
    k = np.ones(u.shape)
    if isinstance(terms.diffusion_law, LawFunction):
        k = np.maximum(terms.diffusion_law.at(grid.points, {"u": u})[0], 0.0)
    for axis in range(u.ndim):
        function = terms.diffusion[axis if len(terms.diffusion) > 1 else 0]
        a = np.broadcast_to(np.asarray(function(grid.points), float), u.shape)
        along = [np.moveaxis(part, axis, 0) for part in (u, a, k)]
        flux = _fluxes(grid, instance, axis, *along)
        total += np.moveaxis((flux[1:] - flux[:-1]) / grid.spacing[axis], 0, axis)
    return np.asarray(total.reshape(-1))


def _fluxes(grid: Any, instance: Instance, axis: int, u: Array, a: Array, k: Array) -> Array:
    """a k du/dx at all layers of faces along an axis, the first one included."""
    h = grid.spacing[axis]
    if grid.periodic[axis]:
        u, a, k = (np.concatenate([part[-1:], part, part[:1]]) for part in (u, a, k))
    inside = 2.0 * a[:-1] * a[1:] / (a[:-1] + a[1:]) * (k[:-1] + k[1:]) / 2.0 * (u[1:] - u[:-1]) / h
    if grid.periodic[axis]:
        return np.asarray(inside)
    first, last = (
        _leaving(grid, instance, side, h / 2.0, u[end], a[end], k[end])
        for side, end in zip(BOX_SIDES[axis], (0, -1), strict=True)
    )
    return np.concatenate([-first[None], inside, last[None]])


def _leaving(grid: Any, instance: Instance, side: str, half: float, u: Array, a: Array, k: Array) -> Array:
    """a k du/dn at a side, which is half a cell away."""
    condition, data = instance.condition(side)
    points = grid.side_points[side]
    values = {name: np.broadcast_to(np.asarray(f(points), float), u.shape) for name, f in data.items()}
    match condition.kind():
        case "dirichlet":
            g = values["dirichlet"]
            law = instance.terms.diffusion_law
            k_side = np.ones(u.shape)
            if isinstance(law, LawFunction):
                k_side = np.maximum(law.at(points, {"u": g})[0], 0.0)
            return np.asarray(a * (k + k_side) / 2.0 * (g - u) / half)
        case "neumann":
            return values["neumann"]
        case "robin":
            at_side = (values["value"] + a * k / half * u) / (values["coefficient"] + a * k / half)
            return np.asarray(a * k / half * (at_side - u))
    raise SolverError(f"no flux is known through {condition.kind()} sides, such as {side}")
