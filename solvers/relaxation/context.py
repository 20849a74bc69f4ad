"""A number that tells how far a matrix is from a diagonal one."""

from __future__ import annotations

from math import sqrt

from pdemill.solvers.operators.system import Matrix


def shift_share(matrix: Matrix) -> float:
    """√(1ᵀ A 1 / tr A), in [0, 1]: 1 for a diagonal matrix.

    For c + K, where K is a stiffness whose rows add up to 0 inside the domain, the ratio is about the share of c in the
    diagonal, and 1 less it about the spectral radius ρ of Jacobi's iteration. The best ω of SOR on a consistently
    ordered matrix is 2 / (1 + √(1 - ρ²)) (Young 1954), which is nearly linear in the root.
    """
    trace = float(matrix.couplings[matrix.pattern.diagonals].sum())
    return sqrt(min(1.0, max(0.0, matrix.total / trace))) if trace > 0.0 else 0.0
