"""Stars: polygons about a centre whose radius is a trigonometric polynomial of the angle."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pdemill.errors import SolverError
from pdemill.solvers.walks.shapes.polygon import Polygon


class Star(Polygon):
    """r(t) = R (1 + sum_m a_m cos(m t) + b_m sin(m t)), m = 1, 2, ..., as a polygon with ``edges`` equal angles.

    cosines, sines: a_m and b_m, of the same length or shorter. One side, ``boundary``. Refuses radii that are not
    positive everywhere.
    """

    def __init__(
        self,
        cosines: ArrayLike = (),
        sines: ArrayLike = (),
        radius: float = 1.0,
        centre: ArrayLike = (0.0, 0.0),
        edges: int = 1000,
        resolution: int = 256,
    ) -> None:
        t = 2.0 * np.pi * np.arange(edges) / edges
        a, b = np.asarray(cosines, np.float64), np.asarray(sines, np.float64)
        r = 1.0 + np.cos(np.outer(t, 1 + np.arange(len(a)))) @ a + np.sin(np.outer(t, 1 + np.arange(len(b)))) @ b
        if not r.min() > 0.0:
            raise SolverError(
                f"a star's radius falls to {radius * r.min():g} at the angle {t[r.argmin()]:.3g}, but has to be "
                "positive everywhere: make the amplitudes smaller"
            )
        corners = np.asarray(centre, np.float64) + (radius * r)[:, None] * np.stack([np.cos(t), np.sin(t)], axis=1)
        super().__init__(corners, names=("boundary",) * edges, resolution=resolution)
