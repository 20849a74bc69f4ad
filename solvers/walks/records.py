"""Records of walks: where they ended, one point of the source, and with which weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array


@dataclass(frozen=True, eq=False)
class Records:
    """W walks from each of P points in d dimensions; the data are evaluated on them afterwards, all at once.

    u(x) = E[weight g(exit) + source_weight f(source)] solves -Δu + λ u = f with u = g on the boundary.
    """

    exit: Array
    """[P, W, d]: the point of the boundary nearest to where the walk stopped."""
    element: NDArray[np.int32]
    """[P, W]: the element of the boundary that ``exit`` lies on; -1 if the walk was cut off at ``max_steps``."""
    weight: Array
    """[P, W]: 1, or with screening the share of walkers that got that far."""
    steps: NDArray[np.int32]
    """[P, W]: number of spheres."""
    source: Array | None = None
    """[P, W, d]: one point, chosen among one per sphere with probability in proportion to the spheres' weights."""
    source_weight: Array | None = None
    """[P, W]: the sum of the spheres' weights."""

    @property
    def truncated(self) -> NDArray[np.intp]:
        """[P]: number of walks cut off; their exits are where the boundary was nearest, a bias that no stderr shows."""
        return np.asarray((self.element < 0).sum(axis=1))

    def values(self, g: Array, f: Array | float = 0.0) -> Array:
        """[P, W]: estimates of u from g at the exits and f at the sources, both [P, W]."""
        value = self.weight * g
        return value if self.source_weight is None else np.asarray(value + self.source_weight * f)


@dataclass(frozen=True, eq=False)
class GradientRecords:
    """Walks for ∇u(x) = E[direction (slope v + ball_weight f(ball))], v = ``walks.values(g, f)`` of the walks.

    The walks begin after their first step, on the sphere of radius R about x; their weights are those from there.
    Subtracting from v any number that does not depend on the walks (the mean over other walks, say) changes no
    expectation, since E[direction] = 0, and lowers the variance.
    """

    walks: Records
    direction: Array
    """[P, W, d]: unit vectors of the first steps."""
    slope: Array
    """[P]: d / R, with screening times the throughput of the ball in d + 2 dimensions."""
    ball: Array
    """[P, W, d]: a point of the first ball along ``direction``."""
    ball_weight: Array
    """[P, W]: at most R."""

    def values(
        self, g: Array, f: Array | float = 0.0, f_ball: Array | float = 0.0, centre: Array | float = 0.0
    ) -> Array:
        """[P, W, d]: estimates of ∇u from g and f as in ``Records.values``, f at ``ball``, and a number per point."""
        value = self.walks.values(g, f) - np.broadcast_to(centre, len(self.slope))[:, None]
        return np.asarray(self.direction * (self.slope[:, None] * value + self.ball_weight * f_ball)[..., None])
