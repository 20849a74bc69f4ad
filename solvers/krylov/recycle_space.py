"""The space that one system leaves to the next."""

from __future__ import annotations

from dataclasses import dataclass

from pdemill.points import Array
from pdemill.solvers.krylov.learning import Learning
from pdemill.solvers.operators.system import Matrix


@dataclass(frozen=True, eq=False)
class RecycleSpace:
    """Rows of U span the recycled space in the preconditioned variable y (x = M⁻¹ y).

    For ``matrix``, A M⁻¹ Uᵀ = Cᵀ with orthonormal rows of C; for another matrix only the span of U is used, or that of
    M⁻¹ Uᵀ. The rows
    of U are orthogonal and of length 1 / σ, up to rounding, and ``overlap`` is C Uᵀ; after the cheap choice of vectors
    that is so only nearly, and ``overlap`` may be empty.
    """

    U: Array
    C: Array
    sigma: Array
    overlap: Array
    matrix: Matrix
    learning: Learning
