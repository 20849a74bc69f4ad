"""Grids of values."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import ClassVar, Literal

from pdemill.draws import Place
from pdemill.solvers.designs.of_values import OfValues


class Grid(OfValues):
    """All combinations of the ``values`` of some scalars; in the order of ``params``, those of the last scalar change
    from sample to sample. A split has as many samples as there are combinations."""

    method: Literal["grid"]
    extensible: ClassVar[bool] = False

    def miscounted(self, samples: int) -> tuple[tuple[str | int, ...], str] | None:
        count = prod(map(len, self.values.values()))
        return None if count == samples else (("values",), f"has {count:,} combinations for {samples:,} samples")

    def places(self, chosen: Sequence[str], samples: int, seed: int, split: str, number: int) -> tuple[Place, ...]:
        found = []
        for values in reversed(self.lists(chosen)):
            number, place = divmod(number, len(values))
            found.append(Place(value=values[place]))
        return tuple(reversed(found))
