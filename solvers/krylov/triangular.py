"""A and M for right preconditioning by compiled code that knows the pattern; the same M as the library's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, tril, triu

from pdemill.points import Array
from pdemill.solvers.krylov import triangular_kernels as kernels
from pdemill.solvers.krylov.block_conjugate import Operator
from pdemill.solvers.krylov.block_kernels import Rows, Triangle
from pdemill.solvers.krylov.incomplete import Remainder, factorise, remainder
from pdemill.solvers.krylov.level_schedule import level_schedule
from pdemill.solvers.operators.product import Handles, Product
from pdemill.solvers.operators.system import Matrix, Pattern


class TriangularPreconditioned:
    """M = I, D, (D + L) D⁻¹ (D + U), ω / (2 - ω) (D / ω + L) D⁻¹ (D / ω + U) for ``ssor``, or incomplete factors
    without fill, in natural order.

    With icc and ilu the product is A M⁻¹ v = v - R M⁻¹ v where R is smaller than A.
    """

    def __init__(self, pattern: Pattern, preconditioner: str) -> None:
        n, self._pattern, self._kind = pattern.size, pattern, preconditioner
        rows = np.repeat(np.arange(n, dtype=np.int32), np.diff(pattern.indptr))
        self._diagonal = np.flatnonzero(pattern.indices == rows).astype(np.int32)
        self._matrix: Matrix | None = None
        self._omega = 1.0
        self._values = np.zeros(len(rows))
        self._lower, self._upper = _TriangularSolve(n), _TriangularSolve(n)
        self._rest = Remainder(np.zeros(0, np.uint32), np.zeros(0, np.uint32))
        if preconditioner in ("sor", "ssor", "icc", "ilu"):
            self._lower, self._upper = (
                _TriangularSolve(n, pattern, self._diagonal, True),
                _TriangularSolve(n, pattern, self._diagonal, False),
            )
        if preconditioner in ("icc", "ilu"):
            self._rest = remainder(pattern.indptr, pattern.indices, self._diagonal)
        self._left_out = np.zeros(len(self._rest.indices))
        starts, columns = self._rest if len(self._left_out) < len(rows) else (np.zeros(0, np.uint32),) * 2
        whole = pattern.indptr.view(np.uint32), pattern.indices.view(np.uint32), self._values
        self._between = np.zeros(n)
        self._table = kernels.table(
            n, self._lower.arrays, self._upper.arrays, whole, (starts, columns, self._left_out), self._between
        )
        place = self._table.ctypes.data
        self.product = Product(
            kernels.precondition.address, place, kernels.multiply.address, place, self._between.ctypes.data,
            kernels.both.address,
        )  # fmt: skip

    def load(self, matrix: Matrix, omega: float = 1.0) -> bool:
        """Take a matrix and factorise; False where M needs what the library does about small pivots, or a matrix of
        its own. ``omega``: that of ssor, whose M is regular wherever the diagonal is."""
        if matrix is self._matrix and omega == self._omega:
            return True
        self._matrix = None
        diagonal, singular = matrix.values[self._diagonal], matrix.singular and self._kind != "ssor"
        if singular or not np.isfinite(diagonal).all() or not diagonal.all():
            return False
        self._values[:] = matrix.values
        one = np.ones_like(diagonal)
        if self._kind == "jacobi":
            self._upper.scale[:] = 1.0 / diagonal
        elif self._kind in ("sor", "ssor"):
            scale = omega / diagonal
            self._lower.take(matrix.values, scale, scale)
            self._upper.take(matrix.values, (2.0 - omega) * one, scale)
        elif self._kind in ("icc", "ilu"):
            factors, pattern, definite = matrix.values.copy(), self._pattern, self._kind == "icc"
            if not factorise(
                pattern.indptr, pattern.indices, self._diagonal, self._rest, definite, factors, self._left_out
            ):
                return False
            pivots = factors[self._diagonal]
            self._lower.take(factors, one, one)
            self._upper.take(factors, 1.0 / pivots, 1.0 / pivots)
        self._matrix, self._omega = matrix, omega
        return True

    def handles(self, rows: list[Array]) -> Handles:
        """Where the rows are."""
        return np.array([row.ctypes.data for row in rows], dtype=np.intp)

    def side_by_side(self) -> Operator:
        """A and M for blocks of vectors, of the matrix that is loaded."""
        whole = Rows(self._pattern.indptr.view(np.uint32), self._pattern.indices.view(np.uint32), self._values)
        return Operator(whole, self._lower.triangle, self._upper.triangle)

    def precondition(self, y: Array) -> Array:
        """M⁻¹ y."""
        return self._called(kernels.precondition, y)

    def images(self, solutions: Array) -> tuple[Array, Array]:
        """A x and M x for the rows x."""
        products = np.stack([self._called(kernels.multiply, x) for x in solutions])
        n = self._pattern.size
        if self._kind == "none":
            return products, solutions
        if self._kind == "jacobi":
            return products, solutions / self._upper.scale
        if self._kind == "sor":
            whole = csr_array((self._values, self._pattern.indices, self._pattern.indptr), shape=(n, n))
            diagonal, lower, upper = self._values[self._diagonal], tril(whole, -1, "csr"), triu(whole, 1, "csr")
            return products, products + np.stack([lower @ ((upper @ x) / diagonal) for x in solutions])
        minus_rest = csr_array((self._left_out, self._rest.indices, self._rest.indptr), shape=(n, n))
        return products, products - np.stack([minus_rest @ x for x in solutions])

    def residual(self, x: Array, b: Array) -> Array:
        """b - A x."""
        return np.asarray(b - self._called(kernels.multiply, x))

    def _called(self, function: Any, v: Array) -> Array:
        v, out = np.ascontiguousarray(v), np.zeros_like(v)
        function.ctypes(self._table.ctypes.data, v.ctypes.data, out.ctypes.data)
        return out


class _TriangularSolve:
    """x_i = scale_i b_i - Σ values x; without a pattern only the scale."""

    def __init__(
        self, size: int, pattern: Pattern | None = None, diagonal: NDArray[np.int32] | None = None, lower: bool = True
    ) -> None:
        self.scale = np.ones(size)
        self._values, nothing = np.zeros(0), np.zeros(0, np.uint32)
        self.arrays: tuple[NDArray[Any], ...] = (nothing, nothing, nothing, self._values, self.scale)
        if pattern is not None and diagonal is not None:
            order, runs, columns, self._rows, self._places = level_schedule(
                pattern.indptr, pattern.indices, diagonal, lower
            )
            self._values = np.zeros(len(columns))
            self.arrays = (order, runs, columns, self._values, self.scale)

    @property
    def triangle(self) -> Triangle:
        order, runs, columns, values, scale = self.arrays
        return Triangle(order, runs.ravel(), columns, values, scale)

    def take(self, values: Array, scale: Array, factor: Array) -> None:
        """The scale, and the entries out of the values of the pattern, times a factor for each row."""
        self.scale[:] = scale
        np.multiply(values[self._places], factor[self._rows], out=self._values)
