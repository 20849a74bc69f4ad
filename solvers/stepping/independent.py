"""Another way to march on box grids, for checks: it shares no assembly, scheme or solver with the one that is checked.

Fluxes face by face from values padded by ghost cells, and SciPy's BDF (Shampine and Reichelt 1997) with its own steps.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.integrate import solve_ivp
from scipy.sparse import csc_array, diags_array, kron

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.fields.law import LawFunction
from pdemill.solvers.instance import Instance
from pdemill.solvers.operators.box import BoxGrid
from pdemill.spec.domain import BOX_SIDES


class Independent:
    """The equation of one sample; ``rtol``: of every step."""

    def __init__(self, instance: Instance, grid: BoxGrid, rtol: float) -> None:
        self.instance, self.grid, self.rtol = instance, grid, rtol
        self._now = instance
        self.names = [unknown.name for unknown in instance.problem.solved_for]

    def march(self, fields: Array, interval: float, begin: float) -> Array:
        """The channels [C, *shape] after an interval from the time ``begin``; NaN where the integration fails."""
        size = float(np.abs(fields - fields.mean()).max()) or 1.0

        def slope(t: float, u: Array) -> Array:
            return self.slopes(t, u.reshape(fields.shape)).reshape(-1)

        with np.errstate(all="ignore"):  # SciPy's begins with memory as it is
            found = solve_ivp(
                slope, (begin, begin + interval), fields.reshape(-1), "BDF", (begin + interval,), rtol=self.rtol,
                atol=1e-2 * self.rtol * size, jac_sparsity=self._neighbours(len(fields)),
            )  # fmt: skip
        return found.y[:, -1].reshape(fields.shape) if found.success else np.full_like(fields, np.nan)

    def slopes(self, t: float, u: Array) -> Array:
        """u_t for the channels [C, *shape] at the time t."""
        self._now = self.instance.at_time(t)
        whole, points = self._now.terms, self.grid.points
        made = np.empty_like(u)
        for channel, (terms, values) in enumerate(zip((whole, *whole.others), u, strict=True)):
            total = np.broadcast_to(np.asarray(terms.source(points), float), values.shape).copy()
            if terms.reaction is not None:
                total -= terms.reaction(points) * values
            for axis in range(values.ndim):
                k = terms.diffusion[axis if len(terms.diffusion) > 1 else 0](points)
                total += self._diffused(values, np.broadcast_to(np.asarray(k, float), values.shape), axis)
            made[channel] = total
        if isinstance(whole.law, LawFunction):
            known: Mapping[str, Array] = dict(zip(self.names, u, strict=True))
            made -= whole.law.at(points, known)
        return made

    def _diffused(self, u: Array, k: Array, axis: int) -> Array:
        """(k u_a)_a along one axis: the difference of the fluxes at the two faces of a cell."""
        h = self.grid.spacing[axis]
        u, k = np.moveaxis(u, axis, 0), np.moveaxis(k, axis, 0)
        flux = np.empty((len(u) + 1, *u.shape[1:]))
        flux[1:-1] = 2.0 / (1.0 / k[:-1] + 1.0 / k[1:]) * (u[1:] - u[:-1]) / h
        low, high = BOX_SIDES[axis]
        if self.grid.periodic[axis]:
            flux[0] = flux[-1] = 2.0 / (1.0 / k[-1] + 1.0 / k[0]) * (u[0] - u[-1]) / h
        else:
            flux[0] = -self._entering(low, u[0], k[0], h)
            flux[-1] = self._entering(high, u[-1], k[-1], h)
        return np.moveaxis((flux[1:] - flux[:-1]) / h, 0, axis)

    def _entering(self, side: str, u: Array, k: Array, h: float) -> Array:
        """k du/dn at a side, over half a cell."""
        condition, data = self._now.condition(side)
        values = {name: function(self.grid.side_points[side]) for name, function in data.items()}
        match condition.kind():
            case "dirichlet":
                return np.asarray(k * (values["dirichlet"] - u) / (0.5 * h))
            case "neumann":
                return np.broadcast_to(np.asarray(values["neumann"], float), u.shape)
            case "robin":  # a u_s + k (u_s - u) / (h / 2) = g
                across = k / (0.5 * h)
                at_side = (values["value"] + across * u) / (values["coefficient"] + across)
                return np.asarray(across * (at_side - u))
        raise SolverError(f"no flux is known through {condition.kind()} sides, such as {side}")

    def _neighbours(self, channels: int) -> csc_array:
        """Which slopes depend on which values."""
        cells = int(np.prod(self.grid.shape))
        number = np.arange(cells).reshape(self.grid.shape)
        pattern = diags_array(np.ones(cells)).tocsc()
        for axis in range(number.ndim):
            other = np.roll(number, 1, axis)
            link = csc_array((np.ones(cells), (number.reshape(-1), other.reshape(-1))), shape=(cells, cells))
            pattern = pattern + link + link.T
        blocks = np.ones((channels, channels))
        return csc_array(kron(blocks, pattern))
