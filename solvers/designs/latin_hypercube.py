"""Latin hypercubes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pdemill.draws import Draw, Place
from pdemill.spec.design import OfLevels


class LatinHypercube(OfLevels):
    """A Latin hypercube: of N samples every scalar has one in each of N intervals of equal probability, in an order
    drawn for each scalar, at a place drawn within the interval.

    N is part of it: a split with more samples has others, and a store cannot be extended.
    Source: McKay, Beckman and Conover 1979, "A comparison of three methods for selecting values of input variables".
    """

    method: Literal["latin_hypercube"]
    extensible: ClassVar[bool] = False

    def places(self, chosen: Sequence[str], samples: int, seed: int, split: str, number: int) -> tuple[Place, ...]:
        found = []
        for name in chosen:
            within = float(Draw(seed, split, number, f"/design/{name}").uniform(1)[0])
            found.append(Place(level=(int(_cells(seed, split, name, samples)[number]) + within) / samples))
        return tuple(found)

    def note(self, samples: int) -> str:
        return "cannot be extended: with more samples all are others"


@lru_cache(maxsize=64)
def _cells(seed: int, split: str, name: str, samples: int) -> NDArray[np.intp]:
    """The interval of every sample."""
    return np.argsort(Draw(seed, split, 0, f"/design/order/{name}").uniform(samples), kind="stable")
