"""Lists of values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pdemill.draws import Place
from pdemill.solvers.designs.of_values import OfValues


class Listed(OfValues):
    """Sample i has value number i of every list in ``values``."""

    method: Literal["list"]
    extensible: ClassVar[bool] = False

    def miscounted(self, samples: int) -> tuple[tuple[str | int, ...], str] | None:
        for name, values in self.values.items():
            if len(values) != samples:
                return ("values", name), f"has {len(values):,} values for {samples:,} samples"
        return None

    def places(self, chosen: Sequence[str], samples: int, seed: int, split: str, number: int) -> tuple[Place, ...]:
        return tuple(Place(value=values[number]) for values in self.lists(chosen))
