"""A and M for right preconditioning by compiled code that knows the pattern; the same M as the library's."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array, tril, triu

from pdemill.points import Array
from pdemill.solvers.krylov import triangular_kernels as kernels
from pdemill.solvers.krylov.block_conjugate import Operator
from pdemill.solvers.krylov.block_kernels import Rows, Triangle
from pdemill.solvers.krylov.incomplete import Remainder, factorise, remainder, with_rest
from pdemill.solvers.krylov.level_schedule import Schedule, Words, by_rows, fill, schedules
from pdemill.solvers.operators.product import Handles, Product, apply, check
from pdemill.solvers.operators.system import Matrix, Pattern


class TriangularPreconditioned:
    """M = I, D, (D + L) D⁻¹ (D + U), ω / (2 - ω) (D / ω + L) D⁻¹ (D / ω + U) for ``ssor``, or incomplete factors
    without fill, in natural order.

    With icc and ilu the product is A M⁻¹ v = v - R M⁻¹ v where R is smaller than A.
    """

    def __init__(self, pattern: Pattern, preconditioner: str) -> None:
        n, self._pattern, self._kind = pattern.size, pattern, preconditioner
        rows = np.repeat(np.arange(n, dtype=np.int32), np.diff(pattern.indptr))
        self._diagonal = diagonal = np.flatnonzero(pattern.indices == rows).astype(np.int32)
        self._matrix: Matrix | None = None
        self._omega = 1.0
        self._values = np.zeros(len(rows))
        self._lower, self._upper, self._minus = _Rows(), _Rows(scale=np.ones(n)), _Rows()
        self._rest, order = Remainder(np.zeros(n + 1, np.uint32), np.zeros(0, np.uint32)), np.zeros(0, np.uint32)
        if preconditioner in ("sor", "ssor", "icc", "ilu"):
            factors = preconditioner in ("icc", "ilu")
            if factors:
                self._rest = remainder(pattern.indptr, pattern.indices, diagonal)
            kept = self._rest if factors and len(self._rest.indices) < len(rows) else None
            order, lower, upper, minus = schedules(pattern.indptr, pattern.indices, diagonal, kept)
            self._lower = _Rows(lower, np.zeros(0) if factors else np.ones(n))
            self._upper, self._minus = _Rows(upper, np.ones(n)), _Rows(minus)
        self._order = order  # read by its address
        self._work, self._factors = np.zeros(3 * n), np.zeros(0)
        if preconditioner in ("icc", "ilu"):
            self._factors = np.zeros(len(rows) + len(self._rest.indices))
        self._left_out = self._factors[len(rows) :]
        whole = pattern.indptr.view(np.uint32), pattern.indices.view(np.uint32), self._values
        self._table = kernels.table(
            n, self._lower.sweep, self._upper.sweep, self._minus.sweep, whole, order, self._work
        )  # fmt: skip
        place = self._table.ctypes.data
        self.product = Product(
            kernels.precondition.address, place, kernels.multiply.address, place, self._work.ctypes.data,
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
            self._upper.sweep.scale[:] = 1.0 / diagonal
        elif self._kind in ("sor", "ssor"):
            scale = omega / diagonal
            self._lower.take(self._values, scale, scale)
            self._upper.take(self._values, (2.0 - omega) * one, scale)
        elif self._kind in ("icc", "ilu"):
            pattern, definite, factors = self._pattern, self._kind == "icc", self._factors
            factors[: len(self._values)] = self._values
            if not factorise(pattern.indptr, pattern.indices, self._diagonal, self._rest, definite, factors):
                return False
            inverses = 1.0 / factors[self._diagonal]
            self._lower.take(factors)
            self._upper.take(factors, inverses, inverses)
            if len(self._minus.sweep.runs):
                self._minus.take(-self._left_out)
        self._matrix, self._omega = matrix, omega
        return True

    def handles(self, rows: list[Array]) -> Handles:
        """Where the rows are."""
        return np.array([row.ctypes.data for row in rows], dtype=np.intp)

    def side_by_side(self) -> Operator:
        """A and M for blocks of vectors, of the matrix that is loaded."""
        whole = Rows(self._pattern.indptr.view(np.uint32), self._pattern.indices.view(np.uint32), self._values)
        return Operator(whole, self._lower.triangle(), self._upper.triangle())

    def precondition(self, y: Array) -> Array:
        """M⁻¹ y, for a vector or for rows of them."""
        return self._called(kernels.precondition, y)

    def images(self, solutions: Array) -> tuple[Array, Array]:
        """A x and M x for the rows x."""
        products = self._called(kernels.multiply, solutions)
        n = self._pattern.size
        if self._kind == "none":
            return products, solutions
        if self._kind == "jacobi":
            return products, solutions / self._upper.sweep.scale
        if self._kind == "sor":
            whole = csr_array((self._values, self._pattern.indices, self._pattern.indptr), shape=(n, n))
            diagonal, lower, upper = self._values[self._diagonal], tril(whole, -1, "csr"), triu(whole, 1, "csr")
            return products, products + np.stack([lower @ ((upper @ x) / diagonal) for x in solutions])
        return products, with_rest(self._rest, self._left_out, np.ascontiguousarray(solutions), products)

    def residual(self, x: Array, b: Array) -> Array:
        """b - A x."""
        return np.asarray(b - self._called(kernels.multiply, x))

    def _called(self, function: Any, v: Array) -> Array:
        v = np.ascontiguousarray(v)
        out, steps = np.empty_like(v), v.strides[0] * np.arange(len(v)) if v.ndim == 2 else np.zeros(1, np.intp)
        check(apply(function.address, self._table.ctypes.data, v.ctypes.data + steps, out.ctypes.data + steps))
        return out


class _Rows:
    """The arrays of a sweep, and which values it takes."""

    def __init__(self, schedule: Schedule | None = None, scale: Array | None = None) -> None:
        nothing = np.zeros(0, np.uint32)
        self._by_rows: tuple[Words, Triangle] | None = None
        self._schedule = schedule or Schedule(np.zeros((0, 4), np.uint32), *[nothing] * 5)
        runs, rows, columns, *_ = self._schedule
        self.sweep = kernels.Sweep(
            runs.ravel(), rows, columns, np.zeros(len(columns)), np.zeros(0) if scale is None else scale
        )

    def triangle(self) -> Triangle:
        """The same for blocks of vectors, which are of natural order and gone through row by row."""
        one, sweep = self._schedule, self.sweep
        if self._by_rows is None:
            places, scale = by_rows(one.runs, len(one.places)), np.ones(max(len(sweep.rows), len(sweep.scale)))
            begins = np.flatnonzero(np.diff(one.runs[:, 2], prepend=-1))
            stops = np.append(one.runs[begins[1:], 0], one.runs[-1:, 1])
            runs = np.stack([one.runs[begins, 0], stops, one.runs[begins, 2]], axis=1).astype(np.uint32)
            self._by_rows = (
                places,
                Triangle(one.natural, runs.ravel(), one.neighbours[places], np.zeros(len(places)), scale),
            )
        places, triangle = self._by_rows
        np.take(sweep.values, places, out=triangle.values)
        if len(one.natural) and len(sweep.scale):
            triangle.scale[one.natural] = sweep.scale
        elif len(sweep.scale):
            triangle.scale[:] = sweep.scale
        return triangle

    def take(self, values: Array, scale: Array | None = None, factor: Array | None = None) -> None:
        """The entries out of the values of the pattern, times a factor for each row, and the scale."""
        one, sweep = self._schedule, self.sweep
        if scale is not None:
            np.take(scale, one.natural, out=sweep.scale)
        fill(one.runs, one.places, one.natural, values, np.zeros(0) if factor is None else factor, sweep.values)
