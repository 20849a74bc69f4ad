"""Recycled conjugate gradients for several right-hand sides of one matrix at once."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.linalg import qr

from pdemill.points import Array
from pdemill.solvers.krylov.basis import RightPreconditioned
from pdemill.solvers.krylov.block_conjugate import UNCLEAN, Block, Ending, Operator, begin, new_block, steps
from pdemill.solvers.krylov.block_kernels import LANES, subtract_rows
from pdemill.solvers.krylov.conjugate import EVERY
from pdemill.solvers.krylov.deflation import DeflatedBasis
from pdemill.solvers.krylov.window import Window

LEFT = 0.01
"""A combination of right-hand sides, each in units of its size, that is below this part of the tolerance is dropped."""


class BlockBasis:
    """Work space for one system after another and, made when it is first needed, for blocks of them.

    What is in here between two blocks never changes a result.
    """

    def __init__(self, operator: RightPreconditioned, size: int, recycle: int) -> None:
        self.alone = DeflatedBasis(operator, size, recycle)
        self._size, self._recycle = size, recycle

    @cached_property
    def window(self) -> Window:
        """The block Lanczos vectors to learn from."""
        return Window(room(self._recycle), self._size, self._recycle)

    @cached_property
    def _block(self) -> Block:
        return new_block(self._size)

    def run(
        self, operator: Operator, R: Array, goals: Array, learn: bool, limit: int
    ) -> tuple[Array, int, int, Ending]:
        """X with ‖R_j - A X_j‖ about ``goals_j`` for the at most ``LANES`` rows of R, by deflated block CG; the steps
        made, the products with A, and how it ended. ``learn``: the window takes its vectors down.

        Deflation as in ``conjugate``: R is freed of A Uᵀ and P of Uᵀ, every few steps, P in each one when learning.
        """
        block, size, columns = self._block, self._size, len(R)
        X, Q = block.X.reshape(size, LANES), block.Q.reshape(size, LANES)
        U, AU = self.alone.spanning
        share = U[:, :size] @ R.T
        rank = self._enter(operator, R - share.T @ AU[:, :size], goals)
        mu, coupling, window = self._freed(), np.zeros((LANES, LANES)), self.window if learn else None
        if window is not None:
            window.begin(len(U))
        ending = Ending.of_rank(rank)
        made = products = 0
        while ending is Ending.PAUSED and made < limit:
            before = rank
            if window is not None:
                own = slice(window.filled, window.filled + before)
                window.V[own, :size] = (block.Z.reshape(size, LANES) @ block.T[:, :before]).T
                window.mu[own] = mu[:, :before].T
            count, rank, code = steps(operator, block, before, goals, 1 if learn else min(EVERY, limit - made))
            ending, made, products = Ending(code), made + count, products + count * before
            if ending is Ending.BROKEN:
                break
            if window is not None:
                D, S = block.D[:before, :before], block.S[:rank, :before]
                window.T[own, own] = D + coupling[:before, :before]
                window.filled += before
                coupling = S @ D @ S.T
                window.restart(-S @ D) if len(window.V) - window.filled < LANES else window.couple(-S @ D)
            elif len(U):
                more = U[:, :size] @ Q
                subtract_rows(AU, more, block.Q)
                share += (more @ (block.T @ block.C))[:, :columns]
            if ending is Ending.PAUSED:
                mu = self._freed()
        return X[:, :columns].T + share.T @ U[:, :size], made, products, ending

    def _enter(self, operator: Operator, R: Array, goals: Array) -> int:
        """Q C = Rᵀ, but for combinations that do not matter; returns the columns of Q."""
        block, size, norms = self._block, self._size, np.sqrt([r @ r for r in R])
        for array in (block.X, block.Q, block.C):
            array[:] = 0.0
        norms[norms == 0.0] = 1.0
        R = R / norms[:, None]
        Q = block.Q.reshape(size, LANES)
        if np.linalg.eigvalsh(R @ R.T)[0] > UNCLEAN:
            Q[:, : len(R)] = R.T
            np.fill_diagonal(block.C[: len(R)], norms)
        else:
            factor, triangle, order = qr(R.T, mode="economic", pivoting=True, check_finite=False)
            rank = int(np.count_nonzero(np.abs(np.diag(triangle)) > LEFT * (goals / norms).min()))
            Q[:, :rank] = factor[:, :rank]
            block.C[:rank, order] = triangle[:rank] * norms[order]
        left: int = begin(operator, block)
        return left

    def _freed(self) -> Array:
        """P ← P - Uᵀ (A Uᵀ)ᵀ P; returns (A Uᵀ)ᵀ P, which is (A Uᵀ)ᵀ Z."""
        U, AU = self.alone.spanning
        mu = AU[:, : self._size] @ self._block.P.reshape(self._size, LANES)
        subtract_rows(U, mu, self._block.P)
        return np.asarray(mu)


def room(recycle: int) -> int:
    """Rows of a window: those that a restart keeps, and eleven steps."""
    return 2 * recycle + 11 * LANES
