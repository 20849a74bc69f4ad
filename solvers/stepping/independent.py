"""Another way to march on box grids, for checks: it shares no assembly, scheme or solver with the one that is checked.

Fluxes face by face from values padded by ghost cells, and SciPy's BDF (Shampine and Reichelt 1997) with its own steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
from scipy.integrate import solve_ivp
from scipy.sparse import csc_array, diags_array, kron

from pdemill.errors import SolverError
from pdemill.points import AXES, Array, TensorPoints
from pdemill.solvers.fields.law import LawFunction
from pdemill.solvers.instance import Instance
from pdemill.solvers.operators.box import BoxGrid
from pdemill.spec.domain import BOX_SIDES
from pdemill.spec.field import Function
from pdemill.spec.terms import NOWHERE, Terms


class Independent:
    """The equation of one sample; ``rtol``: of every step."""

    def __init__(self, instance: Instance, grid: BoxGrid, rtol: float) -> None:
        self.instance, self.grid, self.rtol = instance, grid, rtol
        self._now = instance
        self.names = [unknown.name for unknown in instance.problem.solved_for]
        self._terms = (instance.terms, *instance.terms.others)

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
                k = np.broadcast_to(np.asarray(k, float), values.shape)
                if k.any():
                    total += self._diffused(values, k, axis)
                if terms.advection or terms.self_advection is not None:
                    total -= self._carried(terms, values, k, axis)
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

    def _carried(self, terms: Terms, u: Array, k: Array, axis: int) -> Array:
        """(b u + s u^2 / 2)_a along one axis, from values on both sides of its faces."""
        h = self.grid.spacing[axis]
        u, k = np.moveaxis(u, axis, 0), np.moveaxis(k, axis, 0)
        if self.grid.periodic[axis]:
            wide = np.concatenate([u[-2:], u, u[:2]])
        else:
            low, high = (
                self._at_side(side, u[end], k[end], h) for side, end in zip(BOX_SIDES[axis], (0, -1), strict=True)
            )
            outside = [2.0 * low - u[0], 2.0 * high - u[-1]]
            wide = np.concatenate([[outside[0]], [outside[0]], u, [outside[1]], [outside[1]]])
        steps = wide[1:] - wide[:-1]
        same = np.sign(steps[1:]) * np.sign(steps[:-1]) > 0.0
        both = np.where(same, steps[1:] + steps[:-1], 1.0)
        uneven = (steps[1:] - steps[:-1]) / both
        slopes = np.where(same, 2.0 * steps[1:] * steps[:-1] / both * (1.0 - uneven**8), 0.0)
        before, after = (wide[1:-1] + 0.5 * slopes)[:-1], (wide[1:-1] - 0.5 * slopes)[1:]
        if not self.grid.periodic[axis]:
            before[0], after[-1] = low, high
        flux = np.zeros_like(before)
        if terms.advection:
            b = np.moveaxis(self._on_faces(terms.advection[axis], axis), axis, 0)
            flux += np.where(b > 0.0, b * before, b * after)
        if terms.self_advection is not None:
            s = float(terms.self_advection(NOWHERE))
            both = 0.5 * s * (before * before + after * after)
            flux += 0.5 * both - 0.25 * abs(s) * (after * np.abs(after) - before * np.abs(before))
        return np.moveaxis((flux[1:] - flux[:-1]) / h, 0, axis)

    def _on_faces(self, function: Function, axis: int) -> Array:
        grid = self.grid
        places = {name: np.array(x) for name, x in grid.centres.items()}
        places[AXES[axis]] = np.linspace(0.0, grid.lengths[axis], grid.shape[axis] + 1)
        if grid.periodic[axis]:
            places[AXES[axis]][-1] = 0.0
        faces = TensorPoints(places, dict(zip(AXES, grid.lengths, strict=False)))
        return np.broadcast_to(np.asarray(function(faces), float), faces.shape)

    def _at_side(self, side: str, u: Array, k: Array, h: float) -> Array:
        """u on a side."""
        condition, data = self._now.condition(side)
        values = {name: function(self.grid.side_points[side]) for name, function in data.items()}
        match condition.kind():
            case "dirichlet":
                return np.broadcast_to(np.asarray(values["dirichlet"], float), u.shape)
            case "neumann":
                given = np.broadcast_to(np.asarray(values["neumann"], float), u.shape)
                return np.asarray(u + 0.5 * h * np.divide(given, k, out=np.zeros(u.shape), where=k > 0.0))
            case "robin":  # a u_s + k (u_s - u) / (h / 2) = g
                across = k / (0.5 * h)
                return np.asarray((values["value"] + across * u) / (values["coefficient"] + across))
        raise SolverError(f"no value is known on {condition.kind()} sides, such as {side}")

    def _entering(self, side: str, u: Array, k: Array, h: float) -> Array:
        """k du/dn at a side, over half a cell."""
        return np.asarray(k * (self._at_side(side, u, k, h) - u) / (0.5 * h))

    def _neighbours(self, channels: int) -> csc_array:
        """Which slopes depend on which values."""
        cells = int(np.prod(self.grid.shape))
        number = np.arange(cells).reshape(self.grid.shape)
        pattern = diags_array(np.ones(cells)).tocsc()
        carried = any(terms.advection or terms.self_advection is not None for terms in self._terms)
        for axis, far in product(range(number.ndim), (1, 2) if carried else (1,)):
            other = np.roll(number, far, axis)
            link = csc_array((np.ones(cells), (number.reshape(-1), other.reshape(-1))), shape=(cells, cells))
            pattern = pattern + link + link.T
        blocks = np.ones((channels, channels))
        return csc_array(kron(blocks, pattern))
