"""A state of a form at which nothing is symmetric by chance."""

from __future__ import annotations

import numpy as np

from pdemill.points import Array

STIR = 1e-3
"""How far from 0 it is, in the units of the unknowns."""


def stirred(count: int) -> Array:
    """So many unknowns, the same every time."""
    return STIR * np.random.Generator(np.random.Philox(key=1)).standard_normal(count)
