"""GCRO-DR for several right-hand sides of one matrix, side by side over one recycled space that is known already."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.krylov.basis import Basis, RightPreconditioned
from pdemill.solvers.krylov.block_arnoldi import Cycles, cycle
from pdemill.solvers.krylov.block_conjugate import Operator
from pdemill.solvers.krylov.block_kernels import LANES, precondition
from pdemill.solvers.krylov.recycle_space import RecycleSpace
from pdemill.solvers.krylov.sums import work_rows
from pdemill.solvers.operators.system import System

FEW = 2
"""Right-hand sides that are left to be solved one after another when the others are at their goals."""


class BlockBasis:
    """Work space for one system after another and, made when it is first needed, for blocks of them.

    What is in here between two blocks never changes a result.
    """

    def __init__(self, operator: RightPreconditioned, size: int, restart: int, recycle: int) -> None:
        self.alone = Basis(operator, size, restart, recycle)
        self._size, self._steps = size, restart - recycle

    @cached_property
    def _rows(self) -> Array:
        return work_rows(self._steps + 3, self._size * LANES)

    def begin(self, R: Array, kept: int) -> Cycles:
        """Zero iterates, and the rows of R as residuals."""
        many, whole, steps = len(R), self._size * LANES, self._steps
        V, between, Y = self._rows[:-2], self._rows[-2, :whole], self._rows[-1, :whole]
        Y[:] = 0.0
        first = V[0, :whole].reshape(self._size, LANES)
        first[:, :many], first[:, many:] = R.T, 0.0
        T, H = np.zeros((kept, steps, LANES)), np.zeros((steps + 1, steps, LANES))
        return Cycles(V, between, Y, np.zeros((kept, LANES)), T, H)


@np.errstate(over="ignore", invalid="ignore")
def block_gcrodr(
    operator: RightPreconditioned,
    side_by_side: Operator,
    systems: list[System],
    space: RecycleSpace,
    basis: BlockBasis,
    rtol: float,
    limit: int,
) -> tuple[Array, NDArray[np.int64], NDArray[np.bool_]]:
    """Solve A x_j = b_j for at most ``LANES`` right-hand sides at once, as ``gcrodr`` does for one.

    The recycled space belongs to the matrix that is loaded, and stays as it is. Returns the rows x_j, the products with
    A that each took, and whether its true residual is at most ``rtol`` ‖b_j‖. What has not come so far within ``limit``
    products, or when ``FEW`` are left, is where an iteration may go on from.
    """
    B = np.stack([system.rhs for system in systems])
    X = np.stack([np.zeros_like(s.rhs) if s.guess is None else s.guess for s in systems])
    R = np.stack([operator.residual(x, b) if x.any() else b for x, b in zip(X, B, strict=True)])
    many, size, U, C = len(B), B.shape[1], space.U, space.C
    goals, steps, used, going = np.zeros(LANES), *np.zeros((2, LANES), np.int64), np.ones(LANES, np.bool_)
    goals[:many] = rtol * np.array([np.linalg.norm(b) for b in B])
    share = R @ C.T
    cycles = basis.begin(R - share @ C, len(C))
    cycles.share[:, :many] = share.T
    first = cycles.V[0, : size * LANES].reshape(size, LANES)
    while True:
        beta = np.sqrt(np.einsum("ij,ij->j", first, first))
        beta[~(going & np.isfinite(beta) & (beta > goals))] = 0.0
        if np.count_nonzero(beta) <= FEW or used.max() >= limit:
            break
        cycle(side_by_side, C, cycles, beta, 0.98 * goals, steps)
        used += np.where(steps < 0, -1 - steps, steps)
        going &= steps >= 0
    Y = cycles.Y.reshape(size, LANES)
    Y += (cycles.share.T @ U).T
    precondition(side_by_side.lower, side_by_side.upper, cycles.Y, cycles.between)
    X += cycles.between.reshape(size, LANES)[:, :many].T
    left = np.array([np.linalg.norm(operator.residual(x, b)) for x, b in zip(X, B, strict=True)])
    return X, used[:many], np.isfinite(left) & (left <= goals[:many])
