"""Sparse linear systems: patterns, matrices on them, right-hand sides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr
from scipy.sparse import csr_array

from pdemill.points import Array
from pdemill.solvers.operators.norms import EPSILON, is_plain, relative_norm, two_norm
from pdemill.spec.problem import Properties

PART = 1 << 14
"""Entries that are looked at together."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """Unknowns that are components of vectors at ``count`` nodes: ``rows`` [n], node * width + component of each."""

    rows: NDArray[np.int32]
    width: int
    count: int


@dataclass(frozen=True, eq=False)
class Pattern:
    """The sparsity of a job's matrices: rows in ``indptr``, sorted columns in ``indices``, all diagonals present.

    ``shape``: cells along each axis where the unknowns form a grid, the last axis running fastest; else empty.
    ``definite``: whether its matrices are symmetric and positive definite, as far as one knows: it is worth trying.
    ``dimension``: number of space dimensions, where it was told, else 0. ``blocks``: where the unknowns are components
    of one vector at nodes, which those are. ``reactive``: whether its matrices hold terms without derivatives, which
    may bring one near an eigenvalue.
    """

    indptr: NDArray[np.int32]
    indices: NDArray[np.int32]
    shape: tuple[int, ...] = ()
    definite: bool = False
    dimension: int = 0
    blocks: Blocks | None = None
    reactive: bool = False

    @property
    def size(self) -> int:
        return len(self.indptr) - 1

    def diagonal(self, numbers: NDArray[np.intp]) -> NDArray[np.intp]:
        """Where the diagonal entries of some rows stand among the values."""
        begins, ends = self.indptr[numbers], self.indptr[numbers + 1]
        rows = zip(numbers.tolist(), begins.tolist(), ends.tolist(), strict=True)
        return np.array([begin + np.searchsorted(self.indices[begin:end], n) for n, begin, end in rows], dtype=np.intp)

    @cached_property
    def diagonals(self) -> NDArray[np.intp]:
        """Where the diagonal entries of all rows stand among the values."""
        return np.flatnonzero(self.indices == np.repeat(np.arange(self.size), np.diff(self.indptr)))

    @cached_property
    def longest_row(self) -> int:
        """The most entries of a row."""
        return int(np.diff(self.indptr).max())

    @cached_property
    def template(self) -> csr_array:
        """A SciPy matrix on this pattern, checked once; its values mean nothing."""
        return csr_array((np.zeros(len(self.indices)), self.indices, self.indptr), shape=(self.size, self.size))


@dataclass(frozen=True, eq=False)
class Matrix:
    """Values on a pattern. Two systems have the same matrix exactly when they hold the same object.

    ``null_space`` is a basis of the vectors v with A v = 0, where it is known to have any. ``layouts`` may hold the
    same operator as a solver likes it, by the type of that layout. ``kept``: which unknowns are part of the domain,
    where not all are; the others are coupled with none, and 0. ``motions`` gives vectors v for which A v is small, such
    as the motions of a rigid body, where that is known: multigrid keeps them on all its levels.
    """

    pattern: Pattern
    values: Array = field(repr=False)
    properties: Properties
    null_space: tuple[Array, ...] = ()
    layouts: Mapping[type, Any] = field(default_factory=dict)
    kept: NDArray[np.bool_] | None = None
    motions: Callable[[], tuple[Array, ...]] | None = None

    @property
    def made(self) -> bool:
        """Whether its values are there."""
        return True

    @cached_property
    def largest(self) -> float:
        """The largest entry, by absolute value."""
        return max(float(self.values.max()), -float(self.values.min()))

    def regular_values(self, places: NDArray[np.intp]) -> Array:
        """Its values with the diagonal entries at some places doubled, or, where they are 0, the largest entry."""
        values, added = self.values.copy(), self.values[places]
        values[places] += np.where(added == 0.0, self.largest, added)
        return values

    @cached_property
    def smallest(self) -> float:
        """The smallest entry, by absolute value, where unknowns were cut out the smallest that is not 0; in parts,
        which stay in the cache."""
        if self.kept is not None:
            sizes = np.abs(self.values)
            return float(sizes.min(where=sizes > 0.0, initial=self.largest))
        parts = range(0, len(self.values), PART)
        return float(min(np.abs(self.values[begin : begin + PART]).min() for begin in parts))

    @cached_property
    def total(self) -> float:
        """The sum of its entries, 1ᵀA1, over the unknowns that are kept."""
        return float(self.couplings.sum())

    @cached_property
    def couplings(self) -> Array:
        """Its values without the diagonal entries of unknowns that are cut out."""
        if self.kept is None:
            return self.values
        values = self.values.copy()
        values[self.pattern.diagonals[~self.kept]] = 0.0
        return values

    def counted(self, unknowns: Array) -> Array:
        """The unknowns that are kept."""
        return unknowns if self.kept is None else unknowns[self.kept]

    def within(self, unknowns: Array) -> Array:
        """The unknowns, 0 where they are cut out: iterations may leave rounding there."""
        return unknowns if self.kept is None else np.where(self.kept, unknowns, 0.0)

    @property
    def constants(self) -> Array:
        """1 at the unknowns that are kept, else 0."""
        return np.ones(self.pattern.size) if self.kept is None else self.kept.astype(float)

    @property
    def singular(self) -> bool:
        """Whether it is known to have a null space."""
        return bool(self.null_space)

    def layout[T](self, kind: type[T]) -> T | None:
        """The operator in a solver's own layout, where the discretisation made it; None: read the values."""
        return self.layouts.get(kind)

    def sparse(self) -> csr_array:
        """The matrix as SciPy knows it, sharing memory."""
        return self._sparse

    @cached_property
    def _sparse(self) -> csr_array:
        matrix = copy(self.pattern.template)
        matrix.data = self.values
        return matrix


def separating(null_space: tuple[Array, ...]) -> NDArray[np.intp]:
    """Numbers of as many unknowns as there are vectors, at which no combination of the vectors vanishes: the pivots of
    a QR factorisation. For the constants it is the first."""
    _, pivots = qr(np.stack(null_space), mode="r", pivoting=True)
    return np.asarray(pivots[: len(null_space)], dtype=np.intp)


class MatrixOnDemand(Matrix):
    """A matrix whose values are computed by ``make`` when they are first asked for, if ever."""

    def __init__(
        self,
        pattern: Pattern,
        make: Callable[[], Array],
        properties: Properties,
        null_space: tuple[Array, ...] = (),
        layouts: Mapping[type, Any] | None = None,
    ) -> None:
        for name, value in (("pattern", pattern), ("properties", properties), ("null_space", null_space)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "layouts", dict(layouts or {}))
        object.__setattr__(self, "_make", make)

    @property
    def made(self) -> bool:
        return "values" in self.__dict__

    def __getattr__(self, name: str) -> Any:
        if name != "values":
            raise AttributeError(name)
        object.__setattr__(self, "values", self.__dict__["_make"]())
        return self.__dict__["values"]


@dataclass(frozen=True, eq=False)
class System:
    """A u = b.

    ``shift`` is what was subtracted from the source so that a singular system has a solution. ``guess`` is where an
    iteration may begin.
    """

    matrix: Matrix
    rhs: Array
    shift: float = 0.0
    guess: Array | None = None

    def precise_residual(self, unknowns: Array) -> Array:
        """b - A u, summed in doubled precision where the values of the matrix are there. Without what of u is in the
        null space: A v is rounding there, and not 0."""
        if not self.matrix.made:
            return self.residual(unknowns)
        from pdemill.solvers.doubled import residual  # late: whoever only assembles does not load the compiler

        pattern = self.matrix.pattern
        for vector in self.matrix.null_space:
            unknowns = unknowns - (vector @ unknowns) / (vector @ vector) * vector
        found = residual(pattern.indptr, pattern.indices, self.matrix.values, unknowns, self.rhs)
        return found if np.isfinite(found).all() else self.residual(unknowns)

    def rounding(self, unknowns: Array) -> float:
        """A bound on what rounding adds to the norm of a residual in float64: n eps max|A| ‖u‖ for n entries per row,
        and as much for b."""
        entries = self.matrix.pattern.longest_row
        return entries * EPSILON * (self.matrix.largest * two_norm(unknowns) + self.size)

    @cached_property
    def size(self) -> float:
        """‖b‖."""
        return two_norm(self.rhs)

    def measured(self, residual: Array) -> tuple[float, float]:
        """‖r‖, and ‖r‖ / ‖b‖."""
        left = two_norm(residual)
        return left, left / self.size if is_plain(self.size) else relative_norm(residual, self.rhs)

    def residual(self, unknowns: Array) -> Array:
        """b - A u, by SciPy's product; systems whose matrix is not to be made have another way. That of the vector that
        was asked about last is remembered: neither is to be written to."""
        known = self.__dict__.get("_known")
        if known is None or known[0] is not unknowns:
            product = self.matrix.sparse() @ unknowns
            known = unknowns, np.asarray(np.subtract(self.rhs, product, out=product))
            object.__setattr__(self, "_known", known)
        found: Array = known[1]
        return found
