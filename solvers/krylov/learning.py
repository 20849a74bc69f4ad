"""When to refresh the recycled space, and when to leave it alone.

A refresh costs about as much as a cycle of twenty steps. It pays while the space is young and whenever the matrix has
changed; for a constant matrix there is nothing left to learn once the singular values of the space have settled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pdemill.points import Array

SETTLED = 0.02
"""The space has settled when a whole system moves the mean of its log σ by less than this; 0.05 costs a fifth more
iterations for ever after."""

SHORT = 0.35
"""A cycle that reached its goal in less than this part of its steps has found too little to pay for a refresh."""


@dataclass(frozen=True)
class Learning:
    """How far a space has come on one matrix; a value, carried with the space."""

    level: float = np.inf
    """Mean of log σ when the last system began."""
    settled: bool = False

    def next_system(self, sigma: Array) -> Learning:
        """Another system with the same matrix begins; σ are the singular values of the space."""
        if self.settled:
            return self
        level = float(np.log(sigma).mean())
        return Learning(level, settled=abs(level - self.level) < SETTLED)

    @property
    def refresh(self) -> bool:
        """Whether a cycle shall end with a refresh."""
        return not self.settled

    @property
    def rough(self) -> bool:
        """Whether this is the first system with its matrix: there is so much to learn that, for a definite matrix, the
        cheap choice of vectors does. Later ones lose by it: 4 to 20 % more iterations on skr-thermal, for good."""
        return not np.isfinite(self.level)
