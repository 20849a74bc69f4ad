"""The Lanczos vectors of a run of conjugate gradients, as many as there is room for.

Stathopoulos and Orginos 2010, SIAM J. Sci. Comput. 32(1) (eigCG): when the window is full, it is restarted with the
smallest Ritz vectors of the last two steps, which loses next to nothing against keeping all vectors. The iteration
itself goes on undisturbed.
"""

from __future__ import annotations

import numpy as np

from pdemill.solvers.krylov.orthonormal import combine
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

    def restart(self, link: float) -> None:
        """Keep the smallest Ritz vectors; ``link`` couples the last vector to the next."""
        Y, values = restart_vectors(self.T, self._recycle)
        kept = len(values)
        combine(self.V, Y.T.copy())
        self.mu[:kept] = Y.T @ self.mu
        self.T[:] = 0.0
        self.T[np.arange(kept), np.arange(kept)] = values
        self.T[kept, :kept] = self.T[:kept, kept] = link * Y[-1]
        self.filled = kept
