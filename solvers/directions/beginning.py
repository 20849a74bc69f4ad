"""The weights that training begins with."""

from __future__ import annotations

import numpy as np

from pdemill.points import Array
from pdemill.solvers.directions.network import Architecture, linear

DAMPING = 0.8
"""Of Jacobi's iteration."""


def begun(architecture: Architecture, seed: int = 0) -> dict[str, Array]:
    """Weights that make a V-cycle with damped Jacobi smoothers, sums on the way down and linear interpolation on the
    way up; kernels and hidden numbers that have no say yet lead on from there."""
    rng = np.random.default_rng(seed)
    dimension, count = architecture.dimension, architecture.kernels
    found: dict[str, Array] = {}
    for name, shape in architecture.shapes.items():
        level, part = name.split(".")
        value = np.zeros(shape)
        if part == "kernels":
            value.reshape(len(value), count, -1)[:, 0, 3**dimension // 2] = 1.0
            for k in range(1, count):
                value[:, k] = _neighbours(dimension) if k == 1 else rng.normal(0.0, 0.1, shape[2:])
        elif part in ("W1", "b1"):
            value = rng.normal(0.0, 1.0, shape)
        elif part == "b2":
            smoothed = architecture.smoothers(int(level)) * count
            value[:smoothed:count] = DAMPING
            value[smoothed:] = 1.0
        elif part == "down":
            value[(slice(1, 3),) * dimension] = 1.0
        elif part == "up":
            value = linear(dimension)
        elif part == "scale":
            value[:] = np.sqrt(0.5)
        found[name] = value
    return found


def _neighbours(dimension: int) -> Array:
    """The mean of the neighbours along the axes."""
    value = np.zeros((3,) * dimension)
    for axis in range(dimension):
        for side in (0, 2):
            value[tuple(side if a == axis else 1 for a in range(dimension))] = 0.5 / dimension
    return value
