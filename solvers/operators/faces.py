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
    """f - c u - r(u) + div(a k(u) grad u) in the cells of a box grid."""
    terms, u = instance.terms, unknowns.reshape(grid.shape)
    total = np.broadcast_to(np.asarray(terms.source(grid.points), float), u.shape).copy()
    if terms.reaction is not None:
        total -= terms.reaction(grid.points) * u
    if isinstance(terms.law, LawFunction):
        total -= terms.law.at(grid.points, {"u": u})[0]
    k = np.ones(u.shape)
    if isinstance(terms.diffusion_law, LawFunction):
        k = terms.diffusion_law.at(grid.points, {"u": u})[0]
    for axis in range(u.ndim):
        function = terms.diffusion[axis if len(terms.diffusion) > 1 else 0]
        a = np.broadcast_to(np.asarray(function(grid.points), float), u.shape)
        along = [np.moveaxis(part, axis, 0) for part in (u, a, k)]
        flux = np.stack([_flux(grid, instance, axis, face, *along) for face in range(grid.shape[axis] + 1)])
        total += np.moveaxis(np.diff(flux, axis=0) / grid.spacing[axis], 0, axis)
    return np.asarray(total.reshape(-1))


def _flux(grid: Any, instance: Instance, axis: int, face: int, u: Array, a: Array, k: Array) -> Array:
    """a k du/dx at one layer of faces, those before cell number ``face`` along an axis."""
    h, cells = grid.spacing[axis], len(u)
    if 0 < face < cells or grid.periodic[axis]:
        one, other = face - 1, face % cells
        mean = 2.0 * a[one] * a[other] / (a[one] + a[other])
        return np.asarray(mean * (k[one] + k[other]) / 2.0 * (u[other] - u[one]) / h)
    side, cell = BOX_SIDES[axis][face > 0], -1 if face else 0
    outwards = 1.0 if face else -1.0
    return np.asarray(outwards * _leaving(grid, instance, side, h / 2.0, u[cell], a[cell], k[cell]))


def _leaving(grid: Any, instance: Instance, side: str, half: float, u: Array, a: Array, k: Array) -> Array:
    """a k du/dn at a side, which is half a cell away."""
    condition, data = instance.condition(side)
    points = grid.side_points[side]
    values = {name: np.broadcast_to(np.asarray(f(points), float), u.shape) for name, f in data.items()}
    match condition.kind():
        case "dirichlet":
            g = values["dirichlet"]
            law = instance.terms.diffusion_law
            k_side = law.at(points, {"u": g})[0] if isinstance(law, LawFunction) else np.ones(u.shape)
            return np.asarray(a * (k + k_side) / 2.0 * (g - u) / half)
        case "neumann":
            return values["neumann"]
        case "robin":
            at_side = (values["value"] + a * k / half * u) / (values["coefficient"] + a * k / half)
            return np.asarray(a * k / half * (at_side - u))
    raise SolverError(f"no flux is known through {condition.kind()} sides, such as {side}")
