"""What places share that are boxes with a resolution: sides, lengths, sizes."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from pdemill.spec.domain import BOX_SIDES, Box
from pdemill.spec.model import refuse
from pdemill.spec.problem import Problem


class BoxShaped(Problem):
    """A box of 1, 2 or 3 axes; a subclass has the keys ``resolution`` and ``domain``."""

    if TYPE_CHECKING:
        resolution: tuple[int, ...]
        domain: Box

    @property
    def dimension(self) -> int:
        return len(self.resolution)

    @property
    def sides(self) -> tuple[str, ...]:
        return self.domain.side_names(self.dimension)

    @property
    def cells(self) -> tuple[int, ...]:
        return self.resolution

    @property
    def lengths(self) -> tuple[float, ...]:
        """The length of each axis."""
        return tuple(self.domain.sizes(self.dimension).values())

    @property
    def volume(self) -> float:
        return prod(self.lengths)

    def measure(self, side: str) -> float:
        axis = next(axis for axis, pair in enumerate(BOX_SIDES) if side in pair)
        return self.volume / self.lengths[axis]

    def resolved(self) -> dict[str, Any]:
        return super().resolved() | {"domain": {"shape": "box", "lengths": list(self.lengths)}}

    def check_lengths(self) -> None:
        """Refuse lengths that are not one per axis."""
        lengths = self.domain.lengths
        if lengths is not None and len(lengths) != self.dimension:
            raise refuse(
                ("domain", "lengths"), f"has {len(lengths)} entries, but resolution has {self.dimension} axes", lengths
            )
