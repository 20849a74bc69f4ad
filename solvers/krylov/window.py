"""The Lanczos vectors of a run of conjugate gradients, as many as there is room for.

Stathopoulos and Orginos 2010, SIAM J. Sci. Comput. 32(1) (eigCG): when the window is full, it is restarted with the
smallest Ritz vectors of the last two steps, which loses next to nothing against keeping all vectors. The iteration
itself goes on undisturbed.
"""

from __future__ import annotations

import numpy as np

from pdemill.points import Array
from pdemill.solvers.krylov.combining import combine
from pdemill.solvers.krylov.ritz import restart_vectors
from pdemill.solvers.krylov.sums import work_rows


class Window:
    """Rows of V: M-orthonormal vectors; T: the deflated operator on them; mu: their products with A Uᵀ.

    The operator without deflation is T + mu muᵀ on them, and mu between them and U.
    """

    def __init__(self, room: int, size: int, recycle: int) -> None:
        self.V = work_rows(room, size)
        self.T, self._recycle = np.zeros((room, room)), recycle
        self.begin(0)

    def begin(self, deflated: int) -> None:
        """Empty, for a space of so many vectors."""
        self.filled = 0
        self.T[:] = 0.0
        self.mu = np.zeros((len(self.V), deflated))

    @property
    def full(self) -> bool:
        return self.filled == len(self.V)

    def couple(self, link: Array) -> None:
        """The last vectors with those that come next: ``link`` has a row for each of these."""
        new, last, end = *link.shape, self.filled
        self.T[end : end + new, end - last : end] = link
        self.T[end - last : end, end : end + new] = link.T

    def restart(self, link: Array) -> None:
        """Keep the smallest Ritz vectors; ``link`` couples the last vectors to the next, of which each has a row."""
        new, last = link.shape
        Y, values = restart_vectors(self.T[: self.filled, : self.filled], self._recycle, last)
        kept = len(values)
        combine(self.V[: self.filled], Y.T)
        self.mu[:kept] = Y.T @ self.mu[: self.filled]
        coupling = link @ Y[-last:]
        self.T[:] = 0.0
        self.T[np.arange(kept), np.arange(kept)] = values
        self.T[kept : kept + new, :kept], self.T[:kept, kept : kept + new] = coupling, coupling.T
        self.filled = kept
