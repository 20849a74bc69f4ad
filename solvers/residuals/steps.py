"""Residuals of time steps: how far two states are from a step of a theta scheme between them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pdemill.errors import Fault, SpecError
from pdemill.solvers.residuals.residual import OfBoxes, applied, ops_of
from pdemill.solvers.residuals.terms import Grid


class Steps(OfBoxes):
    """Of linear equations in time on boxes, u_t = f + div(k grad u) - c u.

    ``residual(inputs, u)`` with states u [n, T, *space] or [n, 1, T, *space] is [n, T - 1, *space], as u has the axis
    of channels or not: for every two states that follow each other

        L(theta u_next + (1 - theta) u) - (u_next - u) / step

    with L(u) = b - A u of the cells, as of steady problems, in the units of f. ``theta`` is 1/2 (Crank and Nicolson
    1947, second order) unless it is given, 1 is the implicit Euler scheme. ``times`` [T], those of the states, are by
    default those that the spec stores. A store's own trajectories, marched by other schemes in shorter steps, leave
    over what this scheme errs by: second order in the time between states where theta is 1/2, else first. It is
    differentiable in u and in the inputs, once. The channel of the initial state is not looked at.
    """

    def __init__(self, grid: Grid, times: tuple[float, ...], theta: float) -> None:
        super().__init__(grid)
        self.times, self.theta = times, theta

    def __call__(self, inputs: Any, u: Any, times: Any = None) -> Any:
        steps = np.diff(np.asarray(self.times if times is None else times, np.float64))
        if not len(steps) or not np.all(np.isfinite(steps) & (steps > 0.0)):
            raise ValueError("times should be two or more numbers that ascend")
        self._check(inputs, u, len(steps) + 1)
        alone = len(u.shape) == len(self.shape) + 2
        states = u if alone else u[:, 0]
        now, after = states[:, :-1], states[:, 1:]
        rates = ops_of(u).constant(1.0 / steps.reshape(-1, *(1,) * len(self.shape)))
        found = applied(self._stencil(inputs[:, :, None]), self.theta * after + (1.0 - self.theta) * now)
        found = found - (after - now) * rates
        return found if alone else found[:, None]

    def energy(self, inputs: Any, u: Any) -> Any:
        raise SpecError([Fault(("problem", "time"), "is an equation in time, which has no energy that it makes least")])
