"""Basis functions on the unit interval; each maps (points s in [0, 1], number of functions) to a matrix.

The cosine, sine and Fourier functions are orthonormal in L2(0, 1), so that the variance of a random
series, averaged over the box, is the sum of the variances of its coefficients.
"""

from __future__ import annotations

import numpy as np

from pdemill.points import Array

ROOT_TWO = np.sqrt(2.0)


def cosine(s: Array, modes: int) -> Array:
    """1, sqrt(2) cos(pi m s): the eigenfunctions of the Laplacian with zero Neumann sides."""
    matrix: Array = ROOT_TWO * np.cos(np.pi * np.outer(s, np.arange(modes)))
    matrix[:, 0] = 1.0
    return matrix


def sine(s: Array, modes: int) -> Array:
    """sqrt(2) sin(pi (m + 1) s): the eigenfunctions of the Laplacian with zero Dirichlet sides."""
    return np.asarray(ROOT_TWO * np.sin(np.pi * np.outer(s, np.arange(1, modes + 1))))


def fourier(s: Array, modes: int) -> Array:
    """1, sqrt(2) cos(2 pi s), sqrt(2) sin(2 pi s), sqrt(2) cos(4 pi s), ...: the periodic eigenfunctions."""
    waves = (np.arange(modes) + 1) // 2
    angles = 2.0 * np.pi * np.outer(s, waves)
    matrix: Array = ROOT_TWO * np.where(np.arange(modes) % 2 == 1, np.cos(angles), np.sin(angles))
    matrix[:, 0] = 1.0
    return matrix
