"""Whether a space is carried to the next matrix, decided by counts of iterations.

Bringing k vectors to another matrix costs k products. Whether they save as many depends on how alike the matrices are,
which the first systems of a shard tell. Seconds would tell it better and differently each time; counts are the same
wherever and however often a shard is solved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean

FRESH, CARRIED = 2, 3
"""Systems that are solved in each way before it is decided: the first and the fourth with nothing carried."""
CLEAR = 0.75
"""The part of the first system's iterations up to which those of the next two leave no doubt: the fourth is carried to
as well."""


@dataclass(frozen=True)
class Carrying:
    """Iterations of the first systems that have a matrix of their own, of those with nothing carried and of those with
    a carried space, its products included; a value, which begins anew with every shard."""

    fresh: tuple[int, ...] = ()
    carried: tuple[int, ...] = ()

    @property
    def pays(self) -> bool:
        """Whether the next system with another matrix gets the space."""
        if len(self.carried) < CARRIED - 1:
            return True
        if len(self.carried) < CARRIED:
            return len(self.fresh) >= FRESH or fmean(self.carried) <= CLEAR * fmean(self.fresh)
        return fmean(self.carried) < fmean(self.fresh)

    def after(self, carried: bool, iterations: int) -> Carrying:
        """One more system with a matrix of its own was solved."""
        if len(self.fresh) >= FRESH and len(self.carried) >= CARRIED:
            return self
        if carried:
            return replace(self, carried=(*self.carried, iterations))
        return replace(self, fresh=(*self.fresh, iterations))
