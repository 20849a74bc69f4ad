"""Halton's sequence."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from pdemill.draws import Place
from pdemill.points import Array
from pdemill.solvers.designs.blocks import BLOCK, generator
from pdemill.spec.design import OfLevels

LEAST = 2.0**-53


class Halton(OfLevels):
    """Halton's sequence, its digits permuted by the seed and the split, from ``scipy.stats.qmc``: sample i is its point
    number i. It can be extended.

    Source: Owen 2017, "A randomized Halton algorithm in R".
    """

    method: Literal["halton"]

    def places(self, chosen: Sequence[str], samples: int, seed: int, split: str, number: int) -> tuple[Place, ...]:
        levels = _block(len(chosen), seed, split, number // BLOCK)[number % BLOCK]
        return tuple(Place(level=float(level)) for level in levels)


@lru_cache(maxsize=16)
def _block(dimension: int, seed: int, split: str, block: int) -> Array:
    from scipy.stats import qmc  # late: it takes half a second to load

    engine: Any = qmc.Halton(dimension, scramble=True, rng=generator(seed, split, "halton"))
    if block:
        engine.fast_forward(block * BLOCK)
    points: Array = np.clip(engine.random(BLOCK), LEAST, 1.0 - LEAST)
    return points
