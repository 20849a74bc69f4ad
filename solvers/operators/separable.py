"""Matrices of constant coefficients on a box grid, diagonalised by fast transforms.

With constant k along each axis and constant c the assembled matrix is

    A = c I + sum_a w_a T_a,    w_a = k_a / h_a^2

where T_a acts along axis a as the tridiagonal (-1, 2, -1). Its first and last diagonal entry is 3 where u is given
at the face half a cell away (Dirichlet) and 1 where the flux is (Neumann); a periodic axis has -1 in the corners
instead. Such a T_a has the eigenvalues 4 sin^2(t_m / 2), and its eigenvectors at the cells j = 0 .. n-1 are

    ends                    eigenvector             t_m, m = 0 .. n-1      transform
    Dirichlet, Dirichlet    sin((j + 1/2) t_m)      pi (m + 1) / n         DST-II
    Neumann, Neumann        cos((j + 1/2) t_m)      pi m / n               DCT-II
    Dirichlet, Neumann      sin((j + 1/2) t_m)      pi (m + 1/2) / n       DST-IV
    Neumann, Dirichlet      cos((j + 1/2) t_m)      pi (m + 1/2) / n       DCT-IV
    periodic                cos(j t_m), sin(j t_m)  2 pi ceil(m / 2) / n   real FFT

Source: Buzbee, Golub, Nielson 1970, "On direct methods for solving Poisson's equations", SIAM J. Numer. Anal. 7;
Strang 1999, "The discrete cosine transform", SIAM Review 41.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import fsum, prod
from typing import Any

import numpy as np
import scipy.fft
import scipy.fftpack
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.operators.system import Matrix

ROUNDING = 1e-13
"""Largest difference between A x and its model, in units of the largest eigenvalue: rounding stays below 2e-15."""


@dataclass(frozen=True)
class Transform:
    """A transform to eigenvectors along one axis; ``angles(m)`` are t_m n / pi."""

    forward: Callable[[Any, int], Any]
    backward: Callable[[Any, int], Any]
    angles: Callable[[Array], Array]

    def eigenvalues(self, cells: int) -> Array:
        """Of T, shape (cells,)."""
        return np.asarray(4.0 * np.sin(0.5 * np.pi / cells * self.angles(np.arange(float(cells)))) ** 2)


def _half_sample(forward: Any, backward: Any, kind: int, angles: Callable[[Array], Array]) -> Transform:
    """A sine or cosine transform of one of the kinds whose points are the centres of cells."""
    return Transform(
        lambda x, axis: forward(x, kind, axis=axis, overwrite_x=True),
        lambda x, axis: backward(x, kind, axis=axis, overwrite_x=True),
        angles,
    )


D_D = _half_sample(scipy.fft.dst, scipy.fft.idst, 2, lambda m: m + 1)
N_N = _half_sample(scipy.fft.dct, scipy.fft.idct, 2, lambda m: m)
D_N = _half_sample(scipy.fft.dst, scipy.fft.idst, 4, lambda m: m + 0.5)
N_D = _half_sample(scipy.fft.dct, scipy.fft.idct, 4, lambda m: m + 0.5)
PERIODIC = Transform(
    lambda x, axis: scipy.fftpack.rfft(x, axis=axis, overwrite_x=True),  # scipy.fft has no real to real one
    lambda x, axis: scipy.fftpack.irfft(x, axis=axis, overwrite_x=True),
    lambda m: 2.0 * np.ceil(m / 2),
)
OPEN = {(True, True): D_D, (False, False): N_N, (True, False): D_N, (False, True): N_D}
"""By whether u is given at the lower and at the upper end."""


@dataclass(frozen=True)
class Separable:
    """c I + sum_a w_a T_a on a grid: ``reaction`` c, ``couplings`` w and ``transforms`` of T, one per axis."""

    shape: tuple[int, ...]
    transforms: tuple[Transform, ...]
    couplings: tuple[float, ...]
    reaction: float

    @classmethod
    def read(cls, matrix: Matrix) -> Separable:
        """Read the rows of one inner cell and of its neighbours at the sides; ``reproduces`` says whether the
        other rows say the same.

        Sums over rows are exact, so that c is that of the matrix and not what cancellation leaves of it.
        """
        shape = matrix.pattern.shape
        strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
        inner = sum(strides)
        row = _row(matrix, inner)
        reaction = 0.0 if matrix.singular else fsum(row.values())
        couplings = [-row.get(inner + stride, 0.0) for stride in strides]
        transforms = []
        for cells, stride, coupling in zip(shape, strides, couplings, strict=True):
            low, high = inner - stride, inner + (cells - 2) * stride
            first, last = _row(matrix, low), _row(matrix, high)
            held = tuple(fsum(end.values()) - reaction > coupling for end in (first, last))
            transforms.append(PERIODIC if high in first else OPEN[held[0], held[1]])
        return cls(shape, tuple(transforms), tuple(couplings), reaction)

    @cached_property
    def eigenvalues(self) -> Array:
        """Of A, shape ``shape``."""
        total = np.full((1,) * len(self.shape), self.reaction)
        for axis, (cells, transform, coupling) in enumerate(
            zip(self.shape, self.transforms, self.couplings, strict=True)
        ):
            along = np.ones(len(self.shape), dtype=int)
            along[axis] = cells
            total = total + (coupling * transform.eigenvalues(cells)).reshape(along)
        return total

    def transformed[Real: np.floating[Any]](self, x: NDArray[Real], factors: NDArray[Real]) -> NDArray[Real]:
        """Q diag(factors) Q^-1 x, where the columns of Q are the eigenvectors; in the precision that x has."""
        y = x.reshape(self.shape).copy()
        for axis, transform in enumerate(self.transforms):
            y = transform.forward(y, axis)
        y *= factors
        for axis, transform in enumerate(self.transforms):
            y = transform.backward(y, axis)
        flat: NDArray[Real] = y.reshape(-1)
        return flat

    def reproduces(self, matrix: Matrix) -> bool:
        """Whether A x is what the transforms make of x, for a random x no two entries of which are alike: the check
        of every entry of the matrix, of the eigenvalues and of the transforms at once."""
        scale = float(np.abs(self.eigenvalues).max())
        x = 1.0 + np.random.default_rng(0).random(matrix.pattern.size)
        difference = matrix.sparse() @ x - self.transformed(x, self.eigenvalues)
        return bool(np.abs(difference).max() <= ROUNDING * scale)


def _row(matrix: Matrix, number: int) -> dict[int, float]:
    """The entries of a row by column."""
    entries = slice(matrix.pattern.indptr[number], matrix.pattern.indptr[number + 1])
    columns, values = matrix.pattern.indices[entries], matrix.values[entries]
    return dict(zip(columns.tolist(), values.tolist(), strict=True))
