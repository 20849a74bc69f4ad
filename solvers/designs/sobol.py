"""Sobol's sequence."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

from pdemill.draws import Place
from pdemill.points import Array
from pdemill.solvers.designs.blocks import BLOCK, generator
from pdemill.spec.design import OfLevels

BITS = 30
"""Of the levels, which are the middles of cells of that width, so that none is 0 or 1."""


class Sobol(OfLevels):
    """Sobol's sequence, scrambled by the seed and the split (Owen, linear matrix scramble with a digital shift), from
    ``scipy.stats.qmc``: sample i is its point number i.

    It can be extended. Balanced are 2^k samples.
    Source: Joe and Kuo 2008, "Constructing Sobol sequences with better two-dimensional projections".
    """

    method: Literal["sobol"]

    def places(self, chosen: Sequence[str], samples: int, seed: int, split: str, number: int) -> tuple[Place, ...]:
        levels = _block(len(chosen), seed, split, number // BLOCK)[number % BLOCK]
        return tuple(Place(level=float(level)) for level in levels)

    def note(self, samples: int) -> str:
        return "" if samples & (samples - 1) == 0 else f"{samples:,} points are no power of two: not balanced"


@lru_cache(maxsize=16)
def _block(dimension: int, seed: int, split: str, block: int) -> Array:
    from scipy.stats import qmc  # late: it takes half a second to load

    engine: Any = qmc.Sobol(dimension, scramble=True, bits=BITS, rng=generator(seed, split, "sobol"))
    if block:
        engine.fast_forward(block * BLOCK)
    points: Array = engine.random(BLOCK)
    return points + 0.5**BITS / 2.0
