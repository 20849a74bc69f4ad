"""Orthonormal basis functions on the unit interval, for series on boxes.

The variance of a random series, averaged over the box, is the sum of the variances of its coefficients.
"""

from __future__ import annotations

from math import prod, sqrt

import numpy as np
from scipy.fft import idctn

from pdemill.points import Array, Basis

ROOT_TWO = np.sqrt(2.0)


class Cosine(Basis):
    """1, sqrt(2) cos(pi m s): the eigenfunctions of the Laplacian with zero Neumann sides."""

    def matrix(self, s: Array, modes: int) -> Array:
        matrix: Array = ROOT_TWO * np.cos(np.pi * np.outer(s, np.arange(modes)))
        matrix[:, 0] = 1.0
        return matrix

    def at_centres(self, coefficients: Array, shape: tuple[int, ...]) -> Array | None:
        """By the discrete cosine transform, where it holds all modes: 2.5 times faster than matrices at 128^2."""
        if any(modes > cells for modes, cells in zip(coefficients.shape, shape, strict=True)):
            return None
        values: Array = idctn(coefficients, s=shape, norm="ortho")
        values *= sqrt(prod(shape))
        return values


class Sine(Basis):
    """sqrt(2) sin(pi (m + 1) s): the eigenfunctions of the Laplacian with zero Dirichlet sides."""

    def matrix(self, s: Array, modes: int) -> Array:
        return np.asarray(ROOT_TWO * np.sin(np.pi * np.outer(s, np.arange(1, modes + 1))))


class FourierPairs(Basis):
    """1, sqrt(2) cos(2 pi s), sqrt(2) sin(2 pi s), sqrt(2) cos(4 pi s), ...: the periodic eigenfunctions."""

    def matrix(self, s: Array, modes: int) -> Array:
        waves = (np.arange(modes) + 1) // 2
        angles = 2.0 * np.pi * np.outer(s, waves)
        matrix: Array = ROOT_TWO * np.where(np.arange(modes) % 2 == 1, np.cos(angles), np.sin(angles))
        matrix[:, 0] = 1.0
        return matrix


cosine, sine, fourier = Cosine(), Sine(), FourierPairs()
