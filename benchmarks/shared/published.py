"""Discretisations of Darcy's equation by other public generators, written anew from their formulas.

-∇·(k ∇u) = f on the unit square, u = 0 on its boundary. Only what departs from the equation is taken over: grids,
iterations and formats are ours. Sources: wanghong1700/NO-DataGen-SKR (build_darcy of exp_generate_mpi_82_sort.py),
NVIDIA/physicsnemo (datapipes/benchmarks/kernels/finite_difference.py), pdebench/PDEBench
(reaction_diffusion_2D_multi_solution_Hydra.py).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from scipy.sparse import csc_matrix, csr_array, diags_array, eye_array, kronsum
from scipy.sparse.linalg import splu

from pdemill.points import Array

POLES = 16
"""Of the rational approximation of exp on the negative real axis; its error is below 1e-7."""


def moved_inside(k: Array, f: Array) -> Array:
    """SKR without its error of an index (``skr_matrix``): L diag(k), L the five-point -∇², so that -∇²(k u) = f is what
    is solved.

    ``k``, ``f``: values at cell centres, shape (n, n); likewise the result.
    """
    return np.asarray(_laplacian(len(k)).solve(f.ravel()).reshape(k.shape) / k)


@cache
def _laplacian(cells: int) -> Any:
    """Factors of -∇² at cell centres, u = 0 on the sides."""
    line = diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(cells, cells)).tolil()
    line[0, 0] = line[-1, -1] = 3.0
    return splu(csc_matrix(kronsum(line, line)) * float(cells) ** 2)


def expanded(k: Array, f: float, divisor: str) -> Array:
    """PhysicsNeMo: k ∇²u + ∇k·∇u = -f by central differences on n x n inner nodes, spacing h = 1 / (n + 1).

    ``divisor`` of (k_E - k_W)(u_E - u_W): "2h" as published, "4h²" as central differences have it. Outside the
    grid u = 0, and k is that of the nearest node.
    """
    n = len(k)
    h = 1.0 / (n + 1)
    scale = {"2h": 2.0 * h, "4h²": 4.0 * h * h}[divisor]
    wide = np.pad(k, 1, mode="edge")
    slope_x = ((wide[2:, 1:-1] - wide[:-2, 1:-1]) / scale).ravel()
    slope_y = ((wide[1:-1, 2:] - wide[1:-1, :-2]) / scale).ravel()
    at = k.ravel() / h**2
    shift, one = diags_array([1.0], offsets=[1], shape=(n, n)), eye_array(n)
    east, north = kronsum(one * 0.0, shift), kronsum(shift, one * 0.0)
    matrix = (
        diags_array(at + slope_x) @ east + diags_array(at - slope_x) @ east.T
        + diags_array(at + slope_y) @ north + diags_array(at - slope_y) @ north.T
        - diags_array(4.0 * at)
    )  # fmt: skip
    return np.asarray(splu(csc_matrix(matrix)).solve(np.full(n * n, -f)).reshape(n, n))


def snapshot(k: Array, f: float, start: float, time: float) -> Array:
    """PDEBench: u(t) of du/dt = ∇·(k ∇u) + f from u(0) = ``start``, where the steady state is meant.

    Face values of k are arithmetic means, and u = 0 half a cell beyond the sides. Time is integrated as
    u(t) = u* + exp(-t A)(u(0) - u*) to 1e-7, by the poles of Weideman and Trefethen 2007, "Parabolic and hyperbolic
    contours for computing the Bromwich integral", Math. Comp. 76. An infinite ``time`` gives u*.
    """
    n = len(k)
    matrix = csc_matrix(_conservative(k) * float(n) ** 2)
    steady = splu(matrix).solve(np.full(n * n, f))
    if np.isinf(time):
        return np.asarray(steady.reshape(n, n))
    rest = start - steady
    decayed = np.zeros(n * n)
    for angle in np.pi * np.arange(1, POLES, 2) / POLES:
        pole = POLES * (0.1309 - 0.1194 * angle**2 + 0.2500j * angle)
        weight = np.exp(pole) * (0.2500 + 0.2388j * angle)
        shifted = csc_matrix(eye_array(n * n) * pole + time * matrix)
        decayed += 2.0 * np.real(weight * splu(shifted).solve(rest.astype(complex)))
    return np.asarray((steady + decayed).reshape(n, n))


def _conservative(k: Array) -> Any:
    """h² A of -∇·(k ∇u) with arithmetic means on faces and a zero next to every outer cell."""
    n = len(k)
    wide = np.pad(k, 1, mode="edge")
    lower_x, upper_x = 0.5 * (wide[:-2, 1:-1] + k), 0.5 * (wide[2:, 1:-1] + k)
    lower_y, upper_y = 0.5 * (wide[1:-1, :-2] + k), 0.5 * (wide[1:-1, 2:] + k)
    inner_y = upper_y.copy()
    inner_y[:, -1] = 0.0
    east, north = upper_x.ravel()[:-n], inner_y.ravel()[:-1]
    diagonal = (lower_x + upper_x + lower_y + upper_y).ravel()
    return diags_array([diagonal, -east, -east, -north, -north], offsets=[0, n, -n, 1, -1])


def skr_matrix(w: Array, kappa: float = 0.0, off: int = 2) -> csr_array:
    """SKR's matrix of Darcy's equation and, with ``kappa``, of Helmholtz's, as its script makes it of k at s + 2 by
    s + 2 points, for the inner ones: h² (L diag(k) - kappa² I), h = 1 / (s - 1), but for one index.

    Cell i takes part in the row of the cell s later with -k of the cell ``off`` before it: 2 as published, since a
    slice begins at s - 2 where s is meant; 0 gives L diag(k). For the first two cells that is k of points outside.
    """
    s = len(w) - 2
    inner = w[1:-1, 1:-1].ravel()
    rows_above = w[:-1, 1:-1].ravel()
    before = rows_above[s - off : s - off + s * (s - 1)]
    left, right = inner[:-1].copy(), inner[1:].copy()
    left[s - 1 :: s] = 0.0
    right[s - 1 :: s] = 0.0
    diagonal = 4.0 * inner - (kappa / (s - 1)) ** 2
    return csr_array(diags_array([diagonal, -left, -right, -before, -inner[s:]], offsets=[0, -1, 1, -s, s]))


def skr_as_published(k: Array) -> Array:
    """u of f = 1 by that matrix; ``k``, and u: values at cell centres, shape (n, n), which are its inner points."""
    n = len(k)
    matrix = skr_matrix(np.pad(k, 1, mode="edge"))
    return np.asarray(splu(csc_matrix(matrix)).solve(np.full(n * n, (n - 1.0) ** -2)).reshape(n, n))
