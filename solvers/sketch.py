"""Short images of long vectors that keep what depends on what."""

from __future__ import annotations

import numpy as np

from pdemill.points import Array

LENGTH = 128
"""Numbers in a sketch: four times the vectors that are compared by them."""
SEED = 20_020


class Sketch:
    """A fixed linear map of vectors of ``size`` to vectors of at most 128: sums of runs with random signs.

    E ‖S b‖² = ‖b‖². What depends linearly on others does so in the sketch; the reverse holds with probability one for
    fewer vectors than numbers, unless they differ within one run only. Charikar, Chen, Farach-Colton 2002, with runs
    for hashes.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._signs = np.where(np.random.default_rng(SEED).random(size) < 0.5, -1.0, 1.0)
        self._starts = np.linspace(0, size, min(size, LENGTH), endpoint=False).astype(np.intp)

    def __call__(self, vector: Array) -> Array:
        return np.asarray(np.add.reduceat(vector * self._signs, self._starts))
