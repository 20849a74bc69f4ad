"""Near inverses of matrices: what a step begins with."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.operators.separable import Separable
from pdemill.solvers.operators.system import Matrix, System
from pdemill.solvers.solution import Solver

SINGLE = float(np.finfo(np.float32).eps)
CONSTANT = 1e-12
"""How far couplings may be from constant ones, in units of the largest eigenvalue: rounding."""


class Inverse(Protocol):
    """z that nearly solve A z = r for some matrices, as rows."""

    def applied(self, matrices: list[Matrix], residuals: list[Array]) -> Array: ...


class Mean:
    """That of one matrix which is like all of them, by its factors."""

    def __init__(self, matrix: Matrix, factors: Solver[None]) -> None:
        known = replace(matrix.properties, constant=True)
        self._matrix = Matrix(matrix.pattern, matrix.values, known, matrix.null_space, {}, matrix.kept)
        self._factors = factors

    def applied(self, matrices: list[Matrix], residuals: list[Array]) -> Array:
        found = self._factors.solve_batch([System(self._matrix, r) for r in residuals], None)
        return np.stack([one.value for one in found])


class Transforms:
    """Of matrices of constant couplings on a box, whose diagonal may vary: that of each with the mean of its diagonal,
    by fast transforms in single precision."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Matrix, tuple[Separable, NDArray[np.float32]]] = WeakKeyDictionary()

    @staticmethod
    def suit(matrix: Matrix) -> bool:
        """Whether it is such a matrix."""
        if not matrix.pattern.shape or not matrix.properties.symmetric or matrix.kept is not None:
            return False
        near = Separable.read(matrix)
        x = 1.0 + np.random.default_rng(0).random(matrix.pattern.size)
        ones, scale = np.ones_like(x), float(np.abs(near.eigenvalues).max())
        more, apart = (matrix.sparse() @ v - near.transformed(v, near.eigenvalues) for v in (ones, x))
        return bool(np.abs(apart - more * x).max() <= CONSTANT * scale)

    def applied(self, matrices: list[Matrix], residuals: list[Array]) -> Array:
        Z = np.empty((len(matrices), matrices[0].pattern.size))
        for z, matrix, r in zip(Z, matrices, residuals, strict=True):
            near, factors = self._of(matrix)
            size = two_norm(r) or 1.0
            z[:] = near.transformed((r / size).astype(np.float32), factors)
            z *= size
        return Z

    def _of(self, matrix: Matrix) -> tuple[Separable, NDArray[np.float32]]:
        """The transforms of a matrix, and the inverses of its eigenvalues, which are bounded."""
        if matrix not in self._known:
            near = replace(Separable.read(matrix), reaction=0.0)
            values = near.eigenvalues
            values = values + (matrix.values[matrix.pattern.diagonals].mean() - values.mean())
            sizes = np.abs(values)
            values = np.copysign(np.maximum(sizes, SINGLE * sizes.max()), values)
            self._known[matrix] = near, (1.0 / values).astype(np.float32)
        return self._known[matrix]


def inverse_like(matrix: Matrix, factors: Solver[None]) -> Inverse:
    """That of matrices like one."""
    return Transforms() if Transforms.suit(matrix) else Mean(matrix, factors)
