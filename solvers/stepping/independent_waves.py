"""Another way to march waves, for checks: fluxes face by face, and SciPy's DOP853 with its own steps."""

from __future__ import annotations

import numpy as np
from scipy.integrate import solve_ivp

from pdemill.points import Array
from pdemill.solvers.stepping.independent import Independent
from pdemill.spec.domain import BOX_SIDES


class IndependentWaves(Independent):
    """The wave equation of one sample; ``rtol``: of every step."""

    _rate: Array

    def march(self, fields: Array, interval: float, begin: float) -> Array:
        size = float(np.abs(fields).max()) or 1.0

        def slope(t: float, y: Array) -> Array:
            return self.slopes(t, y.reshape(fields.shape)).reshape(-1)

        end = begin + interval
        with np.errstate(all="ignore"):
            found = solve_ivp(
                slope, (begin, end), fields.reshape(-1), "DOP853", (end,), rtol=self.rtol, atol=1e-2 * self.rtol * size
            )
        return found.y[:, -1].reshape(fields.shape) if found.success else np.full_like(fields, np.nan)

    def slopes(self, t: float, u: Array) -> Array:
        """u_t and v_t for u and v, at the time t."""
        self._now = self.instance.at_time(t)
        terms, points = self._now.terms, self.grid.points
        values, self._rate = u
        assert terms.speed is not None
        assert terms.damping is not None
        total = np.zeros_like(values)
        for axis in range(values.ndim):
            k = terms.diffusion[axis if len(terms.diffusion) > 1 else 0](points)
            total += self._diffused(values, np.broadcast_to(np.asarray(k, float), values.shape), axis)
        total *= np.square(terms.speed(points))
        total += terms.source(points) - terms.damping(points) * self._rate
        return np.stack([self._rate, total])

    def _entering(self, side: str, u: Array, k: Array, h: float) -> Array:
        if self._now.condition(side)[0].kind() != "absorbing":
            return super()._entering(side, u, k, h)
        axis, high = next((axis, pair.index(side)) for axis, pair in enumerate(BOX_SIDES) if side in pair)
        cells = self._rate if high == 0 else np.flip(self._rate, axis)
        at_side = 1.5 * np.take(cells, 0, axis) - 0.5 * np.take(cells, 1, axis)
        assert self._now.terms.speed is not None
        speed = np.broadcast_to(self._now.terms.speed(self.grid.points), self._rate.shape)
        return np.asarray(-np.sqrt(k) / np.take(speed, -1 if high else 0, axis) * at_side)
