"""Block conjugate gradients, many steps in one compiled call.

O'Leary 1980, Linear Algebra Appl. 29: the residuals of several systems of one matrix span the directions together, and
every system is minimised over all of them. In the form of Dubrulle 2001, Electron. Trans. Numer. Anal. 12 (BCGrQ),
which goes on where residuals become alike: R = Q C, and only Q, which is M⁻¹-orthonormal, is iterated on. Directions of
Q that depend on others are dropped.

The blocks Z = M⁻¹ Q are the Lanczos vectors of the iteration. With D = Pᵀ A P and Q' = Q - A P D⁻¹ = Q₊ S,
A Z = Q (D + S₋ D₋ S₋ᵀ) - Q₊ S D - (the transpose of that of the block before).
"""

from __future__ import annotations

from enum import Enum
from math import isfinite, sqrt
from typing import NamedTuple

import numpy as np

from pdemill.points import Array
from pdemill.solvers.compiled import compiled
from pdemill.solvers.krylov.block_kernels import LANES, Rows, Triangle, advance, follow, gram, precondition, times, turn
from pdemill.solvers.krylov.small_blocks import factor, inverse, multiply

PAUSED, REACHED, BROKEN = 0, 1, 2


class Ending(Enum):
    """How a call of ``steps`` ended."""

    PAUSED = PAUSED
    """The limit is reached."""
    REACHED = REACHED
    """All residuals are about their goals."""
    BROKEN = BROKEN
    """A Gram matrix is not that of positive A and M, or not finite."""

    @classmethod
    def of_rank(cls, rank: int) -> Ending:
        """Before the first step: nothing is left to do where no vector is."""
        return cls.BROKEN if rank < 0 else cls.REACHED if rank == 0 else cls.PAUSED


UNCLEAN = 1e-6
"""Where less than this part of a square is new, vectors are made orthonormal a second time."""

NEAR = 4.0
"""Norms are computed when they are estimated to be within so many times the goals."""


class Operator(NamedTuple):
    """A, and the two triangular solves of M⁻¹."""

    matrix: Rows
    lower: Triangle
    upper: Triangle


class Block(NamedTuple):
    """X, Q, Z, P and A P, of ``LANES`` numbers per row; small matrices: C, D, S and T, where the Q of the formulas is
    Q T, and its Z is Z T; ``ratio``: ‖R_j‖ over the norm of column j of C when it was last computed."""

    X: Array
    Q: Array
    Z: Array
    P: Array
    AP: Array
    C: Array
    D: Array
    S: Array
    T: Array
    ratio: Array


def new_block(size: int) -> Block:
    X, Q, Z, P, AP = (np.zeros(LANES * size) for _ in range(5))
    C, D, S, T = (np.zeros((LANES, LANES)) for _ in range(4))
    return Block(X, Q, Z, P, AP, C, D, S, T, np.zeros(LANES))


@compiled(error_model="numpy")
def begin(operator: Operator, block: Block) -> int:
    """Make Q M⁻¹-orthonormal, with Z = M⁻¹ Q, and change C so that Q C stays what it is; returns how many vectors are
    left, or -1 where M is not positive."""
    rank: int = _orthonormalise(operator, block, True)
    if rank >= 0:
        multiply(block.S, block.C, block.C)
        block.ratio[:] = np.inf
        block.P[:] = block.Z
        turn(block.P, block.T.ravel())
    return rank


@compiled(error_model="numpy")
def steps(operator: Operator, block: Block, rank: int, goals: Array, limit: int) -> tuple[int, int, int]:
    """Step until the residuals are at the goals, or ``limit`` steps are made.

    Returns the steps made, how many vectors Q has, and how it ended.
    """
    made, Y, E = 0, np.zeros((LANES, LANES)), np.zeros((LANES, LANES))
    while made < limit:
        times(operator.matrix, block.P, block.AP, block.D.ravel())
        if not inverse(block.D, rank, E):
            return made, rank, BROKEN
        multiply(E, block.C, Y)
        E *= -1.0
        advance(block.P, Y.ravel(), block.X, block.AP, E.ravel(), block.T.ravel(), block.Q)
        rank = _orthonormalise(operator, block, False)
        made += 1
        if rank < 0:
            return made, rank, BROKEN
        multiply(block.S, block.C, block.C)
        if _reached(block, rank, goals):
            return made, rank, REACHED
        Y[:] = block.S.T
        follow(block.Z, block.T.ravel(), block.P, Y.ravel())
    return made, rank, PAUSED


@compiled(error_model="numpy")
def _orthonormalise(operator: Operator, block: Block, twice: bool) -> int:
    """Z ← M⁻¹ Q, T with which Q T is M⁻¹-orthonormal, and S with Q = Q T S; Q may be changed for that."""
    W, S, T = np.zeros((LANES, LANES)), np.zeros((LANES, LANES)), block.T
    precondition(operator.lower, operator.upper, block.Q, block.Z)
    gram(block.Q, block.Z, W.ravel())
    least: float
    rank: int
    rank, least = factor(W, block.S, T)
    if rank >= 0 and (twice or least < UNCLEAN):
        turn(block.Q, T.ravel())
        turn(block.Z, T.ravel())
        gram(block.Q, block.Z, W.ravel())
        rank, _ = factor(W, S, T)
        multiply(S, block.S, block.S)
    return rank


@compiled(error_model="numpy")
def _reached(block: Block, rank: int, goals: Array) -> bool:
    """Whether ‖Q T C‖ is at its goal for all columns."""
    C, ratio = block.C, block.ratio
    for j in range(len(goals)):
        size = 0.0
        for i in range(rank):
            size += C[i, j] ** 2
        if isfinite(ratio[j]) and ratio[j] * sqrt(size) > NEAR * goals[j]:
            return False
    E = np.zeros((LANES, LANES))
    gram(block.Q, block.Q, E.ravel())
    whole = np.zeros((LANES, LANES))
    multiply(block.T, C, whole)
    reached = True
    for j in range(len(goals)):
        square, size = 0.0, 0.0
        for i in range(LANES):
            size += C[i, j] ** 2
            for k in range(LANES):
                square += whole[i, j] * E[i, k] * whole[k, j]
        norm = sqrt(max(square, 0.0))
        ratio[j] = norm / sqrt(size) if size > 0.0 else 0.0
        reached = reached and norm <= goals[j]
    return reached
