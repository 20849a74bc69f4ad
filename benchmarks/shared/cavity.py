"""The lid-driven cavity of Ghia, Ghia and Shin 1982, doi:10.1016/0021-9991(82)90058-4: tables I and II."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

NODES = 128
"""Their grid has so many spaces; the tables tell which of its nodes."""
ALONG_Y = (125, 124, 123, 122, 109, 94, 79, 64, 58, 36, 22, 13, 9, 8, 7)
ALONG_X = (124, 123, 122, 121, 116, 110, 103, 64, 30, 29, 20, 12, 10, 9, 8)
U = {
    100: (0.84123, 0.78871, 0.73722, 0.68717, 0.23151, 0.00332, -0.13641, -0.20581, -0.21090, -0.15662, -0.10150,
          -0.06434, -0.04775, -0.04192, -0.03717),
    1000: (0.65928, 0.57492, 0.51117, 0.46604, 0.33304, 0.18719, 0.05702, -0.06080, -0.10648, -0.27805, -0.38289,
           -0.29730, -0.22220, -0.20196, -0.18109),
}  # fmt: skip
"""By Reynolds number: the velocity along x at ``ALONG_Y`` on the vertical line through the middle."""
V = {
    100: (-0.05906, -0.07391, -0.08864, -0.10313, -0.16914, -0.22445, -0.24533, 0.05454, 0.17527, 0.17507, 0.16077,
          0.12317, 0.10890, 0.10091, 0.09233),
    1000: (-0.21388, -0.27669, -0.33714, -0.39188, -0.51550, -0.42665, -0.31966, 0.02526, 0.32235, 0.33075, 0.37095,
           0.32627, 0.30353, 0.29012, 0.27485),
}  # fmt: skip
"""The velocity along y at ``ALONG_X`` on the horizontal line through the middle."""
EXTREMES = {100: (-0.2140424, 0.1795728, -0.2538030), 1000: (-0.3885698, 0.3769447, -0.5270771)}
"""The least u, the largest and the least v on these lines: Botella and Peyret 1998,
doi:10.1016/S0045-7930(98)00002-4."""


def cavity(reynolds: int, cells: int) -> dict[str, Any]:
    """The problem of a spec; P2 elements on ``cells`` of 64 or multiples have nodes where the tables have values."""
    return {
        "family": "navier_stokes_steady", "resolution": [cells, cells], "reynolds": float(reynolds),
        "boundary": {"top": {"velocity": [1.0, 0.0]}, "default": "no_slip"},
    }  # fmt: skip


def from_tables(reynolds: int, points: NDArray[Any], velocity: NDArray[Any]) -> tuple[float, float]:
    """How far a velocity [2, n] at ``points`` [n, 2] is from the tables, at most: u and v, in units of the lid's speed.
    The tables themselves are off by 0.01 at Re = 100, and by 0.02 at 1000, as later work has shown."""
    u, v = centre_lines(points, velocity)
    pairs = ((u[list(ALONG_Y)], np.array(U[reynolds])), (v[list(ALONG_X)], np.array(V[reynolds])))
    off = [float(np.abs(found - known).max()) for found, known in pairs]
    return off[0], off[1]


def centre_lines(points: NDArray[Any], velocity: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """u at the nodes of the vertical line through the middle, v at those of the horizontal one."""
    places = {tuple(place): number for number, place in enumerate(np.rint(points * NODES * 4).astype(int).tolist())}
    middle, along = NODES * 2, range(0, NODES * 4 + 1, 4)
    u = velocity[0][[places[middle, place] for place in along]]
    return u, velocity[1][[places[place, middle] for place in along]]
