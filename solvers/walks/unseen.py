"""What the walks from a point may not have shown yet: the least variance that the data on the boundary let one expect.

Close to the boundary nearly all walks end at once, and the few that carry the variance may not have come; then all
walks agree, and their variance says nothing. But of the walks that begin at x, at the distance d from the boundary, an
area A of it at the distance r from x ends about the share

    2 A d / (ω r^m),   ω the area of the unit sphere in m dimensions,

which is exact in a half-space. Where the domain is not convex, other sides let walks go on or coefficients vary, walks
get away more easily: in the plane by √(r / d) at most (Beurling's theorem), which is taken there.

What n walks may not have shown is the part of the boundary with the highest values or the lowest, whichever is worse,
on which 2 of n walks end. Missing a part then is an error of more than two standard errors only if 2.8 of n walks end
on it, and such a part is missed once in seventeen times. Where walks vary by less than half of what that part adds, it
is taken to be missing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.walks.control import Control
from pdemill.solvers.walks.data import Data
from pdemill.solvers.walks.equation import Equation
from pdemill.solvers.walks.shapes.spheres import sphere_area
from pdemill.solvers.walks.shares import extremes

MISSED = 2.0
"""Walks that may be missing."""
RIM_SAMPLES = 256
"""Places on the boundary where its data are taken."""


class Unseen:
    """Walks for u at points [P, m] of one sample, and what they may end with."""

    def __init__(self, data: Data, points: Array, equation: Equation, control: Control | None = None) -> None:
        geometry, held, medium = data.geometry, np.array(data.held), equation.medium
        places, sides = geometry.boundary(RIM_SAMPLES)
        places, sides = places[held[sides]], sides[held[sides]]
        values = data.on_sides(places, sides)
        if control is not None:
            values = values - control.value(places)
        if medium is not None:
            values = values * medium.root(places)
        order = np.argsort(values, kind="stable")
        area = sum(geometry.measure(side) for side, ends in zip(geometry.sides, data.held, strict=True) if ends)
        self._geometry, self._points, self._medium, self._control = geometry, points, medium, control
        self._places, self._values = places[order], values[order]
        self._scale = 2.0 * area / max(len(places), 1) / sphere_area(geometry.dimension, 1.0)
        self._halves = 2 * geometry.dimension - (0 if geometry.convex and medium is None else 1)

    def raised(
        self, variance: Array, rows: NDArray[np.intp], mean: Array, walks: NDArray[np.int64], worth: Array | float = 1.0
    ) -> Array:
        """The variances [p] of means at some points; of what their walks have not shown where they are too small.

        ``mean`` [p]: u, as the walks have it. ``worth`` [p]: what a difference of 1 in the u that a walk ends with is
        worth in that of which the variances are.
        """
        if not self._values.size:
            return variance
        if self._control is not None:
            mean = mean - self._control.value(self._points[rows])
        if self._medium is not None:  # walks carry √k u
            root = self._medium.root(self._points[rows])
            mean, worth = mean * root, worth / root
        furthest = np.maximum(mean - self._values[0], self._values[-1] - mean)
        low = np.flatnonzero(2.0 * variance < MISSED * (worth * furthest / walks) ** 2)
        if not low.size:
            return variance
        points, found, missing = self._points[rows[low]], np.empty(len(low)), np.zeros(len(rows))
        extremes(
            points, self._geometry.distance(points), mean[low], MISSED / walks[low], self._places, self._values,
            self._scale, self._halves, found,
        )  # fmt: skip
        missing[low] = found / walks[low]
        return np.maximum(variance, worth**2 * missing - variance)
