"""How far apart two recycled spaces are."""

from __future__ import annotations

import numpy as np

from pdemill.points import Array


def subspace_distance(Q: Array, C: Array) -> float:
    """delta(Q, C) = ||(I - P_C) P_Q||_2, the sine of the largest angle from span Q to span C; 0 (inside) to 1.

    Rows of Q and C span the spaces. SKR (Wang et al. 2024), equation 5: recycling converges faster when the space
    handed over is close to the invariant space of the next matrix, delta < 1.
    """
    q = np.linalg.qr(Q.T)[0]
    c = np.linalg.qr(C.T)[0]
    return float(np.linalg.norm(q - c @ (c.T @ q), ord=2))
